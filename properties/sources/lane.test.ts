import fc from 'fast-check';
import { describe, expect, it } from 'vitest';
import { LaneModel } from '../../marbles/support/laneModel.js';
import type { Ledger } from '../../marbles/support/ledger.js';
import { laneFrom, ledger } from '../../marbles/support/ledger.js';
import { offsetsIn } from '../../marbles/support/offsetSet.js';
import { firstOffset, stepToNext } from '../../marbles/support/randomOffsets.js';
import type { PartitionLane } from '../../src/sources/lane.js';

/** Finished stretches beyond a frontier, as an earlier epoch may have left them. */
const restoredRuns = fc.array(fc.tuple(fc.integer({ min: 1, max: 6 }), fc.integer({ min: 1, max: 25 })), { maxLength: 5 }).map((pairs) => {
  const runs: number[] = [];
  let at = 0;
  for (const [apart, length] of pairs) {
    runs.push(at + apart, at + apart + length);
    at += apart + length;
  }
  return runs;
});

type Step =
  | { readonly do: 'emit'; readonly step: number; readonly bytes: number }
  | { readonly do: 'finish' | 'finishThrough' | 'release'; readonly which: number };

const which = fc.nat(1_000);
const stepOf = (does: 'finish' | 'finishThrough' | 'release'): fc.Arbitrary<Step> => fc.record({ do: fc.constant(does), which });
const emitStep: fc.Arbitrary<Step> = fc.record({ do: fc.constant('emit' as const), step: stepToNext, bytes: fc.nat(100) });
const steps = fc.array(
  fc.oneof(
    { weight: 10, arbitrary: emitStep },
    { weight: 6, arbitrary: stepOf('finish') },
    { weight: 1, arbitrary: stepOf('finishThrough') },
    { weight: 2, arbitrary: stepOf('release') },
  ),
  { maxLength: 80, size: 'max' },
);

const RELEASED_AROUND_AN_OPEN_ONE: Step[] = [
  { do: 'emit', step: 1, bytes: 1 },
  { do: 'release', which: 0 },
  { do: 'emit', step: 1, bytes: 1 },
  { do: 'emit', step: 1, bytes: 1 },
  { do: 'release', which: 1 },
];

describe('PartitionLane', () => {
  it('knows exactly what a plain set of offsets would know, whatever the gaps, the order, the restored runs and the stragglers', () => {
    fc.assert(
      fc.property(firstOffset, restoredRuns, fc.constantFrom(1, 8, 600), steps, (frontier, ahead, maxOpen, walk) => {
        const start = { frontier, runs: ahead.map((offset) => frontier + offset) };
        const owner = ledger();
        const lane = laneFrom({ ...start, maxOpen }, owner);
        const model = new LaneModel(start);
        walkBoth(lane, model, owner, walk);
      }),
    );
  });

  it('remembers nothing that is open or released, even before it is known that a commit stands there', () => {
    fc.assert(
      fc.property(restoredRuns, steps, fc.nat(80), (runs, walk, commitAt) => {
        const owner = ledger(false);
        const lane = laneFrom({ runs }, owner);
        const model = new LaneModel({ frontier: 0, runs });
        walkBoth(lane, model, owner, walk.slice(0, commitAt));
        owner.committing = true;
        walkBoth(lane, model, owner, walk.slice(commitAt));
      }),
      { examples: [[[], RELEASED_AROUND_AN_OPEN_ONE, 5]] },
    );
  });

  it('restored from its own checkpoint emits exactly the unfinished records, crash after crash', () => {
    const life = fc.record({ reads: fc.nat(60), finishes: fc.array(fc.tuple(fc.boolean(), which), { maxLength: 60, size: 'max' }) });
    const log = fc.array(stepToNext, { minLength: 1, maxLength: 80, size: 'max' });
    fc.assert(
      fc.property(log, fc.array(life, { minLength: 1, maxLength: 5 }), (gaps, lives) => {
        let next = 0;
        const records = gaps.map((step) => (next += step));
        const finished = new Set<number>();
        let start = { frontier: 0, runs: [] as readonly number[] };
        for (const { reads, finishes } of lives) {
          const lane = laneFrom(start);
          const due = records.filter((offset) => !finished.has(offset));
          const emitted: number[] = [];
          for (const offset of records.filter((each) => each >= start.frontier)) {
            // Out of credit the lane is asked all the same, and the record stays unread.
            if (lane.skips(offset)) continue;
            if (emitted.length >= reads) break;
            lane.open(offset, 1);
            emitted.push(offset);
          }
          expect(emitted).toEqual(due.slice(0, reads));
          for (const [remember, nth] of finishes) {
            const [offset] = emitted.splice(nth % Math.max(1, emitted.length), 1);
            if (offset === undefined) break;
            if (!remember) lane.release(offset);
            else {
              lane.finish(offset);
              finished.add(offset);
            }
          }
          start = lane.checkpoint();
        }
        const remembered = offsetsIn([0, start.frontier, ...start.runs]);
        expect(records.filter((offset) => remembered.has(offset))).toEqual(records.filter((offset) => finished.has(offset)));
      }),
    );
  });
});

function walkBoth(lane: PartitionLane, model: LaneModel, owner: Ledger, walk: readonly Step[]): void {
  for (const step of walk) {
    if (step.do === 'emit') {
      const offset = model.top + step.step - 1;
      const skips = model.skips(offset);
      expect(lane.skips(offset)).toBe(skips);
      if (!skips) {
        lane.open(offset, step.bytes);
        model.emit(offset, step.bytes);
      }
    } else {
      const choices = [...model.open.keys(), model.top, model.top - 1];
      const offset = choices[step.which % choices.length] as number;
      const { records, bytes } = lane;
      const before = { ...owner.told };
      lane[step.do](offset);
      if (step.do === 'release') model.release(offset, owner);
      else model[step.do](offset);
      const told = step.do === 'release' ? 'released' : 'finished';
      expect(owner.told).toEqual({
        ...before,
        [told]: before[told] + records - model.open.size,
        bytes: before.bytes + bytes - lane.bytes,
      });
    }
    expect(lane.top).toBe(model.top);
    expect(lane.records).toBe(model.open.size);
    expect(lane.bytes).toBe([...model.open.values()].reduce((sum, each) => sum + each, 0));
    expect(lane.checkpoint()).toMatchObject(model.checkpoint());
  }
}
