import { NEVER } from 'rxjs';
import { describe, expect, it } from 'vitest';
import { decodeCheckpoint, encodeCheckpoint } from '../../src/offsets/codec.js';
import { source } from '../../marbles/support/source.js';

const MANY = 5_000_000;

describe('one stuck record, and five million finished beyond it', () => {
  it('take a handful of bytes, stop nothing, and leave exactly the stuck record and the unseen ones to come', () => {
    // A disk that never answers: what is measured is the lane.
    const lane = source({ write: () => NEVER }).lane();
    lane.open(0, 10);
    // Some of them in flight at a time, finished in another order than they came.
    for (let offset = 1; offset <= MANY; offset += 10) {
      for (let i = 0; i < 10; i += 1) lane.open(offset + i, 10);
      for (let i = 9; i >= 0; i -= 1) lane.finish(offset + i);
    }
    expect([lane.records, lane.oldest]).toEqual([1, 0]);

    const bytes = encodeCheckpoint(lane.checkpoint());
    expect(bytes.length).toBeLessThan(32);
    const { frontier, runs } = decodeCheckpoint(bytes);
    expect([frontier, runs]).toEqual([0, [1, MANY + 1]]);

    const again = source().lane({ frontier, runs });
    expect(again.skips(0)).toBe(false);
    again.open(0, 10);
    expect([1, 2, MANY - 1, MANY].map((offset) => again.skips(offset))).toEqual([true, true, true, true]);
    expect(again.skips(MANY + 1)).toBe(false);
    again.finish(0);
    expect(again.checkpoint()).toMatchObject({ frontier: MANY + 1, runs: [] });
  });
});
