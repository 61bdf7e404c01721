import fc from 'fast-check';
import { inspect } from 'node:util';
import { describe, expect, it } from 'vitest';
import type { Retry } from '../../src/position.js';
import type { PartitionLane } from '../../src/sources/lane.js';
import { laneFrom, ledger } from '../support/ledger.js';

function opened(...offsets: number[]): PartitionLane {
  const lane = laneFrom();
  for (const offset of offsets) lane.open(offset, 10);
  return lane;
}

describe('PartitionLane', () => {
  it('remembers what has failed until it is finished, for every name', () => {
    const owner = ledger();
    const lane = laneFrom({}, owner);
    for (const offset of [0, 1, 2]) lane.open(offset, 10);
    const retry = (offset: number, name: string, failed: number): Retry => ({ offset, name, failed, due: 100 * failed });
    for (const noted of [retry(1, 'a', 1), retry(2, 'a', 1), retry(1, 'b', 1), retry(1, 'a', 2)]) lane.noteRetry(noted);

    expect([lane.retryOf(1, 'a'), lane.retryOf(1, 'c'), lane.retryOf(0, 'a')]).toEqual([retry(1, 'a', 2), undefined, undefined]);
    expect(owner.told.noted).toBe(4);
    expect(new Set(lane.checkpoint().retries)).toEqual(new Set([retry(1, 'a', 2), retry(1, 'b', 1), retry(2, 'a', 1)]));
    lane.release(2);
    expect(lane.checkpoint().retries).toHaveLength(3);
    lane.finish(1);
    expect(lane.checkpoint().retries).toEqual([retry(2, 'a', 1)]);
    lane.finishThrough(2);
    expect('retries' in lane.checkpoint()).toBe(false);
  });

  it('starts with what has failed in an earlier epoch, and forgets what is gone from the log', () => {
    const [gone, here] = [5, 9].map((offset) => ({ offset, name: '', failed: 2, due: 7 }));
    const lane = laneFrom({ frontier: 5, retries: [gone, here] as Retry[] });
    expect(lane.checkpoint().retries).toEqual([gone, here]);
    lane.open(9, 10);
    expect(lane.retryOf(9, '')).toBe(here);
    expect(lane.checkpoint()).toMatchObject({ frontier: 9, retries: [here] });
  });

  it('notes no failure after it was fenced, and fewer than were noted before change nothing', () => {
    const owner = ledger();
    const lane = laneFrom({}, owner);
    lane.open(0, 10);
    lane.noteRetry({ offset: 0, name: '', failed: 2, due: 2 });
    lane.noteRetry({ offset: 0, name: '', failed: 1, due: 9 });
    expect(lane.retryOf(0, '')?.due).toBe(2);
    lane.fence();
    lane.noteRetry({ offset: 0, name: '', failed: 3, due: 3 });
    expect([owner.told.noted, lane.retryOf(0, '')?.failed]).toEqual([2, 2]);
  });

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
    expect(owner.told).toEqual({ finished: 1, released: 0, noted: 0, bytes: 10, late: 0 });
    expect(lane.checkpoint()).toMatchObject({ frontier: 1, runs: [] });
  });

  it('in order, finishes a record when all before it are finished', () => {
    const owner = { ...ledger(), inOrder: true };
    const lane = laneFrom({}, owner);
    for (const offset of [0, 1, 5, 6]) lane.open(offset, 10);
    expect([lane.finish(5), lane.finish(1)]).toEqual([true, true]);
    expect([lane.records, owner.told.finished]).toEqual([4, 0]);
    expect(lane.checkpoint()).toMatchObject({ frontier: 0, runs: [2, 5] });

    expect(lane.finish(0)).toBe(true);
    expect([lane.records, owner.told]).toEqual([1, { finished: 3, released: 0, noted: 0, bytes: 30, late: 0 }]);
    expect(lane.checkpoint()).toMatchObject({ frontier: 6, runs: [] });
    lane.finish(6);
    expect([lane.records, owner.told.finished]).toEqual([0, 4]);
  });

  it('says whether a record was open until now, in order or not', () => {
    for (const inOrder of [false, true]) {
      const lane = laneFrom({}, { ...ledger(), inOrder });
      lane.open(0, 1);
      lane.open(1, 1);
      expect([lane.finish(1), lane.finish(1), lane.finish(0), lane.finish(0), lane.finish(1), lane.finish(2)]).toEqual([
        ...[true, false, true],
        ...[false, false, false],
      ]);
      lane.open(2, 1);
      lane.fence();
      expect(lane.finish(2)).toBe(false);
    }
  });

  it('in order, keeps a released record open, and with it all that is after it', () => {
    const owner = { ...ledger(), inOrder: true };
    const lane = laneFrom({}, owner);
    for (const offset of [0, 1, 2]) lane.open(offset, 1);
    lane.release(1);
    lane.finish(2);
    lane.finish(0);
    expect(lane.checkpoint()).toMatchObject({ frontier: 1, runs: [] });
    expect([lane.oldest, lane.records]).toEqual([1, 2]);
    lane.finish(1);
    expect(lane.checkpoint()).toMatchObject({ frontier: 3, runs: [] });
  });

  it('in order, is idle when it has stopped, and all that is left waits for a released record', () => {
    const lane = laneFrom({}, { ...ledger(), inOrder: true });
    for (const offset of [0, 1, 2]) lane.open(offset, 1);
    let idle = 0;
    lane.release(1);
    lane.whenIdle(() => (idle += 1));
    lane.finish(2);
    lane.finish(0);
    expect(idle).toBe(0);
    lane.stop();
    expect([idle, lane.records, lane.checkpoint().frontier]).toEqual([1, 2, 1]);
  });

  it('in order, has the frontier of a plain set of offsets and nothing finished beyond it, whatever order they are finished in', () => {
    const steps = fc.array(fc.tuple(fc.integer({ min: 1, max: 3 }), fc.nat(40), fc.boolean()), { maxLength: 200 });
    fc.assert(
      fc.property(steps, (walk) => {
        const owner = { ...ledger(), inOrder: true };
        const lane = laneFrom({}, owner);
        const emitted: number[] = [];
        const finished = new Set<number>();
        for (const [step, which, opens] of walk) {
          if (opens) {
            lane.open(lane.top + step - 1, 1);
            emitted.push(lane.top - 1);
          } else if (emitted.length > 0) {
            const offset = emitted[which % emitted.length] as number;
            expect(lane.finish(offset)).toBe(!finished.has(offset));
            finished.add(offset);
          }
          const oldest = emitted.find((offset) => !finished.has(offset)) ?? lane.top;
          expect(lane.checkpoint().frontier).toBe(oldest);
          expect(owner.told.finished).toBe(emitted.filter((offset) => offset < oldest).length);
          expect(lane.records).toBe(emitted.filter((offset) => offset >= oldest).length);
        }
      }),
    );
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
    expect(owner.told).toEqual({ finished: 0, released: 0, noted: 0, bytes: 0, late: 3 });
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
});
