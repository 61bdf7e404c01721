import type { MonoTypeOperatorFunction } from 'rxjs';
import { NEVER, from, lastValueFrom, mergeMap, of, tap } from 'rxjs';
import { afterEach, describe, expect, inject, it } from 'vitest';
import { deleteTopic, groups } from '../broker/index.js';
import type { FromPartitionsOptions, KafkaEvent, KafkaRecord, OffsetStore, Position } from '../src/index.js';
import {
  Kafka,
  OptionError,
  UnknownTopicError,
  commit,
  drain,
  fromPartitions,
  groupOffsets,
  memoryOffsets,
  openOffsets,
  toTopic,
  toTransaction,
} from '../src/index.js';
import { Fetcher } from '../src/sources/fetcher.js';
import { shareOf } from '../src/sources/share.js';
import { resolveSourceOptions } from '../src/sources/sourceOptions.js';
import { Standalone } from '../src/sources/standalone.js';
import { numberedTopic, unique, writeNumbers } from './support/numbered.js';
import { temporaryFolder } from './support/temporaryFolder.js';
import { until } from './support/until.js';

const brokers = inject('brokers');
const isReal = inject('brokerKind') !== 'embedded';
const opened: (() => Promise<unknown>)[] = [];

/** What a source has emitted, and what became of it. */
interface Run {
  readonly seen: Position[];
  readonly events: KafkaEvent[];
  error: unknown;
  readonly stop: () => Promise<void>;
}

type Choice = Parameters<typeof fromPartitions>[1];

/** Reads until it is stopped, and commits all, or what `work` lets through. */
function run(
  choice: Choice,
  options: Partial<FromPartitionsOptions> & { readonly offsets: OffsetStore },
  work: MonoTypeOperatorFunction<KafkaRecord> = (records$) => records$,
): Run {
  const kafka = new Kafka({ brokers });
  const stop = new AbortController();
  const found: Run = {
    seen: [],
    events: [],
    error: undefined,
    stop: async () => {
      stop.abort();
      await done;
      await kafka.close();
    },
  };
  void kafka.events$.forEach((event) => found.events.push(event));
  const records$ = fromPartitions(kafka, choice, { name: 'readers', signal: stop.signal, drainTimeoutMs: 500, ...options });
  const done = drain(
    records$.pipe(
      tap(({ topic, partition, offset }) => found.seen.push({ topic, partition, offset })),
      work,
      commit(),
    ),
    { signal: stop.signal, timeoutMs: 2_000 },
  ).catch((error: unknown) => {
    found.error = error;
  });
  opened.push(found.stop);
  return found;
}

const byPlace = (one: Position, other: Position): number => one.partition - other.partition || one.offset - other.offset;
const partitionsIn = (seen: readonly Position[]): number[] => [...new Set(seen.map(({ partition }) => partition))].sort((a, b) => a - b);

afterEach(async () => {
  for (const stop of opened.splice(0)) await stop();
});

