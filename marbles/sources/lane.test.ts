import fc from 'fast-check';
import { NEVER } from 'rxjs';
import { inspect } from 'node:util';
import { describe, expect, it } from 'vitest';
import type { LaneOwner, LaneStart } from '../../src/sources/lane.js';
import { PartitionLane } from '../../src/sources/lane.js';
import { LaneModel } from '../support/laneModel.js';
import { offsetsIn } from '../support/offsetSet.js';
import { firstOffset, stepToNext } from '../support/randomOffsets.js';

/** What a lane has told its owner. */
interface Ledger extends LaneOwner {
  committing: boolean;
  told: { finished: number; released: number; bytes: number; late: number };
}

function ledger(committing = true): Ledger {
  const told = { finished: 0, released: 0, bytes: 0, late: 0 };
  return {
    committing,
    told,
    ticket: 0,
    durable$: NEVER,
    attach: () => () => undefined,
    hold: () => undefined,
    resume: () => undefined,
    stage: () => undefined,
    addKeeper: () => () => undefined,
    kept: () => undefined,
    finished: (_, records, bytes) => {
      told.finished += records;
      told.bytes += bytes;
    },
    released: (_, records, bytes) => {
      told.released += records;
      told.bytes += bytes;
    },
    late: () => {
      told.late += 1;
    },
  };
}

function laneFrom(start: Partial<LaneStart> = {}, owner: LaneOwner = ledger()): PartitionLane {
  return new PartitionLane({ topic: 'orders', partition: 3, epoch: 7, frontier: 0, runs: [], metadata: '', maxOpen: 8, ...start }, owner);
}

function opened(...offsets: number[]): PartitionLane {
  const lane = laneFrom();
  for (const offset of offsets) lane.open(offset, 10);
  return lane;
}

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
  it('remembers exactly what is finished: the frontier, and the runs beyond it', () => {
    const lane = opened(0, 1, 2, 3, 4, 5);
    lane.finish(0);
    lane.finish(2);
    lane.finish(4);
    lane.finish(5);
    expect(lane.checkpoint()).toEqual({ topic: 'orders', partition: 3, epoch: 7, frontier: 1, runs: [2, 3, 4, 6], metadata: '' });
  });

  it('steps over offsets that the log does not have', () => {
    const lane = opened(2, 10, 11);
    expect(lane.checkpoint()).toMatchObject({ frontier: 2, runs: [3, 10] });
    lane.finish(2);
    expect(lane.checkpoint()).toMatchObject({ frontier: 10, runs: [] });
  });

  it('remembers nothing twice, and nothing that was never emitted', () => {
    const owner = ledger();
    const lane = laneFrom({}, owner);
    lane.open(0, 10);
    lane.finish(0);
    lane.finish(0);
    lane.release(0);
    lane.finish(1);
    lane.finishThrough(9);
    expect(owner.told).toEqual({ finished: 1, released: 0, bytes: 10, late: 0 });
    expect(lane.checkpoint()).toMatchObject({ frontier: 1, runs: [] });
  });

  it('lets a released record come again, whatever is finished around it', () => {
    const lane = opened(0, 1, 2, 3);
    lane.release(1);
    lane.finish(3);
    lane.finish(0);
    lane.finish(2);
    expect(lane.records).toBe(0);
    expect(lane.checkpoint()).toMatchObject({ frontier: 1, runs: [2, 4] });
  });

  it('where no commit stands keeps one stretch for all that was released, not one for each', () => {
    const owner = ledger(false);
    const lane = laneFrom({}, owner);
    for (let offset = 0; offset < 1_000; offset += 1) {
      lane.open(offset, 1);
      if (offset % 2 === 0) lane.release(offset);
      else lane.finish(offset);
    }
    expect(lane.checkpoint()).toMatchObject({ frontier: 0, runs: [999, 1_000] });
  });

  it('skips what an earlier epoch has finished, and only that', () => {
    const lane = laneFrom({ frontier: 5, runs: [7, 9, 12, 13] });
    const emitted = [4, 5, 6, 7, 8, 9, 10, 11, 12, 13].filter((offset) => {
      if (lane.skips(offset)) return false;
      lane.open(offset, 1);
      return true;
    });
    expect(emitted).toEqual([5, 6, 9, 10, 11, 13]);
  });

  it('keeps in mind what an earlier epoch has finished beyond what this one has read', () => {
    const lane = laneFrom({ frontier: 5, runs: [7, 9, 12, 13] });
    expect(lane.checkpoint()).toMatchObject({ frontier: 5, runs: [7, 9, 12, 13] });
    lane.open(5, 1);
    lane.finish(5);
    expect(lane.checkpoint()).toMatchObject({ frontier: 6, runs: [7, 9, 12, 13] });
    lane.open(6, 1);
    lane.finish(6);
    expect(lane.checkpoint()).toMatchObject({ frontier: 9, runs: [12, 13] });
  });

  it('counts what comes after it was fenced, and changes nothing', () => {
    const owner = ledger();
    const lane = laneFrom({}, owner);
    lane.open(0, 1);
    lane.open(1, 1);
    const before = lane.checkpoint();
    lane.fence();
    lane.finish(0);
    lane.release(1);
    lane.finishThrough(1);
    expect(owner.told).toEqual({ finished: 0, released: 0, bytes: 0, late: 3 });
    expect(lane.checkpoint()).toEqual(before);
  });

  it('still finishes what is open after it was stopped', () => {
    const lane = opened(0);
    lane.stop();
    expect([lane.emitting, lane.live]).toEqual([false, true]);
    lane.finish(0);
    expect(lane.checkpoint()).toMatchObject({ frontier: 1 });
  });

  it.each([
    [
      'finished',
      (lane: PartitionLane) => {
        lane.finish(0);
      },
    ],
    [
      'finished with all before it',
      (lane: PartitionLane) => {
        lane.finishThrough(0);
      },
    ],
    [
      'released',
      (lane: PartitionLane) => {
        lane.release(0);
      },
    ],
    [
      'fenced',
      (lane: PartitionLane) => {
        lane.fence();
      },
    ],
  ])('says once when nothing is open any more: %s', (_, end) => {
    const lane = opened(0);
    let idle = 0;
    lane.whenIdle(() => {
      idle += 1;
    });
    expect(idle).toBe(0);
    end(lane);
    end(lane);
    expect(idle).toBe(1);
    lane.whenIdle(() => {
      idle += 1;
    });
    expect(idle).toBe(2);
  });

  it('keeps what a commit said last with the checkpoint, and what was said before until then', () => {
    const lane = laneFrom({ metadata: 'earlier' });
    expect(lane.checkpoint().metadata).toBe('earlier');
    lane.metadata = 'now';
    expect(lane.checkpoint().metadata).toBe('now');
  });

  it('shows its name in a log, not its insides', () => {
    expect(inspect({ lane: opened(0, 1) })).toBe('{ lane: Lane(orders/3, epoch 7) }');
  });

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
