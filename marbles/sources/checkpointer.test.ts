import fc from 'fast-check';
import { EMPTY, NEVER, ignoreElements, of, tap, timer } from 'rxjs';
import { describe, expect, it } from 'vitest';
import type { PartitionLane } from '../../src/sources/lane.js';
import { offsetsIn } from '../support/offsetSet.js';
import type { Source } from '../support/source.js';
import { RECORD_BYTES, source } from '../support/source.js';
import { at, inVirtualTime } from '../support/virtualTime.js';

/** A lane with so many open records, and their credits taken. */
function opened(kafka: Source, records: number, partition = 0): PartitionLane {
  const lane = kafka.lane({ partition });
  for (let offset = 0; offset < records; offset += 1) {
    lane.open(offset, RECORD_BYTES);
    kafka.demand.take(RECORD_BYTES);
  }
  return lane;
}

describe('Checkpointer', () => {
  it(
    'has one write in flight, and puts everything that is ready into the next',
    inVirtualTime(({ cold, expectObservable, expectSubscriptions }) => {
      const write$ = cold<never>('---|');
      const kafka = source({ write: () => write$ });
      const [left, right] = [opened(kafka, 3), opened(kafka, 2, 1)];
      const onDisk = '            ----1--x';
      const firstWrite = '        -^--!';
      const secondWrite = '       ----^--!';

      at(1, () => {
        left.finish(0);
      });
      at(2, () => {
        right.finish(0);
      });
      at(3, () => {
        left.finish(1);
        right.finish(1);
      });
      expectObservable(kafka.onDisk$).toBe(onDisk, { 1: '1', x: '1:2 2' });
      expectSubscriptions(write$.subscriptions).toBe([firstWrite, secondWrite]);
    }),
  );

  it(
    'gives credits back when they are on disk, not before',
    inVirtualTime(({ cold, expectObservable }) => {
      const write$ = cold<never>('---|');
      const kafka = source({ write: () => write$ });
      const lane = opened(kafka, 4);
      const out = '               ----3--1';

      at(1, () => {
        lane.finish(0);
      });
      at(2, () => {
        lane.finishThrough(2);
      });
      expectObservable(kafka.relief$).toBe(out);
    }),
  );

  it(
    'lets others join for a moment after a write of many, and not when all is quiet',
    inVirtualTime(({ cold, expectSubscriptions }) => {
      const write$ = cold<never>('---|');
      const kafka = source({ maxRecords: 1_000, write: () => write$ });
      const lane = opened(kafka, 600);
      const writeOfMany = '       -^--!';
      const afterIt = '           --------------^--!';
      const inQuiet = '           ------------------------^--!';

      at(1, () => {
        lane.finishThrough(299);
      });
      at(2, () => {
        lane.finish(300);
      });
      at(5, () => {
        lane.finish(301);
      });
      at(24, () => {
        lane.finish(302);
      });
      expectSubscriptions(write$.subscriptions).toBe([writeOfMany, afterIt, inQuiet]);
    }),
  );

  it(
    'lets others join for longer after a write of many runs, for it costs more',
    inVirtualTime(({ cold, expectSubscriptions }) => {
      const write$ = cold<never>('---|');
      const kafka = source({ maxRecords: 20_000, write: () => write$ });
      const lane = opened(kafka, 8_010);
      const writeOfOne = '        -^--!';
      const ofManyRuns = '        ----^--!';
      const afterIt = '           -------------------^--!';
      const andAgain = '          ------------------------^--!';

      at(1, () => {
        for (let offset = 1; offset < 8_000; offset += 2) lane.finish(offset);
      });
      at(8, () => {
        lane.finish(8_000);
      });
      // The write before it was of a single record, but of as many runs.
      at(23, () => {
        lane.finish(8_001);
      });
      expectSubscriptions(write$.subscriptions).toBe([writeOfOne, ofManyRuns, afterIt, andAgain]);
    }),
  );

  it(
    'waits for nobody when as many are ready as may be open, or when it is told to write',
    inVirtualTime(({ cold, expectSubscriptions }) => {
      const write$ = cold<never>('---|');
      const kafka = source({ maxRecords: 300, write: () => write$ });
      const lane = opened(kafka, 300);
      const writeOfMany = '       -^--!';
      const asMany = '            ------^--!';
      const flushed = '           ----------^--!';

      at(1, () => {
        lane.finishThrough(299);
      });
      at(5, () => {
        for (let offset = 300; offset < 601; offset += 1) {
          lane.open(offset, RECORD_BYTES);
          kafka.demand.take(RECORD_BYTES);
        }
        lane.finishThrough(598);
      });
      at(6, () => {
        lane.finish(599);
      });
      at(10, () => {
        lane.finish(600);
        kafka.checkpointer.flush().subscribe();
      });
      expectSubscriptions(write$.subscriptions).toBe([writeOfMany, asMany, flushed]);
    }),
  );

  it(
    'gives the credits of released records back at once, and writes nothing for them',
    inVirtualTime(({ expectObservable, flush }) => {
      const kafka = source();
      const lane = opened(kafka, 2);
      const out = '-1-0';

      at(1, () => {
        lane.release(0);
      });
      at(3, () => {
        lane.release(1);
      });
      expectObservable(kafka.relief$).toBe(out);
      flush();
      expect(kafka.writes).toEqual([]);
    }),
  );

  it(
    'tells which ticket is durable, on subscription and after every write',
    inVirtualTime(({ cold, expectObservable }) => {
      const write$ = cold<never>('---|');
      const kafka = source({ write: () => write$ });
      const lane = opened(kafka, 3);
      const early = '             a---b--c';
      const late = '              -----b-c';

      at(1, () => {
        lane.finish(0);
      });
      at(2, () => {
        lane.finishThrough(2);
      });
      expectObservable(kafka.checkpointer.durable$).toBe(early, { a: 0, b: 1, c: 3 });
      expectObservable(kafka.checkpointer.durable$, '-----^').toBe(late, { b: 1, c: 3 });
    }),
  );

  it(
    'flush writes whatever the pace, and completes when that is on disk',
    inVirtualTime(({ cold, expectObservable, expectSubscriptions }) => {
      const write$ = cold<never>('---|');
      const kafka = source({ write: () => write$ });
      const lane = opened(kafka, 3);
      kafka.checkpointer.attach('commit', { everyMs: 60_000, everyRecords: Infinity });
      const flush = '             --^';
      const flushed = '           -----|';
      const onDisk = '            -----1';
      const writes = '            --^--!';

      at(1, () => {
        lane.finish(0);
      });
      expectObservable(kafka.checkpointer.flush(), flush).toBe(flushed);
      expectObservable(kafka.onDisk$).toBe(onDisk);
      expectSubscriptions(write$.subscriptions).toBe(writes);
    }),
  );

  it(
    'flush waits for the write in flight and for the one after it, but for nothing that is finished later',
    inVirtualTime(({ cold, expectObservable, expectSubscriptions }) => {
      const write$ = cold<never>('---|');
      const kafka = source({ write: () => write$ });
      const lane = opened(kafka, 3);
      const flush = '             ---^';
      const flushed = '           -------|';
      const firstWrite = '        -^--!';
      const secondWrite = '       ----^--!';
      const thirdWrite = '        -------^--!';

      at(1, () => {
        lane.finish(0);
      });
      at(2, () => {
        lane.finish(1);
      });
      at(5, () => {
        lane.finish(2);
      });
      expectObservable(kafka.checkpointer.flush(), flush).toBe(flushed);
      expectSubscriptions(write$.subscriptions).toBe([firstWrite, secondWrite, thirdWrite]);
    }),
  );

  it('flush writes together what is finished together, also if the first of it is what it has waited for', () => {
    const kafka = source({ write: () => NEVER });
    const [left, right] = [opened(kafka, 1), opened(kafka, 1, 1)];
    const failures: unknown[] = [];
    kafka.checkpointer.attach('commit', { everyMs: 60_000, everyRecords: Infinity });
    left.whenIdle(() => {
      kafka.checkpointer.flush().subscribe({ error: (error: unknown) => failures.push(error) });
    });
    kafka.checkpointer.hold();
    left.finish(0);
    expect(kafka.writes).toEqual([]);
    right.finish(0);
    kafka.checkpointer.resume();
    expect([kafka.writes, failures]).toEqual([
      [[expect.objectContaining({ partition: 0 }), expect.objectContaining({ partition: 1 })]],
      [],
    ]);
  });

  it(
    'flush is done at once when there is nothing to write, and when a write has failed',
    inVirtualTime(({ cold, expectObservable }) => {
      const failing$ = cold<never>('---#');
      const idle = source();
      const failing = source({ write: () => failing$ });
      const lane = opened(failing, 1);

      at(1, () => {
        lane.finish(0);
      });
      expectObservable(idle.checkpointer.flush()).toBe('|');
      expectObservable(failing.checkpointer.flush(), '--^').toBe('----|');
      expectObservable(failing.checkpointer.flush(), '------^').toBe('------|');
    }),
  );

  it(
    'writes nothing more after a write has failed, and says so to all who ask',
    inVirtualTime(({ cold, expectObservable, expectSubscriptions, flush }) => {
      const write$ = cold<never>('---#', {}, new Error('disk full'));
      const kafka = source({ write: () => write$ });
      const lane = opened(kafka, 3);
      const early = '             a---#';
      const late = '              ------#';
      const writes = '            -^--!';

      at(1, () => {
        lane.finish(0);
      });
      at(2, () => {
        lane.finish(1);
      });
      at(5, () => {
        lane.finish(2);
      });
      expectObservable(kafka.checkpointer.durable$).toBe(early, { a: 0 }, new Error('disk full'));
      expectObservable(kafka.checkpointer.durable$, '------^').toBe(late, {}, new Error('disk full'));
      expectSubscriptions(write$.subscriptions).toBe(writes);
      flush();
      expect(kafka.failures).toEqual([new Error('disk full')]);
      expect(kafka.demand.records).toBe(3);
    }),
  );

  it('puts what is finished while records are being emitted into one write', () => {
    const kafka = source();
    const lane = opened(kafka, 3);
    kafka.checkpointer.hold();
    kafka.checkpointer.hold();
    lane.finish(0);
    lane.finish(1);
    kafka.checkpointer.resume();
    expect(kafka.writes).toHaveLength(0);
    kafka.checkpointer.resume();
    expect(kafka.writes.map((write) => write.map(({ frontier }) => frontier))).toEqual([[2]]);
  });

  it(
    'everyMs runs from the first finished record after a write, also after one that came early',
    inVirtualTime(({ expectObservable }) => {
      const kafka = source();
      const lane = opened(kafka, 4);
      kafka.checkpointer.attach('commit', { everyMs: 5, everyRecords: 2 });
      const onDisk = '--2------3';

      at(1, () => {
        lane.finish(0);
      });
      at(2, () => {
        lane.finish(1);
      });
      at(4, () => {
        lane.finish(2);
      });
      expectObservable(kafka.onDisk$).toBe(onDisk);
    }),
  );

  it('tells whose checkpoint was refused, by topic, partition and epoch, and goes on', () => {
    const kafka = source({ write: (checkpoints) => of(checkpoints.slice(0, 1)) });
    const overtaken = kafka.lane();
    const others = [kafka.lane({ partition: 1 }), kafka.lane({ topic: 'payments' }), kafka.lane({ epoch: 2 })];
    kafka.checkpointer.hold();
    for (const lane of [overtaken, ...others]) {
      lane.open(0, RECORD_BYTES);
      kafka.demand.take(RECORD_BYTES);
      lane.finish(0);
    }
    kafka.checkpointer.resume();
    expect(kafka.refused).toEqual([overtaken]);
    expect(kafka.refused[0]).toBe(overtaken);
    expect([kafka.failures, kafka.demand.records]).toEqual([[], 0]);
  });

  it(
    'writes nothing of a lane that was fenced, and gives the credits of what it had finished back',
    inVirtualTime(({ cold, expectObservable, flush }) => {
      const write$ = cold<never>('---|');
      const kafka = source({ write: () => write$ });
      const [left, right] = [opened(kafka, 1), opened(kafka, 1, 1)];
      const onDisk = '            ----1';
      const out = '               ----(10)';

      at(1, () => {
        left.finish(0);
      });
      at(2, () => {
        right.finish(0);
      });
      at(3, () => {
        right.fence();
      });
      expectObservable(kafka.onDisk$).toBe(onDisk);
      expectObservable(kafka.relief$).toBe(out);
      flush();
      expect(kafka.writes).toHaveLength(1);
    }),
  );

  it('knows whether operators that finish records are there, and tells when the last has left', () => {
    const kafka = source();
    const { checkpointer } = kafka;
    expect([checkpointer.operators, checkpointer.committing]).toEqual(['none', false]);
    const leaveFirst = checkpointer.attach('release');
    expect([checkpointer.operators, checkpointer.committing]).toEqual(['there', false]);
    const leaveSecond = checkpointer.attach('commit');
    expect(checkpointer.committing).toBe(true);
    leaveFirst();
    leaveFirst();
    expect([checkpointer.operators, kafka.abandoned()]).toEqual(['there', 0]);
    leaveSecond();
    expect([checkpointer.operators, kafka.abandoned()]).toEqual(['gone', 1]);
  });

  it('never has two writes in flight, never writes ahead of the work, and ends with all of it on disk and all credits back', () => {
    const PARTITIONS = 3;
    const finish = fc.record({ at: fc.nat(60), partition: fc.nat(PARTITIONS - 1), offset: fc.nat(9) });
    const pace = fc.option(fc.record({ everyMs: fc.nat(20), everyRecords: fc.integer({ min: 1, max: 6 }) }), { nil: undefined });
    fc.assert(
      fc.property(fc.array(finish, { maxLength: 40 }), fc.array(fc.nat(8), { minLength: 1 }), pace, (finishes, writeMs, paced) => {
        inVirtualTime(({ flush }) => {
          let inFlight = 0;
          const failures: unknown[] = [];
          const finished = Array.from({ length: PARTITIONS }, () => new Set<number>());
          const kafka = source({
            write: (checkpoints) => {
              inFlight += 1;
              expect(inFlight).toBe(1);
              for (const { partition, frontier, runs } of checkpoints) {
                expect(offsetsIn([0, frontier, ...runs])).toEqual(finished[partition]);
              }
              const ms = writeMs[kafka.writes.length % writeMs.length] ?? 0;
              return (ms === 0 ? EMPTY : timer(ms)).pipe(
                ignoreElements(),
                tap({
                  complete: () => {
                    inFlight -= 1;
                  },
                }),
              );
            },
          });
          const lanes = finished.map((_, partition) => opened(kafka, 10, partition));
          kafka.checkpointer.attach('commit', paced);
          for (const { at: ms, partition, offset } of finishes) {
            at(ms, () => {
              finished[partition]?.add(offset);
              lanes[partition]?.finish(offset);
            });
          }
          at(100, () => {
            kafka.checkpointer.flush().subscribe({ error: (error: unknown) => failures.push(error) });
          });
          flush();
          expect(failures).toEqual([]);
          const all = finished.reduce((sum, offsets) => sum + offsets.size, 0);
          expect(kafka.demand.records).toBe(PARTITIONS * 10 - all);
          for (const [partition, offsets] of finished.entries()) {
            const last = kafka.writes.flat().findLast((checkpoint) => checkpoint.partition === partition);
            expect(offsetsIn([0, last?.frontier ?? 0, ...(last?.runs ?? [])])).toEqual(offsets);
          }
        })();
      }),
    );
  });
});
