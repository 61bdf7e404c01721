import { fork } from 'node:child_process';
import { once } from 'node:events';
import { fileURLToPath } from 'node:url';
import { join } from 'node:path';
import type { Observable } from 'rxjs';
import { Subject, filter, firstValueFrom, lastValueFrom, map, mergeMap, take, tap, toArray } from 'rxjs';
import { describe, expect, inject, it } from 'vitest';
import { createTopic, deleteRecords } from '../broker/index.js';
import type { KafkaRecord, PartitionStats, SourceStats } from '../src/index.js';
import { Kafka, commit, drain, fromTopic, groupOffsets, memoryOffsets, openOffsets, readTopic } from '../src/index.js';
import { readSnapshot } from '../src/offsets/snapshot.js';
import { numberedTopic, unique, writeNumbers } from './support/numbered.js';
import { RawProducer } from './support/rawProducer.js';
import { temporaryFolder } from './support/temporaryFolder.js';
import { transactionalWriter } from './support/transactionalWriter.js';

const brokers = inject('brokers');
const isReal = inject('brokerKind') !== 'embedded';
const FINISHES_SOME = fileURLToPath(new URL('../.build/test/programs/finishesSome.js', import.meta.url));

/** The first sample that is so. A test that waits for ever has failed. */
async function when(stats$: Observable<SourceStats>, met: (stats: SourceStats) => boolean): Promise<SourceStats> {
  return sampled(await firstValueFrom(stats$.pipe(filter(met)), { defaultValue: undefined }));
}

function sampled(stats: SourceStats | undefined): SourceStats {
  if (stats === undefined) throw new Error('the statistics have ended before');
  return stats;
}

const byPartition = (a: PartitionStats, b: PartitionStats): number => a.partition - b.partition;

