import fc from 'fast-check';
import type { Observable } from 'rxjs';
import { NEVER, asyncScheduler, concat, concatMap, delay, from, mergeMap, of, switchMap, tap, timer } from 'rxjs';
import { describe, expect, it } from 'vitest';
import { partitionsOf } from '../../marbles/support/partitions.js';
import { slowWork } from '../../marbles/support/slowWork.js';
import { at, inVirtualTime } from '../../marbles/support/virtualTime.js';
import { memoryOffsets } from '../../src/offsets/memory.js';
import type { Checkpoint, OffsetStore } from '../../src/offsets/store.js';
import { commit } from '../../src/operators/commit.js';
import type { KafkaRecord } from '../../src/record.js';
import { TopicLog } from '../../src/testing/topicLog.js';

/** How many scenes of each kind. */
const RUNS = Number(process.env['KAFKA_RX_SCHEDULES'] ?? 100);
const TIMEOUT_MS = 60_000 + 100 * RUNS;
/** Longer than all that the partitions that are not stuck have to do. */
const CALM_MS = 60_000;

/** What stands below a partition. Who is stuck finishes nothing before it is calm. */
type Work = 'at once' | 'one after the other' | 'all together' | 'stuck' | 'late' | 'nobody';

interface Scene {
  /** Of each partition: what its records weigh, and what becomes of them. */
  readonly partitions: readonly { readonly sizes: readonly number[]; readonly work: Work; readonly workMs: number }[];
  readonly maxInFlight: number;
  readonly maxInFlightBytes: number;
  readonly fetchBufferBytes: number;
  readonly chunk: number;
  readonly readMs: number;
  readonly storeMs: number;
  /** For how long the first records hold the event loop. */
  readonly holds: readonly number[];
}

/** Plays a scene, and says what was wrong. */
function play({ partitions, maxInFlight, maxInFlightBytes, fetchBufferBytes, chunk, readMs, storeMs, holds }: Scene): string[] {
  const wrong: string[] = [];
  const say = (what: string): void => {
    if (wrong.length < 5) wrong.push(`${what} at ${asyncScheduler.now()} ms`);
  };
  inVirtualTime(({ flush, cold }) => {
    const log = new TopicLog(
      'orders',
      partitions.map(() => 0),
    );
    for (const [partition, { sizes }] of partitions.entries()) {
      for (const size of sizes) log.write(partition, { timestamp: 0, key: null, value: Buffer.alloc(size), headers: [] });
    }
    const memory = memoryOffsets();
    const written$ = cold<never>(storeMs === 0 ? '|' : `${storeMs}ms |`);
    const offsets: OffsetStore = {
      claim: (group, claimed) => memory.claim(group, claimed),
      write: (group, checkpoints) => concat(written$, from(memory.write(group, checkpoints))),
      reset: (group, checkpoints) => memory.reset(group, checkpoints),
      list: (group) => memory.list(group),
      state: (name) => memory.state(name),
      close: () => memory.close(),
      [Symbol.asyncDispose]: () => memory.close(),
    };
    const open = partitions.map(() => 0);
    const seen = partitions.map(() => 0);
    let openBytes = 0;
    const entering = ({ partition, offset, value }: KafkaRecord): void => {
      if (offset !== seen[partition]) say(`${partition}/${offset} in place of ${partition}/${seen[partition]}`);
      seen[partition] = offset + 1;
      open[partition] = (open[partition] ?? 0) + 1;
      openBytes += value?.length ?? 0;
      const records = open.reduce((sum, each) => sum + each, 0);
      if (records > maxInFlight) say(`${records} records are open`);
      if (openBytes > maxInFlightBytes && records > 1) say(`${openBytes} bytes are open`);
    };
    const leaving = ({ partition, value }: KafkaRecord): void => {
      open[partition] = (open[partition] ?? 0) - 1;
      openBytes -= value?.length ?? 0;
    };
    function working(records$: Observable<KafkaRecord>, work: Work, ms: number): Observable<KafkaRecord> {
      switch (work) {
        case 'at once':
          return records$;
        case 'one after the other':
          return records$.pipe(concatMap((record) => of(record).pipe(delay(ms))));
        case 'all together':
          return records$.pipe(mergeMap((record) => of(record).pipe(delay(ms))));
        case 'stuck':
          return records$.pipe(mergeMap((record) => timer(Math.max(0, CALM_MS - asyncScheduler.now())).pipe(switchMap(() => of(record)))));
        case 'late':
          return timer(ms * 10).pipe(switchMap(() => records$));
        case 'nobody':
          return NEVER;
      }
    }
    const bounds = { maxInFlight, maxInFlightBytes, fetchBufferBytes, stallAfterMs: Infinity };
    const { scheduler, work: hold } = slowWork((records) => holds[records - 1] ?? 0);
    const subscription = partitionsOf(log, bounds, { offsets, readMs: () => readMs, chunk, scheduler })
      .partitions$.pipe(
        mergeMap((records$) => {
          const { work, workMs } = partitions[records$.key.partition] as Scene['partitions'][number];
          return working(records$.pipe(tap(entering), hold), work, workMs).pipe(tap(leaving), commit());
        }),
      )
      .subscribe({
        error: (error: unknown) => {
          say(String(error));
        },
      });
    at(CALM_MS - 1, () => {
      for (const [partition, { work, sizes }] of partitions.entries()) {
        const isStuck = work === 'stuck';
        const enough = isStuck ? Math.min(sizes.length, Math.ceil(maxInFlight / partitions.length / 2)) : sizes.length;
        const reached = isStuck ? open[partition] : seen[partition];
        if (work !== 'nobody' && (reached ?? 0) < enough) say(`${partition} (${work}) has got ${reached} of ${enough}`);
      }
    });
    at(2 * CALM_MS, () => {
      const [checkpoints = []] = [...(memory.list('billing') as Iterable<readonly Checkpoint[]>)];
      for (const [partition, { work, sizes }] of partitions.entries()) {
        const frontier = checkpoints.find((one) => one.partition === partition)?.frontier ?? 0;
        if (frontier !== (work === 'nobody' ? 0 : sizes.length))
          say(`${partition} (${work}) is finished up to ${frontier} of ${sizes.length}`);
      }
      subscription.unsubscribe();
    });
    flush();
  })();
  return wrong;
}

