import { describe, expect, it } from 'vitest';
import { BoundedLane } from '../../src/sources/boundedLane.js';
import { source } from '../support/source.js';

/** A lane from 2 on, and how often it has said that it is at its end. */
function laneUntil(until: number): { lane: BoundedLane; ends: () => number } {
  let ends = 0;
  const onEnd = (): void => {
    ends += 1;
  };
  const start = { topic: 'orders', partition: 0, epoch: 0, frontier: 2, runs: [], metadata: '', maxOpen: 10, until, onEnd };
  return { lane: new BoundedLane(start, source().checkpointer), ends: () => ends };
}

/** What a pump and a session do with a record. */
function emit(lane: BoundedLane, offset: number): boolean {
  if (!lane.emitting || lane.skips(offset)) return false;
  lane.open(offset, 1);
  lane.release(offset);
  lane.reach(offset + 1);
  return true;
}

describe('BoundedLane', () => {
  it('ends with the record before its end', () => {
    const { lane, ends } = laneUntil(5);
    expect([2, 3].map((offset) => emit(lane, offset))).toEqual([true, true]);
    expect(ends()).toBe(0);
    expect([4, 5].map((offset) => emit(lane, offset))).toEqual([true, false]);
    expect([ends(), lane.emitting]).toEqual([1, false]);
  });

  it('ends at the first record beyond a gap, which it leaves out', () => {
    const { lane, ends } = laneUntil(5);
    expect([2, 9, 10].map((offset) => emit(lane, offset))).toEqual([true, false, false]);
    expect([ends(), lane.top]).toEqual([1, 5]);
  });

  it('ends where the log does, with or without a record there, and not before', () => {
    const { lane, ends } = laneUntil(5);
    lane.reach(4);
    expect([ends(), emit(lane, 3), emit(lane, 4)]).toEqual([0, false, true]);
    const other = laneUntil(5);
    other.lane.reach(6);
    other.lane.reach(7);
    expect(other.ends()).toBe(1);
  });

  it('never ends without an end', () => {
    const { lane, ends } = laneUntil(Infinity);
    expect([2, 30, 400].map((offset) => emit(lane, offset))).toEqual([true, true, true]);
    lane.reach(1_000_000);
    expect([ends(), lane.emitting, lane.top]).toEqual([0, true, 1_000_000]);
  });
});
