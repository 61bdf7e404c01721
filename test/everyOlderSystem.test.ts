import { setTimeout as delay } from 'node:timers/promises';
import type { Observable } from 'rxjs';
import { BehaviorSubject, NEVER, concat, firstValueFrom, from, lastValueFrom, mergeMap, of, take, tap, toArray } from 'rxjs';
import { describe, expect, inject, it } from 'vitest';
import { deleteRecords } from '../broker/index.js';
import type { Checkpoint, KafkaEvent, KafkaRecord, OffsetStore } from '../src/index.js';
import {
  BrokerUnavailableError,
  DrainTimeoutError,
  Kafka,
  OffsetOutOfRangeError,
  OptionError,
  RecordTooLargeError,
  batch,
  commit,
  drain,
  fromTopic,
  gate,
  groupOffsets,
  memoryOffsets,
  openOffsets,
  produceAll,
  publisher,
  readTopic,
  toTopic,
} from '../src/index.js';
import { embeddedKafka } from '../src/testing/index.js';
import { numberOf, numberedTopic, unique } from './support/numbered.js';
import { silentPort } from './support/silentPort.js';
import { temporaryFolder } from './support/temporaryFolder.js';

const brokers = inject('brokers');
const RECORDS = 40;

/** A `Kafka`, with what it says. */
function cluster(properties = {}) {
  const kafka = new Kafka({ brokers, properties });
  const events: KafkaEvent[] = [];
  void kafka.events$.forEach((event) => events.push(event));
  return { kafka, events, [Symbol.asyncDispose]: () => kafka.close() };
}

/** A new topic with one partition and numbers in it. */
async function numbers(records = RECORDS): Promise<string> {
  return (await numberedTopic(brokers, { records, partitions: 1 })).topic;
}

async function all<T>(stream$: Observable<T>): Promise<T[]> {
  return lastValueFrom(stream$.pipe(toArray()), { defaultValue: [] });
}

async function remembered(offsets: OffsetStore, group: string): Promise<readonly Checkpoint[]> {
  return firstValueFrom(from(offsets.list(group)), { defaultValue: [] });
}

/** A test that waits for ever has failed. */
async function until(met: () => boolean): Promise<void> {
  while (!met()) await delay(5);
}