function assertHolds(scenes: fc.Arbitrary<Scene>): void {
  fc.assert(
    fc.property(scenes, (scene) => {
      expect(play(scene)).toEqual([]);
    }),
    { numRuns: RUNS },
  );
}

const times = {
  chunk: fc.constantFrom(1, 3, Infinity),
  readMs: fc.constantFrom(0, 1, 20),
  storeMs: fc.constantFrom(0, 3, 50),
  holds: fc.array(fc.constantFrom(0, 0, 0, 1, 6, 30), { maxLength: 200, size: 'max' }),
};

describe('fromTopicByPartition', () => {
  it(
    'keeps within its bounds, and gives every partition at least half of its fair share, whoever is stuck',
    () => {
      const works = fc.constantFrom<Work>('at once', 'one after the other', 'all together', 'stuck', 'stuck', 'late', 'nobody');
      const partition = fc.record({
        sizes: fc.array(fc.integer({ min: 1, max: 10 }), { maxLength: 60, size: 'max' }),
        work: works,
        workMs: fc.nat(40),
      });
      const scene = fc.record({
        partitions: fc.array(partition, { minLength: 1, maxLength: 8, size: 'max' }),
        maxInFlight: fc.integer({ min: 8, max: 40 }),
        // Enough for the share of each to be a matter of records.
        maxInFlightBytes: fc.constant(800),
        fetchBufferBytes: fc.constantFrom(64, 400, 4_000),
        ...times,
      });
      assertHolds(scene);
    },
    TIMEOUT_MS,
  );

  it(
    'stands never still as long as work is finished, however few credits there are and however large the records',
    () => {
      const partition = fc.record({
        sizes: fc.array(fc.oneof(fc.integer({ min: 1, max: 10 }), fc.integer({ min: 1, max: 120 })), { maxLength: 30, size: 'max' }),
        work: fc.constantFrom<Work>('at once', 'one after the other', 'all together', 'late'),
        workMs: fc.nat(40),
      });
      const scene = fc.record({
        partitions: fc.array(partition, { minLength: 1, maxLength: 6, size: 'max' }),
        maxInFlight: fc.integer({ min: 1, max: 12 }),
        maxInFlightBytes: fc.integer({ min: 1, max: 100 }),
        fetchBufferBytes: fc.constantFrom(64, 400, 4_000),
        ...times,
      });
      assertHolds(scene);
    },
    TIMEOUT_MS,
  );
});
