import fc from 'fast-check';
import { expect, it } from 'vitest';
import { HEAD_BYTES, decodeFrame, encodeFrame, frameBytes, nextFrame } from '../../src/sinks/frame.js';
import type { Outgoing } from '../../src/sinks/outgoing.js';

const field = fc.option(fc.uint8Array({ maxLength: 300 }).map((bytes) => Buffer.from(bytes)));
const name = fc.string({ unit: 'grapheme', maxLength: 20 }).filter((text) => text.isWellFormed());
const record: fc.Arbitrary<Outgoing> = fc.record({
  topic: fc.stringMatching(/^[a-zA-Z0-9._-]{1,249}$/),
  partition: fc.option(fc.nat({ max: 2 ** 31 - 1 })),
  key: field,
  value: field,
  timestamp: fc.option(fc.integer({ min: 1, max: Number.MAX_SAFE_INTEGER }), { nil: undefined }),
  headers: fc.array(fc.tuple(name, field), { maxLength: 6 }),
});

it('a record on disk is what was put there, of the size that was said, and is found behind others', () => {
  fc.assert(
    fc.property(fc.array(record, { minLength: 1, maxLength: 5 }), fc.integer({ min: 0 }), (records, at) => {
      const frames = records.map((each) => encodeFrame(each, at));
      expect(frames.map(({ length }) => length)).toEqual(records.map(frameBytes));
      const bytes = Buffer.concat(frames);
      const found: unknown[] = [];
      for (let place = nextFrame(bytes, 0); place !== undefined; place = nextFrame(bytes, place.end)) {
        expect(place.lost).toBe(0);
        found.push(decodeFrame(bytes, place.start));
      }
      expect(found).toEqual(records.map((each) => ({ record: each, at })));
    }),
    { numRuns: Number(process.env['KAFKA_RX_SCHEDULES'] ?? 300) },
  );
});

it('a frame that lacks one byte, or has one wrong, is none', () => {
  fc.assert(
    fc.property(
      record,
      fc.double({ min: 0, max: 1, maxExcluded: true, noNaN: true }),
      fc.integer({ min: 1, max: 255 }),
      (each, where, flip) => {
        const frame = encodeFrame(each, 1);
        expect(nextFrame(frame.subarray(0, -1), 0)).toBeUndefined();
        const at = Math.floor(where * frame.length);
        frame[at] = (frame[at] as number) ^ flip;
        expect(nextFrame(frame, 0)).toBeUndefined();
        expect(frame.length).toBeGreaterThan(HEAD_BYTES);
      },
    ),
    { numRuns: Number(process.env['KAFKA_RX_SCHEDULES'] ?? 300) },
  );
});