// Each is what a row of an older system was called. How they are called here is in the README.
describe.runIf(inject('brokerKind') !== 'embedded').concurrent('every older system', () => {
  it('offsets atomic', async () => {
    const [topic, group] = [await numbers(), unique('atomic')];
    await using s = cluster();
    await using folder = await temporaryFolder();
    await using offsets = openOffsets(folder.path);
    const totals = offsets.state<number>('totals');
    const counted$ = fromTopic(s.kafka, topic, { group, offsets }).pipe(
      commit({
        apply: (records, txn) => {
          const table = txn.table<number>('totals');
          table.put('all', (table.get('all') ?? 0) + records.length);
          if (records.some(({ offset }) => offset === 25)) throw new RangeError('in the middle');
        },
      }),
    );
    await expect(drain(counted$)).rejects.toThrow('in the middle');
    const [checkpoint] = await remembered(offsets, group);
    expect(totals.get('all') ?? 0).toBe(checkpoint?.frontier ?? 0);
    expect(checkpoint?.frontier ?? 0).toBeLessThanOrEqual(25);
  });

  it('pause and resume', async () => {
    const topic = await numbers();
    await using s = cluster();
    const open$ = new BehaviorSubject(false);
    const seen: number[] = [];
    const read$ = fromTopic(s.kafka, topic, { group: unique('pause'), offsets: memoryOffsets(), maxInFlight: 10 }).pipe(
      gate(open$),
      tap((record) => {
        seen.push(numberOf(record));
        if (seen.length === 5) open$.next(false);
      }),
      commit(),
      take(RECORDS),
    );
    const reading = drain(read$);
    await until(() => s.events.some(({ type }) => type === 'assigned'));
    expect(seen).toEqual([]);
    open$.next(true);
    await until(() => seen.length === 5);
    open$.next(true);
    await until(() => !open$.value || seen.length === RECORDS);
    open$.next(true);
    await reading;
    expect(seen).toEqual(Array.from({ length: RECORDS }, (_, n) => n));
  });

  it('prefetch limit', async () => {
    const topic = await numbers();
    await using s = cluster();
    let [open, most] = [0, 0];
    await drain(
      fromTopic(s.kafka, topic, { group: unique('limit'), offsets: memoryOffsets(), maxInFlight: 3 }).pipe(
        tap(() => (most = Math.max(most, (open += 1)))),
        mergeMap((record) => delay(1, record)),
        commit(),
        tap(() => (open -= 1)),
        take(RECORDS),
      ),
    );
    expect(most).toBe(3);
  });

  it('enqueued and queue length', async () => {
    const topic = await numbers(0);
    await using s = cluster();
    await using folder = await temporaryFolder();
    const metrics = publisher(s.kafka, { topic, spill: `${folder.path}/spill` });
    const results = Array.from({ length: RECORDS }, (_, n) => metrics.send('cpu', String(n)));
    expect(results.every(({ accepted }) => accepted)).toBe(true);
    expect(metrics.stats()).toMatchObject({ accepted: RECORDS, queued: { messages: RECORDS } });
    await metrics.close();
    expect(metrics.stats()).toMatchObject({ accepted: RECORDS, queued: { messages: 0, bytes: 0 } });
  });

  it('delivery errors', async () => {
    const topic = await numbers(0);
    await using s = cluster();
    const { hasErrors, errors } = await produceAll(s.kafka, [{ value: Buffer.alloc(2_000_000) }, { value: 'fits' }], { topic });
    expect([hasErrors, errors.length, errors[0] instanceof RecordTooLargeError]).toEqual([true, 1, true]);
  });

  it('partition count', async () => {
    const { topic } = await numberedTopic(brokers, { records: 0, partitions: 7 });
    await using s = cluster();
    expect((await s.kafka.admin.topic(topic)).partitions).toHaveLength(7);
  });

  it('start and stop', async () => {
    const topic = await numbers();
    await using s = cluster();
    const offsets = memoryOffsets();
    const stop = new AbortController();
    const orders$ = fromTopic(s.kafka, topic, { group: unique('stop'), offsets, signal: stop.signal }).pipe(commit());
    expect(s.events).toEqual([]);
    const first = await all(orders$.pipe(take(10)));
    const rest: KafkaRecord[] = [];
    await drain(
      orders$.pipe(
        tap((record) => {
          rest.push(record);
          if (rest.length === RECORDS - 10) stop.abort();
        }),
      ),
    );
    expect([...first, ...rest].map(numberOf)).toEqual(Array.from({ length: RECORDS }, (_, n) => n));
  });

  it('batches', async () => {
    const topic = await numbers();
    await using s = cluster();
    const read$ = readTopic(s.kafka, topic, { until: 'latest' });
    const batches = await all(read$.pipe(batch({ maxRecords: 15, maxMs: 60_000 })));
    expect(batches.map(({ length }) => length)).toEqual([15, 15, 10]);
  });

  it('driver options', async () => {
    const topic = await numbers();
    await using s = cluster({ 'statistics.interval.ms': 50 });
    const options = { group: unique('driver'), offsets: memoryOffsets() };
    const reading = drain(fromTopic(s.kafka, topic, options).pipe(commit()));
    await until(() => s.events.some(({ type }) => type === 'stats'));
    await s.kafka.close();
    await reading;
    await using other = cluster();
    expect(() => fromTopic(other.kafka, topic, { ...options, properties: { 'enable.auto.commit': true } })).toThrow(OptionError);
    await expect(drain(fromTopic(other.kafka, topic, { ...options, properties: { 'no.such.setting': 1 } }))).rejects.toThrow(
      'no.such.setting',
    );
  });

  it('test server', async () => {
    await using server = await embeddedKafka({ topics: ['orders'] });
    await using kafka = new Kafka({ brokers: server.brokers });
    await drain(of('a', 'b').pipe(toTopic(kafka, 'orders', (value) => ({ value, partition: 2 }))));
    expect((await all(readTopic(kafka, 'orders', { until: 'latest' }))).map(({ value }) => String(value))).toEqual(['a', 'b']);
  });

  it('binary payloads', async () => {
    const topic = await numbers(0);
    await using s = cluster();
    const bytes = Buffer.from(Array.from({ length: 256 }, (_, byte) => byte));
    const records = [{ key: bytes, value: bytes }, { key: bytes, value: null }, { value: Buffer.alloc(0) }];
    await drain(from(records).pipe(toTopic(s.kafka, topic, (record) => record)));
    const read = await all(readTopic(s.kafka, topic, { until: 'latest' }));
    expect(read.map(({ key, value }) => [key, value])).toEqual([
      [bytes, bytes],
      [bytes, null],
      [null, Buffer.alloc(0)],
    ]);
  });

  it('session and metadata', async () => {
    const [topic, group] = [await numbers(), unique('session')];
    await using s = cluster();
    const reading = drain(fromTopic(s.kafka, topic, { group, offsets: memoryOffsets() }).pipe(commit()));
    const isSession = (event: KafkaEvent): boolean => event.type === 'assigned' || event.type === 'revoked';
    await until(() => s.events.some(isSession));
    const { partitions } = await s.kafka.admin.topic(topic);
    const ids = (await s.kafka.admin.brokers()).map(({ id }) => id);
    expect(ids).toContain(partitions[0]?.leader);
    await s.kafka.close();
    await reading;
    expect(s.events.filter(isSession).map(({ type }) => type)).toEqual(['assigned', 'revoked']);
  });

  it('aggregated result', async () => {
    const { topic } = await numberedTopic(brokers, { records: 0, partitions: 3 });
    await using s = cluster();
    const records = [2, 0, 2].map((partition) => ({ partition, value: 'x' }));
    const { offsets, hasErrors, errors } = await produceAll(s.kafka, records, { topic });
    expect(offsets.map(({ partition, offset }) => [partition, offset])).toEqual([
      [2, 0],
      [0, 0],
      [2, 1],
    ]);
    expect([hasErrors, errors]).toEqual([false, []]);
  });

  it('commit with metadata, ack, cancel, limit', async () => {
    const [topic, group, offsets] = [await numbers(), unique('commit'), memoryOffsets()];
    await using s = cluster();
    const orders$ = fromTopic(s.kafka, topic, { group, offsets, maxInFlight: 1, drainTimeoutMs: 100 });
    const limited = await all(orders$.pipe(commit({ metadata: ({ offset }) => `at ${offset}`, emit: 'durable' }), take(4)));
    expect(limited.map(numberOf)).toEqual([0, 1, 2, 3]);
    const [checkpoint] = await remembered(offsets, group);
    const { frontier, metadata } = checkpoint as Checkpoint;
    expect(frontier).toBeGreaterThanOrEqual(4);
    expect(metadata).toBe(`at ${frontier - 1}`);
    // What was not acknowledged when it was cancelled comes again.
    const cancelled = await firstValueFrom(orders$, { defaultValue: undefined });
    const again = await firstValueFrom(orders$, { defaultValue: undefined });
    expect([cancelled?.offset, again?.offset]).toEqual([frontier, frontier]);
  });

  it('stateless fetcher', async () => {
    const topic = await numbers();
    await using s = cluster();
    const last$ = readTopic(s.kafka, topic, { from: { last: 3 }, until: 'latest' });
    expect((await all(last$)).map(numberOf)).toEqual([37, 38, 39]);
    expect((await all(last$)).map(numberOf)).toEqual([37, 38, 39]);
  });

  it('earliest and latest', async () => {
    const topic = await numbers();
    await using s = cluster();
    const offsetAt = async (place: 'earliest' | 'latest'): Promise<number | undefined> =>
      (await s.kafka.admin.offsets(topic, place))[0]?.offset;
    expect([await offsetAt('earliest'), await offsetAt('latest')]).toEqual([0, RECORDS]);
    const first = await firstValueFrom(
      fromTopic(s.kafka, topic, { group: unique('earliest'), offsets: memoryOffsets(), from: 'earliest', drainTimeoutMs: 0 }),
      { defaultValue: undefined },
    );
    expect(first?.offset).toBe(0);
    const latest$ = fromTopic(s.kafka, topic, { group: unique('latest'), offsets: memoryOffsets(), from: 'latest', drainTimeoutMs: 0 });
    s.events.length = 0;
    const next = firstValueFrom(latest$, { defaultValue: undefined });
    await until(() => s.events.some(({ type }) => type === 'assigned'));
    await produceAll(s.kafka, [{ value: 'later' }], { topic });
    expect((await next)?.offset).toBe(RECORDS);
  });

  it('group offsets', async () => {
    const [topic, group] = [await numbers(), unique('group')];
    await using s = cluster();
    await s.kafka.admin.commitGroupOffsets(group, [{ topic, partition: 0, offset: 12 }]);
    const read = await all(fromTopic(s.kafka, topic, { group, offsets: groupOffsets(s.kafka) }).pipe(commit(), take(RECORDS - 12)));
    expect(read[0]?.offset).toBe(12);
    await s.kafka.close();
    await using other = cluster();
    expect(await other.kafka.admin.groupOffsets(group)).toEqual([{ topic, partition: 0, offset: RECORDS }]);
  });

  it('out-of-range strategies', async () => {
    const topic = await numbers();
    await deleteRecords(brokers[0] as string, topic, [{ partition: 0, before: 30 }]);
    await using s = cluster();
    const from5 = { from: 5, until: 'latest' } as const;
    await expect(all(readTopic(s.kafka, topic, from5))).rejects.toThrow(OffsetOutOfRangeError);
    expect((await all(readTopic(s.kafka, topic, { ...from5, onOutOfRange: 'earliest' }))).map(({ offset }) => offset)[0]).toBe(30);
    expect(await all(readTopic(s.kafka, topic, { ...from5, onOutOfRange: 'latest' }))).toEqual([]);
  });

  it('rebalancing', async () => {
    const { topic } = await numberedTopic(brokers, { records: RECORDS, partitions: 2 });
    const options = { group: unique('rebalancing'), offsets: memoryOffsets(), properties: { 'heartbeat.interval.ms': 300 } };
    await using one = cluster();
    await using other = cluster();
    const share = ({ events }: { readonly events: readonly KafkaEvent[] }): number =>
      events.reduce(
        (sum, event) =>
          sum + (event.type === 'assigned' ? event.partitions.length : event.type === 'revoked' ? -event.partitions.length : 0),
        0,
      );
    const running = [one, other].map(({ kafka }) => drain(fromTopic(kafka, topic, options).pipe(commit())));
    await until(() => share(one) === 1 && share(other) === 1);
    await one.kafka.close();
    await until(() => share(other) === 2);
    await other.kafka.close();
    await Promise.all(running);
  });

  it.each(['none', 'gzip', 'snappy', 'lz4', 'zstd'] as const)('snappy and other compressions: %s', async (compression) => {
    const topic = await numbers(0);
    await using s = cluster();
    const value = 'the same again '.repeat(100);
    const writing = drain(of(value).pipe(toTopic(s.kafka, topic, () => ({ value }), { compression })));
    if (compression === 'zstd' && !Kafka.features.includes('zstd')) {
      await expect(writing).rejects.toThrow(/zstd/);
      return;
    }
    await writing;
    expect((await all(readTopic(s.kafka, topic, { until: 'latest' }))).map((record) => String(record.value))).toEqual([value]);
  });

  it('features and version', () => {
    expect(Kafka.features).toEqual(expect.arrayContaining(['gzip', 'snappy', 'lz4']));
    expect(Kafka.librdkafkaVersion).toMatch(/^\d+\.\d+\.\d+/);
  });

  it('delivery reports with payload', async () => {
    const topic = await numbers(0);
    await using s = cluster();
    const reports$ = of({ id: 7, text: 'a' }, { id: 8, text: 'b' }).pipe(
      toTopic(s.kafka, topic, ({ text }) => ({ value: text }), { result: (input, [delivery]) => ({ input, delivery }) }),
    );
    expect(await all(reports$)).toMatchObject([
      { input: { id: 7, text: 'a' }, delivery: { topic, partition: 0, offset: 0 } },
      { input: { id: 8, text: 'b' }, delivery: { topic, partition: 0, offset: 1 } },
    ]);
  });

  it('error and log events', async () => {
    const kafka = new Kafka({ brokers: ['127.0.0.1:1'], connectTimeoutMs: 300, properties: { debug: 'broker' } });
    const types = new Set<string>();
    void kafka.events$.forEach(({ type }) => types.add(type));
    await expect(drain(readTopic(kafka, 'orders'))).rejects.toThrow(BrokerUnavailableError);
    await kafka.close();
    expect([...types]).toEqual(expect.arrayContaining(['error', 'log']));
  });

  it('flush with time-out', async () => {
    const topic = await numbers();
    await using s = cluster();
    const flush = new AbortController();
    const writing$ = concat(of('a', 'b'), NEVER).pipe(toTopic(s.kafka, topic, (value) => ({ value })));
    const writing = drain(writing$, { signal: flush.signal, timeoutMs: 100 });
    flush.abort();
    await expect(writing).rejects.toThrow(DrainTimeoutError);
    // What Kafka does not take in time is on disk then.
    await using port = await silentPort();
    await using away = new Kafka({ brokers: [port.address], connectTimeoutMs: 300 });
    await using folder = await temporaryFolder();
    const metrics = publisher(away, { topic, spill: `${folder.path}/spill`, closeTimeoutMs: 100, probeTimeoutMs: 100 });
    metrics.send('cpu', '1');
    await metrics.close();
    expect(metrics.stats()).toMatchObject({ queued: { messages: 0 }, onDisk: { records: 1 } });
  });
});
