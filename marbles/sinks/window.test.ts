import fc from 'fast-check';
import { describe, expect, it } from 'vitest';
import type { Outgoing } from '../../src/sinks/outgoing.js';
import { sizeOf } from '../../src/sinks/undelivered.js';
import { Window } from '../../src/sinks/window.js';

const field = fc.option(fc.uint8Array({ maxLength: 300 }).map((bytes) => Buffer.from(bytes)));
const record: fc.Arbitrary<Outgoing> = fc.record({
  topic: fc.constantFrom('orders', 'audit', 'x'),
  partition: fc.option(fc.nat()),
  key: field,
  value: field,
  timestamp: fc.option(fc.nat(), { nil: undefined }),
  headers: fc.array(fc.tuple(fc.string({ unit: 'grapheme' }), field), { maxLength: 40 }),
});

/** As `native/producer.cc` reads it. */
function unpacked(window: Window): unknown[] {
  return Array.from({ length: window.count }, (_, row) => {
    const [id, topic, partition, start, key, value, header, headers] = window.columns.subarray(row * 8, row * 8 + 8) as unknown as number[] & [number, number, number, number, number, number, number, number]; // prettier-ignore
    let at = start;
    const next = (length: number) => (length < 0 ? null : Buffer.from(window.bytes.subarray(at, (at += length))));
    return {
      id,
      topic: window.topics[topic],
      partition: partition < 0 ? null : partition,
      key: next(key),
      value: next(value),
      timestamp: window.timestamps[row] === 0 ? undefined : window.timestamps[row],
      headers: Array.from({ length: headers }, (_header, i) => {
        const [name, content] = window.headers.subarray(2 * (header + i)) as unknown as [number, number];
        return [String(next(name)), next(content)];
      }),
    };
  });
}

describe('a window', () => {
  it('holds what was put into it, however large, and again after it was cleared', () => {
    const window = new Window();
    fc.assert(
      fc.property(fc.array(record, { maxLength: 60 }), (records) => {
        records.forEach((each, i) => {
          window.add(i, each, sizeOf(each));
        });
        const expected = records.map((each, id) => ({ id, ...each, timestamp: each.timestamp === 0 ? undefined : each.timestamp }));
        expect(unpacked(window)).toEqual(expected);
        window.clear();
      }),
      { numRuns: 50 },
    );
  });

  it('is full by count and by bytes, and keeps no more memory than it needs', () => {
    const window = new Window();
    const large = { topic: 't', partition: null, key: null, value: Buffer.alloc(5_000_000), timestamp: undefined, headers: [] };
    const small = { ...large, value: Buffer.from('x') };
    for (let i = 0; !window.isFull; i += 1) window.add(i, small, 1);
    expect(window.count).toBe(1_000);
    window.clear();
    window.add(0, large, large.value.length);
    expect([window.count, window.isFull]).toEqual([1, true]);
    window.clear();
    expect(window.bytes.length).toBeLessThan(100_000);
  });
});
