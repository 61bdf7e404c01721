import type { GroupedObservable, Observable } from 'rxjs';
import { NEVER, concatMap, finalize, map, mergeMap, take, tap, timer } from 'rxjs';
import { afterEach, describe, expect, inject, it } from 'vitest';
import type { Checkpoint, KafkaEvent, KafkaRecord, TopicPartition } from '../src/index.js';
import { Kafka, commit, drain, fromTopicByPartition, memoryOffsets, openOffsets } from '../src/index.js';
import { numberedTopic, unique } from './support/numbered.js';
import { temporaryFolder } from './support/temporaryFolder.js';
import { until } from './support/until.js';

const brokers = inject('brokers');
/** Finds members that have gone sooner than by default. */
const QUICK = { 'heartbeat.interval.ms': 300, 'session.timeout.ms': 6_000 };
const opened: (() => void | Promise<void>)[] = [];

type Partition = GroupedObservable<TopicPartition, KafkaRecord>;

function cluster(): { readonly kafka: Kafka; readonly events: KafkaEvent[] } {
  const kafka = new Kafka({ brokers });
  const events: KafkaEvent[] = [];
  void kafka.events$.forEach((event) => events.push(event));
  opened.push(() => kafka.close());
  return { kafka, events };
}

/** A stream that is not to fail. */
function fail(error: unknown): never {
  throw error;
}

afterEach(async () => {
  for (const close of opened.splice(0).reverse()) await close();
});

