import { describe, expect, it } from 'vitest';
import { RAW, detach } from '../src/record.js';
import { recordAt, source } from './support/source.js';

describe('detach', () => {
  it('copies all that could be a view into a larger buffer, also what a decoded value was read as', () => {
    const shared = Buffer.from('key-value-header');
    const [key, value, header] = [shared.subarray(0, 3), shared.subarray(4, 9), shared.subarray(10)];
    const record = { ...recordAt(source().lane(), 7, 'VALUE'), key, headers: [['name', header]] as const, [RAW]: value };
    const detached = detach(record);
    expect(detached).toEqual(record);
    shared.fill(0);
    expect([String(detached.key), String(detached[RAW]), String(detached.headers[0][1])]).toEqual(['key', 'value', 'header']);
    expect(RAW in detach(recordAt(source().lane(), 7, null))).toBe(false);
  });
});