describe('fromPartitions', () => {
  it('reads the chosen partitions of each topic, in order, and no others', async () => {
    const [one, other] = [await numberedTopic(brokers, { records: 400 }), await numberedTopic(brokers, { records: 400 })];
    const source = run({ [one.topic]: [2, 0], [other.topic]: [3] }, { offsets: memoryOffsets() });
    await until(() => source.seen.length === 300);
    await source.stop();
    for (const { topic, partitions } of [
      { topic: one.topic, partitions: [0, 2] },
      { topic: other.topic, partitions: [3] },
    ]) {
      const seen = source.seen.filter((position) => position.topic === topic);
      expect(partitionsIn(seen)).toEqual(partitions);
      for (const partition of partitions) {
        expect(seen.filter((position) => position.partition === partition).map(({ offset }) => offset)).toEqual([...Array(100).keys()]);
      }
    }
    const assigned = source.events.flatMap((event) => (event.type === 'assigned' ? [event] : []));
    expect(assigned.map(({ group, partitions }) => [group, partitions.length])).toEqual([['readers', 3]]);
  });

  it.runIf(isReal)('shares all partitions between the workers of one store, each record once', async () => {
    const { topic, positions } = await numberedTopic(brokers, { records: 1_300, partitions: 13 });
    const offsets = memoryOffsets();
    const workers = [0, 1, 2].map((slot) => run(topic, { offsets, worker: { slot, of: 3 } }));
    await until(() => workers.reduce((sum, { seen }) => sum + seen.length, 0) >= 1_300);
    await Promise.all(workers.map((worker) => worker.stop()));
    workers.forEach(({ seen }, slot) => {
      expect(seen.every(({ partition }) => partition % 3 === slot)).toBe(true);
    });
    const all = workers.flatMap(({ seen }) => seen).sort(byPlace);
    expect(all).toEqual(positions.map(({ partition, offset }) => ({ topic, partition, offset })).sort(byPlace));
  });

  it.runIf(isReal)('takes partitions that are created while it runs, by their slot, from their beginning', async () => {
    const { topic } = await numberedTopic(brokers, { records: 30, partitions: 3 });
    const offsets = memoryOffsets();
    const workers = [0, 1].map((slot) => run(topic, { offsets, worker: { slot, of: 2 }, discoverEveryMs: 100 }));
    await until(() => workers.reduce((sum, { seen }) => sum + seen.length, 0) === 30);
    await using kafka = new Kafka({ brokers });
    await kafka.admin.createPartitions(topic, 6);
    await drain(
      from([3, 4, 5]).pipe(
        mergeMap((partition) => [partition, partition]),
        toTopic(kafka, topic, (partition) => ({ value: 'new', partition })),
      ),
    );
    await until(() => workers.reduce((sum, { seen }) => sum + seen.length, 0) >= 36);
    await Promise.all(workers.map((worker) => worker.stop()));
    expect(workers.map(({ seen }) => partitionsIn(seen))).toEqual([
      [0, 2, 4],
      [1, 3, 5],
    ]);
    const added = workers.flatMap(({ seen }) => seen).filter(({ partition }) => partition >= 3);
    expect(added.sort(byPlace).map(({ partition, offset }) => `${partition}/${offset}`)).toEqual([
      '3/0',
      '3/1',
      '4/0',
      '4/1',
      '5/0',
      '5/1',
    ]);
  });

  it('goes on after a restart with exactly the records that were not finished', async () => {
    await using folder = await temporaryFolder();
    const { topic } = await numberedTopic(brokers, { records: 400 });
    const unfinished = [3, 50, 51, 97];
    {
      await using offsets = openOffsets(folder.path);
      const first = run(
        { [topic]: [0] },
        { offsets },
        mergeMap((record) => (unfinished.includes(record.offset) ? NEVER : of(record))),
      );
      await until(() => first.seen.length === 100);
      await first.stop();
    }
    await writeNumbers(brokers, topic, { from: 400, records: 8, partitions: 4, bytes: 4 });
    await using offsets = openOffsets(folder.path);
    const second = run({ [topic]: [0] }, { offsets });
    await until(() => second.seen.length >= unfinished.length + 2);
    await second.stop();
    expect(second.seen.map(({ offset }) => offset)).toEqual([...unfinished, 100, 101]);
  });

  it.runIf(isReal)('joins no group, and commits nothing to Kafka', async () => {
    const { topic } = await numberedTopic(brokers, { records: 100 });
    const name = unique('nobody');
    const source = run(topic, { name, offsets: memoryOffsets() });
    await until(() => source.seen.length === 100);
    await using kafka = new Kafka({ brokers });
    expect(await groups(brokers)).not.toContain(name);
    await source.stop();
    expect(await groups(brokers)).not.toContain(name);
    expect(await kafka.admin.groupOffsets(name, { topics: [topic] })).toEqual([]);
    // Whoever commits something is found.
    await kafka.admin.commitGroupOffsets(name, [{ topic, partition: 0, offset: 1 }]);
    expect(await groups(brokers)).toContain(name);
  });

  it('has no more than `maxInFlight` records out, whatever the work takes, and reads all', async () => {
    const { topic } = await numberedTopic(brokers, { records: 2_000 });
    let [open, most] = [0, 0];
    const source = run(
      topic,
      { offsets: memoryOffsets(), maxInFlight: 100 },
      mergeMap(async (record) => {
        most = Math.max(most, (open += 1));
        await new Promise(setImmediate);
        open -= 1;
        return record;
      }),
    );
    await until(() => source.seen.length >= 2_000);
    await source.stop();
    expect(most).toBeLessThanOrEqual(100);
    expect(new Set(source.seen.map(({ partition, offset }) => `${partition}/${offset}`)).size).toBe(2_000);
    expect(source.seen).toHaveLength(2_000);
  });

  it.runIf(isReal)('fetches nothing of what is paused, and all of it when it goes on', async () => {
    const { topic } = await numberedTopic(brokers, { records: 20, partitions: 2 });
    await using kafka = new Kafka({ brokers });
    const fetcher = new Fetcher(kafka, { group: 'readers', ...resolveSourceOptions('test', {}) }, {});
    const member: Standalone = new Standalone(
      fetcher,
      {
        onAssigned: (partitions) => {
          member.assign(partitions.map((partition) => ({ ...partition, offset: 0 })));
          member.pause([{ topic, partition: 1 }]);
        },
        onRevoked: () => undefined,
        onFatal: () => undefined,
      },
      { share: shareOf(topic, undefined), discoverEveryMs: 60_000, onError: () => undefined },
    );
    const seen: number[] = [];
    const readUntil = async (count: number): Promise<void> => {
      while (seen.length < count) {
        await new Promise<void>((resolve) => {
          member.reader.read(100, 100, (_error, batch) => {
            for (let row = 0; row < batch.length; row += 1) seen.push(batch.partition(row));
            resolve();
          });
        });
      }
    };
    await lastValueFrom(from(member.connect()), { defaultValue: undefined });
    await readUntil(10);
    expect(seen).toEqual(Array<number>(10).fill(0));
    member.resume([{ topic, partition: 1 }]);
    await readUntil(20);
    expect(seen.slice(10)).toEqual(Array<number>(10).fill(1));
    await lastValueFrom(from(member.close()), { defaultValue: undefined });
  });

  it('errors for a topic that is not there, or goes, and for a partition that the topic does not have', async () => {
    const { topic } = await numberedTopic(brokers, { records: 4 });
    const none = run(unique('none'), { offsets: memoryOffsets() });
    const strange = run({ [topic]: [0, 4] }, { offsets: memoryOffsets() });
    // It hears soon of what has become of the topic.
    const going = run(topic, { offsets: memoryOffsets(), properties: { 'topic.metadata.refresh.interval.ms': 500 } });
    await until(() => none.error !== undefined && strange.error !== undefined && going.seen.length === 4);
    expect(none.error).toBeInstanceOf(UnknownTopicError);
    expect(strange.error).toEqual(new OptionError(`fromPartitions: ${topic} has 4 partitions, and none is 4.`));
    if (!isReal) return;
    await deleteTopic(brokers, topic);
    await until(() => going.error !== undefined);
    expect(going.error).toBeInstanceOf(UnknownTopicError);
  });

  it('has no group whose offsets could be kept in Kafka, or be in a transaction', async () => {
    const { topic } = await numberedTopic(brokers, { records: 1 });
    await using kafka = new Kafka({ brokers });
    expect(() => fromPartitions(kafka, topic, { name: 'readers', offsets: groupOffsets(kafka) })).toThrow(
      new OptionError(
        'fromPartitions: groupOffsets(kafka) keeps offsets in a consumer group, and here is none: use openOffsets(directory), or fromTopic.',
      ),
    );
    const copies$ = fromPartitions(kafka, topic, { name: 'readers', offsets: memoryOffsets() }).pipe(
      toTransaction(kafka, topic, ({ value }) => ({ value }), { transactionalId: unique('copies') }),
    );
    await expect(drain(copies$)).rejects.toThrow(
      /the offsets of readers are not kept in Kafka.* read with fromTopic and groupOffsets\(kafka\)/,
    );
  });
});