describe('the statistics of a source', () => {
  it("are the broker's own figures: ends, sizes, and the lag of the group", async () => {
    const { topic } = await numberedTopic(brokers, { records: 400, partitions: 4 });
    await using kafka = new Kafka({ brokers });
    const group = unique('stats');
    const orders$ = fromTopic(kafka, topic, { group, offsets: groupOffsets(kafka), statsEveryMs: 100, maxInFlight: 1_000 });
    const go$ = new Subject<void>();
    const held: KafkaRecord[] = [];
    // The first seventy of each partition are finished at once, the others when they may.
    const done = drain(
      orders$.pipe(
        mergeMap((record) => {
          if (record.offset < 70) return [record];
          held.push(record);
          return go$.pipe(
            take(1),
            map(() => record),
          );
        }),
        commit(),
        take(400),
      ),
    );
    const open = await when(orders$.stats$, ({ partitions, totals }) => {
      return totals.emitted === 400 && totals.committedLag === 120 && partitions.every(({ kafkaLogSize }) => kafkaLogSize > 0);
    });
    const lag = await kafka.admin.groupLag(group, { topics: [topic] });
    const ends = await kafka.admin.offsets(topic, 'latest');
    const starts = await kafka.admin.offsets(topic, 'earliest');
    const partitions = open.partitions.toSorted(byPartition);
    expect(partitions.map(({ partition, committedLag }) => [partition, committedLag])).toEqual(
      lag.toSorted((a, b) => a.partition - b.partition).map((one) => [one.partition, one.lag]),
    );
    expect(partitions.map(({ end, kafkaLogSize }) => [end, kafkaLogSize])).toEqual(
      ends.map(({ offset }, i) => [offset, offset - (starts[i]?.offset ?? NaN)]),
    );
    for (const one of partitions)
      expect(one).toMatchObject({
        position: 100,
        frontier: 70,
        waitingKafka: 0,
        deliveredLag: 0,
        waitingLocal: 30,
        oldestOpen: 70,
        holes: 1,
      });
    expect(open.totals).toMatchObject({ emitted: 400, finished: 280, creditsFree: 880, creditsMax: 1_000, repeats: 0, misses: 0 });
    expect(open.totals.bufferedBytes).toBe(120 * 4);
    expect(open.totals.commits).toBeGreaterThan(0);
    expect(open.totals.commitLatencyMs.last).toBeGreaterThanOrEqual(0);
    const quiet = when(orders$.stats$, ({ totals }) => totals.committedLag === 0);
    go$.next();
    expect((await quiet).totals).toMatchObject({ finished: 400, waitingLocal: 0, committedLag: 0 });
    expect((await kafka.admin.groupLag(group, { topics: [topic] })).map((one) => one.lag)).toEqual([0, 0, 0, 0]);
    await done;
  });

  it('see what a slow subscriber has left in Kafka, also what comes while nothing is fetched', async () => {
    const { topic } = await numberedTopic(brokers, { records: 2_000, partitions: isReal ? 1 : 4, bytes: 1_000 });
    await using kafka = new Kafka({ brokers });
    const orders$ = fromTopic(kafka, topic, {
      group: unique('slow'),
      offsets: memoryOffsets(),
      statsEveryMs: 100,
      maxInFlight: 5,
      // What is fetched ahead is much less than there is: nothing more is fetched once it is full.
      fetchBufferBytes: 50_000,
      properties: { 'max.partition.fetch.bytes': 10_000 },
    });
    const work = orders$
      .pipe(
        mergeMap(() => new Subject<KafkaRecord>()),
        commit(),
      )
      .subscribe();
    const before = await when(orders$.stats$, ({ totals }) => totals.waitingLocal === 5 && totals.kafkaLogSize === 2_000);
    const sum = before.partitions.reduce((all, { end, position }) => all + end - position, 0);
    expect(before.totals).toMatchObject({ waitingKafka: sum, deliveredLag: sum, creditsFree: 0, emitted: 5, finished: 0 });
    expect(sum).toBe(1_995);
    await writeNumbers(brokers, topic, { from: 2_000, records: 40, partitions: isReal ? 1 : 4, bytes: 4 });
    const after = await when(orders$.stats$, ({ totals }) => totals.waitingKafka === 2_035);
    expect(after.totals).toMatchObject({ committedLag: 2_040, waitingLocal: 5 });
    expect(after.totals.oldestOpenAgeMs).toBeGreaterThan(0);
    work.unsubscribe();
  });

  it('count, after a process was killed, what comes again', async () => {
    await using folder = await temporaryFolder();
    const store = join(folder.path, 'offsets');
    const partitions = 4;
    const { topic } = await numberedTopic(brokers, { records: 600, partitions });
    const group = unique('killed');
    const child = fork(FINISHES_SOME, [brokers.join(), topic, group, store, join(folder.path, 'socket')]);
    await new Promise<void>((resolve, reject) => {
      child.on('exit', () => {
        reject(new Error('it ended by itself'));
      });
      child.on('message', ({ totals }: SourceStats) => {
        // Everything is emitted, every third is finished on disk.
        if (totals.emitted === 600 && totals.runs > 0 && totals.finished === 200 && totals.repeats === 0) resolve();
      });
    });
    child.removeAllListeners('exit');
    child.kill('SIGKILL');
    await once(child, 'exit');

    // What the disk says is finished: below the last of it all has been emitted.
    const { checkpoints } = readSnapshot(store, 'offsets');
    const repeats = checkpoints.map(({ frontier, runs }) => {
      let open = (runs.at(-1) ?? frontier) - frontier;
      for (let i = 0; i < runs.length; i += 2) open -= (runs[i + 1] as number) - (runs[i] as number);
      return open;
    });
    await using kafka = new Kafka({ brokers });
    await using offsets = openOffsets(store);
    const orders$ = fromTopic(kafka, topic, { group, offsets, statsEveryMs: 100, properties: { 'group.instance.id': 'one' } });
    const seen: KafkaRecord[] = [];
    const done = drain(
      orders$.pipe(
        tap((record) => seen.push(record)),
        commit(),
        take(600 - checkpoints.reduce((all, { frontier, runs }) => all + finished(frontier, runs), 0)),
      ),
    );
    const last = lastValueFrom(kafka.stats$, { defaultValue: undefined });
    await done;
    await kafka.close();
    const { totals } = sampled(await last);
    expect(totals.repeats).toBe(repeats.reduce((a, b) => a + b));
    expect(totals.repeats).toBeGreaterThan(300);
    expect(totals.repeats).toBe(
      seen.filter(({ partition, offset }) => offset < (checkpoints.find((one) => one.partition === partition)?.runs.at(-1) ?? 0)).length,
    );
    expect(totals).toMatchObject({ committedLag: 0, misses: 0, emitted: seen.length });
  });

  it.runIf(isReal)('count what was deleted, and what transactions have left', async () => {
    const topic = unique('misses');
    await createTopic(brokers, topic, { partitions: 1 });
    {
      await using producer = await RawProducer.open(brokers);
      await producer.write(
        topic,
        0,
        Array.from({ length: 100 }, (_, n) => ({ value: String(n) })),
      );
      await using writer = await transactionalWriter(brokers, unique('writer'));
      await writer.begin();
      await writer.write(topic, ['aborted', 'aborted']);
      await writer.abort();
      // Begins when the first one's marker is written.
      await writer.begin();
      await writer.write(topic, ['last']);
      await writer.commit();
    }
    await using kafka = new Kafka({ brokers });
    const offsets = memoryOffsets();
    const options = { group: unique('misses'), offsets, mirror: false, statsEveryMs: 50 };
    await drain(fromTopic(kafka, topic, options).pipe(commit(), take(10)));
    await deleteRecords(brokers[0] as string, topic, [{ partition: 0, before: 40 }]);
    const orders$ = fromTopic(kafka, topic, { ...options, onOutOfRange: 'earliest' });
    const seen: number[] = [];
    const done = orders$
      .pipe(
        commit(),
        tap(({ offset }) => seen.push(offset)),
      )
      .subscribe();
    const { partitions, totals } = await when(orders$.stats$, (stats) => stats.totals.committedLag === 1 && stats.totals.kafkaLogSize > 0);
    done.unsubscribe();
    expect(seen).toEqual([...Array.from({ length: 60 }, (_, i) => 40 + i), 103]);
    // Thirty that were deleted; two that were aborted, and the marker that says so.
    expect(partitions).toMatchObject([{ misses: 33, repeats: 0, end: 105, position: 104, waitingKafka: 1, kafkaLogSize: 65 }]);
    expect(totals.misses).toBe(33);
  });

  it('of a readTopic are those of its partitions, by its name', async () => {
    const { topic } = await numberedTopic(brokers, { records: 80, partitions: 4 });
    await using kafka = new Kafka({ brokers });
    const samples: SourceStats[] = [];
    const range = { from: 5, until: 'latest', statsEveryMs: 20, onStats: (stats: SourceStats) => samples.push(stats) } as const;
    const orders$ = readTopic(kafka, topic, range);
    const ended = when(orders$.stats$, ({ state }) => state === 'stopping');
    const seen = await lastValueFrom(orders$.pipe(toArray()), { defaultValue: [] });
    await ended;
    expect(seen).toHaveLength(60);
    expect(samples.at(-1)).toMatchObject({ name: topic, totals: { emitted: 60, finished: 60, waitingLocal: 0, committedLag: 0 } });
    expect(samples.at(-1)?.partitions).toHaveLength(4);
    for (const one of samples.at(-1)?.partitions ?? []) expect(one).toMatchObject({ position: 20, frontier: 20, end: 20, misses: 0 });
  });

  it("have librdkafka's own, if its interval is set", async () => {
    const { topic } = await numberedTopic(brokers, { records: 8 });
    await using kafka = new Kafka({ brokers });
    const orders$ = fromTopic(kafka, topic, {
      group: unique('raw'),
      offsets: memoryOffsets(),
      statsEveryMs: 50,
      properties: { 'statistics.interval.ms': 50 },
    });
    const done = orders$.pipe(commit()).subscribe();
    const { rdkafkaStats } = await when(kafka.stats$, (stats) => stats.rdkafkaStats !== undefined);
    expect(rdkafkaStats).toMatchObject({ type: 'consumer', client_id: 'kafka-rx', topics: expect.any(Object) as object });
    done.unsubscribe();
  });
});

function finished(frontier: number, runs: readonly number[]): number {
  let all = frontier;
  for (let i = 0; i < runs.length; i += 2) all += (runs[i + 1] as number) - (runs[i] as number);
  return all;
}
