import { describe, expect, it } from 'vitest';
import { outgoing } from '../../src/sinks/outgoing.js';
import { recordAt, source } from '../support/source.js';

describe('outgoing', () => {
  const record = { ...recordAt(source().lane({ topic: 'orders', partition: 3 }), 7, 'v'), timestamp: 1_700_000_000_000, headers: [] };
  const target = (): string => 'invoices';

  it('a record spread over the one that it was made of does not go back to where that one came from', () => {
    expect(outgoing({ ...record, value: 'paid' }, 'an input', target, 'bytes')).toMatchObject({
      topic: 'invoices',
      partition: null,
      timestamp: 1_700_000_000_000,
    });
    expect(outgoing({ ...record, timestamp: -1 }, 'an input', target, 'bytes')).toMatchObject({ topic: 'invoices', timestamp: undefined });
  });

  it('a topic and a partition that are not those of its origin are where it goes', () => {
    expect(outgoing({ ...record, topic: 'audit', partition: 1 }, 'an input', target, 'bytes')).toMatchObject({
      topic: 'audit',
      partition: 1,
    });
    expect(outgoing({ topic: 'orders', partition: 3, value: 'v' }, 'an input', target, 'bytes')).toMatchObject({
      topic: 'orders',
      partition: 3,
    });
  });
});
