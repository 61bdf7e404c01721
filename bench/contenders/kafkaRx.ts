/** This library: whole pipelines, each record remembered in LMDB, on a real disk. */
import { filter, map, Observable, take, tap } from 'rxjs';
import { readFileSync } from 'node:fs';
import { addon } from '../../src/addon.js';
import { Kafka, commit, drain, fromTopic, memoryOffsets, openOffsets, release, toTopic } from '../../src/index.js';
import type { KafkaRecord } from '../../src/index.js';
import { contend } from '../contend.js';
import type { Meter } from '../meter.js';
import { LARGE_BYTES, payloads, transformed } from '../payload.js';
import type { Payload } from '../payload.js';
import type { Task } from '../task.js';
import { way } from '../way.js';

/** At more than a million records per second the default of 4,096 is out before the disk has answered; and more lets reads be larger. */
const source = { maxInFlight: 32_768 };
/** Large records take memory: fewer of them are fetched ahead, and of each partition so few at once that all have some in the buffer. */
const sourceOfLarge = { ...source, fetchBufferBytes: 4 * 1_024 * 1_024, properties: { 'fetch.message.max.bytes': 262_144 } };
/** What is written is awaited for longer, and slows the reading down: less is fetched ahead. */
const copied = { maxInFlight: 8_192, fetchBufferBytes: 4 * 1_024 * 1_024 };
const remembers = process.env['KAFKA_RX_BENCH'] !== 'released';
const reader = way('KAFKA_RX_READER', process.env['KAFKA_RX_READER'], addon());
const producer = way('KAFKA_RX_PRODUCER', process.env['KAFKA_RX_PRODUCER'], addon());
const { version } = JSON.parse(readFileSync(new URL('../../../package.json', import.meta.url), 'utf8')) as { version: string };
/**
 * `window`: how many records are on their way to the broker, where no source sets a bound.
 *
 * As soon as a batch is full it is sent. The time it may wait for that is longer than a record waits for those before it: librdkafka's thread
 * is busy for nothing while something is overdue in a partition that awaits an answer. With more partitions than a window has
 * batches none may have a full one, and all go when they are overdue.
 */
const writes = { window: 7_000, lingerMs: 50, properties: { 'batch.num.messages': 1_000 } };
const writesLarge = { ...writes, properties: { 'batch.num.messages': 700, 'max.in.flight': 2 } };

await contend(version, {
  consume: {
    settings: remembers
      ? { pipeline: 'fromTopic → map → commit', ...source, of1KB: sourceOfLarge, offsets: 'openOffsets, on disk', reader }
      : { pipeline: 'fromTopic → map → release', ...source, of1KB: sourceOfLarge, offsets: 'memoryOffsets', reader },
    run: consume,
  },
  produce: { settings: { pipeline: 'toTopic', ...writes, of1KB: writesLarge, producer }, run: produce },
  transform: {
    settings: {
      pipeline: 'fromTopic → map → toTopic → commit',
      ...copied,
      producerSettings: 'the defaults',
      offsets: 'openOffsets, on disk',
      reader,
      producer,
    },
    run: transform,
  },
  runs: { settings: { pipeline: 'fromTopic → filter → commit', offsets: 'openOffsets, on disk', reader }, run: openRuns },
});

/** Resolves when every record is through, and remembered where it is to be. */
async function consume(task: Task, meter: Meter): Promise<void> {
  await using kafka = started(task, meter);
  await using offsets = remembers ? openOffsets(`${task.folder}/offsets`) : memoryOffsets();
  const stop = new AbortController();
  const bounds = task.bytes >= LARGE_BYTES ? sourceOfLarge : source;
  await drain(
    fromTopic(kafka, task.topic, { ...bounds, group: task.group, offsets, signal: stop.signal }).pipe(
      tap(({ key, value }) => {
        if (meter.record(key, value)) stop.abort();
      }),
      map((record) => ({ ...record, value: record.value?.length ?? 0 })),
      remembers ? commit<KafkaRecord<number>>() : release<KafkaRecord<number>>(),
    ),
  );
  meter.stop();
}

async function produce(task: Task, meter: Meter): Promise<void> {
  await using kafka = new Kafka({ brokers: task.brokers });
  const { window, ...settings } = task.bytes >= LARGE_BYTES ? writesLarge : writes;
  const pool = payloads(10_000, task.bytes);
  let wanted: () => void = () => undefined;
  let acknowledged = -1;
  /** One to connect with, then payloads as fast as they are acknowledged. */
  const payloads$ = new Observable<Payload>((subscriber) => {
    let sent = 0;
    wanted = () => {
      while (sent < task.records && sent - acknowledged < window) {
        subscriber.next(pool[sent % pool.length] as Payload);
        sent += 1;
      }
      if (sent === task.records) subscriber.complete();
    };
    subscriber.next(pool[0] as Payload);
  });
  await drain(
    payloads$.pipe(
      toTopic(kafka, task.topic, (payload) => payload, { ...settings, topicProperties: { 'compression.codec': task.compression } }),
      tap(() => {
        acknowledged += 1;
        if (acknowledged === 0) meter.start();
        else meter.count(1);
        if (acknowledged % 1_000 === 0) wanted();
      }),
    ),
  );
  meter.stop();
}

async function transform(task: Task, meter: Meter): Promise<void> {
  await using kafka = started(task, meter);
  await using offsets = openOffsets(`${task.folder}/offsets`);
  const stop = new AbortController();
  await drain(
    fromTopic(kafka, task.topic, { ...copied, group: task.group, offsets, signal: stop.signal }).pipe(
      map((record) => ({ ...record, value: transformed(record.value) })),
      toTopic(kafka, task.output, ({ key, value }) => ({ key, value }), { topicProperties: { 'compression.codec': task.compression } }),
      commit(),
      tap(() => {
        if (meter.count(1)) stop.abort();
      }),
    ),
  );
  meter.stop();
}

/** One partition, every second record left open at first: what does remembering one more cost then? */
async function openRuns(task: Task, meter: Meter): Promise<void> {
  const runs = task.openRuns ?? 0;
  await using kafka = new Kafka({ brokers: task.brokers });
  await using offsets = openOffsets(`${task.folder}/offsets`);
  await drain(
    fromTopic(kafka, task.topic, {
      group: task.group,
      offsets,
      maxInFlight: runs + 4_096,
      maxInFlightBytes: 2 ** 40,
      stallAfterMs: Infinity,
    }).pipe(
      tap(({ offset }) => {
        if (offset === 2 * runs) meter.start();
      }),
      filter(({ offset }) => offset >= 2 * runs || offset % 2 === 1),
      commit(),
      filter(({ offset }) => offset >= 2 * runs),
      tap(() => meter.count(1)),
      take(task.records),
    ),
  );
  meter.stop();
}

/** Starts the clock when the source has its partitions. */
function started(task: Task, meter: Meter): Kafka {
  const kafka = new Kafka({ brokers: task.brokers });
  kafka.events$.subscribe({
    next: ({ type }) => {
      if (type === 'assigned') meter.start();
    },
    error: () => undefined,
  });
  return kafka;
}