describe('fromTopicByPartition', () => {
  it('lets eleven partitions go on while the twelfth is stuck, which holds no more than its share of records and of bytes', async () => {
    const partitions = 12;
    const each = 2_000;
    const { topic } = await numberedTopic(brokers, { records: partitions * each, partitions, bytes: 500 });
    const { kafka } = cluster();
    const open = Array.from({ length: partitions }, () => 0);
    const seen = Array.from({ length: partitions }, () => 0);
    let most = 0;
    const end = new AbortController();
    let left = (partitions - 1) * each;
    function work(records$: Partition): Observable<KafkaRecord> {
      const { partition } = records$.key;
      return records$.pipe(
        tap(({ offset }) => {
          expect(offset).toBe(seen[partition]);
          seen[partition] = offset + 1;
          open[partition] = (open[partition] ?? 0) + 1;
          most = Math.max(
            most,
            open.reduce((sum, count) => sum + count, 0),
          );
        }),
        mergeMap((record) => (partition === 0 ? NEVER : timer(record.offset % 3).pipe(map(() => record)))),
        commit(),
        tap(() => {
          open[partition] = (open[partition] ?? 0) - 1;
          left -= 1;
          if (left === 0) end.abort();
        }),
      );
    }
    // Far less than a partition has: all that is fetched of the stuck one must not fill it.
    const source$ = fromTopicByPartition(kafka, topic, {
      group: unique('stuck'),
      offsets: memoryOffsets(),
      maxInFlight: 600,
      maxInFlightBytes: 12 * 10_000,
      fetchBufferBytes: 500_000,
      drainTimeoutMs: 100,
      signal: end.signal,
    });
    const all = drain(source$.pipe(mergeMap(work)));
    await until(() => left === 0);
    expect(open[0]).toBe(20);
    expect(most).toBeLessThanOrEqual(12 * 20);
    // Nobody will finish what is stuck: its member gives it up after `drainTimeoutMs`.
    void all.catch(() => undefined);
  });

  it.each(['in each partition', 'below all of them'])(
    'partitions come and go with members, drained and complete, and nothing is lost or comes twice; commit() %s',
    async (where) => {
      const [partitions, each] = [6, 1_500];
      const { topic } = await numberedTopic(brokers, { records: partitions * each, partitions });
      await using folder = await temporaryFolder();
      await using offsets = openOffsets(`${folder.path}/offsets`);
      const group = unique('members');
      const done = Array.from({ length: partitions }, (): number[] => []);
      let left = partitions * each;
      /** What was under way in a partition when its Observable was over, commits included: there must be nothing. */
      const underWay: number[] = [];
      let streams = 0;
      let over = 0;
      const end = new AbortController();
      const member = (signal: AbortSignal): { readonly gone: Promise<void>; readonly events: KafkaEvent[] } => {
        const { kafka, events } = cluster();
        const inEach = where === 'in each partition';
        const source$ = fromTopicByPartition(kafka, topic, { group, offsets, maxInFlight: 120, signal, properties: QUICK }).pipe(
          mergeMap((records$) => {
            streams += 1;
            let open = 0;
            const worked$ = records$.pipe(
              tap(() => (open += 1)),
              concatMap((record) => timer(left < 3_000 ? 0 : 2).pipe(map(() => record))),
              tap(({ partition, offset }) => {
                open -= 1;
                done[partition]?.push(offset);
                left -= 1;
                if (left === 0) end.abort();
              }),
            );
            return (inEach ? worked$.pipe(commit()) : worked$).pipe(
              finalize(() => {
                over += 1;
                underWay.push(open);
              }),
            );
          }),
        );
        return { gone: drain(inEach ? source$ : source$.pipe(commit())), events };
      };
      const early = new AbortController();
      const first = member(early.signal);
      await until(() => streams === partitions);
      const second = member(end.signal);
      await until(() => streams >= partitions + 3);
      const third = member(end.signal);
      await until(() => third.events.some(({ type }) => type === 'assigned'));
      early.abort();
      await first.gone;
      await Promise.all([second.gone, third.gone]);

      const everything = Array.from({ length: each }, (_, offset) => offset);
      expect(done).toEqual(Array.from({ length: partitions }, () => everything));
      expect(over).toBe(streams);
      expect(streams).toBeGreaterThan(partitions + 3);
      expect(new Set(underWay)).toEqual(new Set([0]));
      const unfinished = [first, second, third].flatMap(({ events }) =>
        events.flatMap((event) => (event.type === 'revoked' ? [event.unfinished] : [])),
      );
      expect(new Set(unfinished)).toEqual(new Set([0]));
    },
  );

  it('fetches a partition when it is subscribed to, and no more when it is unsubscribed from: what is unfinished comes again', async () => {
    const { topic } = await numberedTopic(brokers, { records: 4_000, partitions: 2 });
    const { kafka } = cluster();
    const offsets = memoryOffsets();
    const options = { group: unique('late'), offsets, drainTimeoutMs: 500 };
    const seen: number[][] = [[], []];
    const note = ({ partition, offset }: KafkaRecord): void => {
      seen[partition]?.push(offset);
    };
    let late$: Partition | undefined;
    const first = fromTopicByPartition(kafka, topic, options)
      .pipe(
        mergeMap((records$) => {
          if (records$.key.partition === 0) return records$.pipe(take(100), commit());
          late$ = records$;
          return [];
        }),
      )
      .subscribe({ next: note, error: fail });
    await until(() => seen[0]?.length === 100);
    expect(late$).toBeDefined();
    const second = (late$ as Partition).pipe(commit()).subscribe({ next: note, error: fail });
    await until(() => seen[1]?.length === 2_000);
    expect(seen[0]).toHaveLength(100);
    expect(seen[1]).toEqual(Array.from({ length: 2_000 }, (_, offset) => offset));
    first.unsubscribe();
    second.unsubscribe();

    const again = fromTopicByPartition(kafka, topic, options)
      .pipe(mergeMap((records$) => records$.pipe(commit())))
      .subscribe({ next: note, error: fail });
    opened.push(() => {
      again.unsubscribe();
    });
    await until(() => seen[0]?.length === 2_000);
    expect(seen[0]).toEqual(Array.from({ length: 2_000 }, (_, offset) => offset));
    const frontiers = (): number[] => {
      const [checkpoints = []] = [...(offsets.list(options.group) as Iterable<readonly Checkpoint[]>)];
      return checkpoints.map(({ frontier }) => frontier);
    };
    await until(() => frontiers().every((frontier) => frontier === 2_000));
    expect(seen[1]).toHaveLength(2_000);
  });
});
