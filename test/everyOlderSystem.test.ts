import { readFileSync } from 'node:fs';
import { setTimeout as delay } from 'node:timers/promises';
import type { Observable } from 'rxjs';
import {
  BehaviorSubject,
  NEVER,
  Subject,
  concat,
  filter,
  firstValueFrom,
  from,
  lastValueFrom,
  mergeMap,
  of,
  take,
  tap,
  toArray,
} from 'rxjs';
import { describe, expect, inject, it } from 'vitest';
import { deleteRecords } from '../broker/index.js';
import type { Checkpoint, KafkaEvent, KafkaRecord, MeasuredSource, OffsetStore, SourceStats } from '../src/index.js';
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
  fromPartitions,
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
import { until } from './support/until.js';

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

/** The first sample that is so. */
async function when(source$: MeasuredSource<unknown>, met: (stats: SourceStats) => boolean): Promise<SourceStats> {
  const sample = await firstValueFrom(source$.stats$.pipe(filter(met)), { defaultValue: undefined });
  if (sample === undefined) throw new Error('the statistics have ended before');
  return sample;
}

/** The numbers from one to before another. */
function upTo(end: number, start = 0): number[] {
  return Array.from({ length: end - start }, (_, n) => start + n);
}

// Each is what a row of an older system was called. How they are called here is in the README.
describe.runIf(inject('brokerKind') !== 'embedded').concurrent('every older system', () => {
  it('offsets atomic', async () => {
    const [topic, group] = [await numbers(), unique('atomic')];
    await using s = cluster();
    await using folder = await temporaryFolder();
    await using offsets = openOffsets(folder.path);
    const totals = offsets.state<number>('totals');
    const frontier = async (): Promise<number> => (await remembered(offsets, group))[0]?.frontier ?? 0;
    /** Counts the records, up to where it breaks off. */
    const counted$ = (broken: number): Observable<KafkaRecord> =>
      fromTopic(s.kafka, topic, { group, offsets }).pipe(
        commit({
          apply: (records, txn) => {
            const table = txn.table<number>('totals');
            table.put('all', (table.get('all') ?? 0) + records.length);
            if (records.some(({ offset }) => offset === broken)) throw new RangeError('in the middle');
          },
          emit: 'durable',
        }),
      );
    await expect(drain(counted$(25))).rejects.toThrow('in the middle');
    const before = await frontier();
    expect(totals.get('all') ?? 0).toBe(before);
    expect(before).toBeLessThanOrEqual(25);
    const rest = await all(counted$(NaN).pipe(take(RECORDS - before)));
    expect(rest.map(numberOf)).toEqual(upTo(RECORDS, before));
    expect([totals.get('all'), await frontier()]).toEqual([RECORDS, RECORDS]);
  });

  it('pause and resume', async () => {
    const topic = await numbers();
    await using s = cluster();
    const open$ = new BehaviorSubject(false);
    const seen: number[] = [];
    const options = { group: unique('pause'), offsets: memoryOffsets(), maxInFlight: 10, statsEveryMs: 20 };
    const source$ = fromTopic(s.kafka, topic, options);
    const read$ = source$.pipe(
      gate(open$),
      tap((record) => {
        seen.push(numberOf(record));
        if (seen.length === 5) open$.next(false);
      }),
      commit(),
      take(RECORDS),
    );
    const reading = drain(read$);
    // As many as may be in flight stand before the gate.
    await when(source$, ({ totals }) => totals.emitted === 10);
    expect(seen).toEqual([]);
    open$.next(true);
    // Five have gone through, and five more have come in their place.
    await when(source$, ({ totals }) => totals.emitted === 15);
    expect(seen).toEqual(upTo(5));
    open$.next(true);
    await reading;
    expect(seen).toEqual(upTo(RECORDS));
  });

  it('prefetch limit', async () => {
    const topic = await numbers();
    await using s = cluster();
    let [open, most] = [0, 0];
    const full$ = new Subject<void>();
    const wasFull = firstValueFrom(full$, { defaultValue: undefined });
    await drain(
      fromTopic(s.kafka, topic, { group: unique('limit'), offsets: memoryOffsets(), maxInFlight: 3 }).pipe(
        tap(() => {
          open += 1;
          most = Math.max(most, open);
          if (open === 3) full$.next();
        }),
        // Nothing is finished before there are as many as there may be.
        mergeMap((record) => wasFull.then(() => delay(1, record))),
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
    expect([...first, ...rest].map(numberOf)).toEqual(upTo(RECORDS));
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

  it('seek', async () => {
    const topic = await numbers();
    await using s = cluster();
    const orders$ = fromTopic(s.kafka, topic, { group: unique('seek'), offsets: memoryOffsets() });
    const seen: number[] = [];
    const reading = drain(
      orders$.pipe(
        tap((record) => seen.push(numberOf(record))),
        commit(),
      ),
    );
    await until(() => seen.length === RECORDS);
    expect(await orders$.seek({ to: 30 })).toEqual([{ topic, partition: 0, offset: 30 }]);
    await until(() => seen.length >= RECORDS + 10);
    expect(await orders$.seek({ to: { last: 1 } })).toEqual([{ topic, partition: 0, offset: RECORDS - 1 }]);
    await until(() => seen.length >= RECORDS + 11);
    await s.kafka.close();
    await reading;
    expect(seen).toEqual([...upTo(RECORDS), ...upTo(RECORDS, 30), RECORDS - 1]);
  });

  it('chosen partitions', async () => {
    const { topic } = await numberedTopic(brokers, { records: RECORDS, partitions: 4 });
    await using s = cluster();
    const chosen$ = fromPartitions(s.kafka, { [topic]: [1] }, { name: unique('chosen'), offsets: memoryOffsets(), statsEveryMs: 20 });
    const seen: number[] = [];
    const reading = drain(
      chosen$.pipe(
        tap((record) => seen.push(numberOf(record))),
        commit(),
      ),
    );
    const { partitions } = await when(chosen$, ({ totals }) => totals.finished === RECORDS / 4 && totals.waitingKafka === 0);
    await s.kafka.close();
    await reading;
    expect(partitions.map(({ partition, position }) => [partition, position])).toEqual([[1, RECORDS / 4]]);
    expect(seen).toEqual(upTo(RECORDS).filter((number) => number % 4 === 1));
  });

  it('worker slots', async () => {
    const { topic } = await numberedTopic(brokers, { records: RECORDS, partitions: 4 });
    const [name, offsets] = [unique('workers'), memoryOffsets()];
    await using s = cluster();
    const shares: KafkaRecord[][] = [[], []];
    const working = shares.map((share, slot) =>
      drain(
        fromPartitions(s.kafka, topic, { name, offsets, worker: { slot, of: 2 } }).pipe(
          tap((record) => share.push(record)),
          commit(),
        ),
      ),
    );
    await until(() => shares.flat().length >= RECORDS);
    await s.kafka.close();
    await Promise.all(working);
    expect(shares.map((share) => [...new Set(share.map(({ partition }) => partition % 2))])).toEqual([[0], [1]]);
    expect(
      shares
        .flat()
        .map(numberOf)
        .toSorted((a, b) => a - b),
    ).toEqual(upTo(RECORDS));
  });

  it('the four statistics', async () => {
    const [topic, group] = [await numbers(), unique('statistics')];
    await using s = cluster();
    const options = { group, offsets: groupOffsets(s.kafka), maxInFlight: 12, statsEveryMs: 50, drainTimeoutMs: 0 };
    const orders$ = fromTopic(s.kafka, topic, options);
    // Ten are finished, and twelve more come that are not.
    const held = orders$
      .pipe(
        mergeMap((record) => (record.offset < 10 ? of(record) : NEVER)),
        commit(),
      )
      .subscribe();
    const { totals } = await when(orders$, (stats) => {
      return stats.totals.emitted === 22 && stats.totals.committedLag === RECORDS - 10 && stats.totals.kafkaLogSize > 0;
    });
    const [latest] = await s.kafka.admin.offsets(topic, 'latest');
    const [earliest] = await s.kafka.admin.offsets(topic, 'earliest');
    const [behind] = await s.kafka.admin.groupLag(group, { topics: [topic] });
    held.unsubscribe();
    expect(totals).toMatchObject({
      waitingKafka: (latest?.offset ?? NaN) - 22,
      waitingLocal: 12,
      kafkaLogSize: (latest?.offset ?? NaN) - (earliest?.offset ?? NaN),
      committedLag: behind?.lag,
    });
    expect([latest?.offset, earliest?.offset, behind?.lag]).toEqual([RECORDS, 0, RECORDS - 10]);
  });

  it('repeats and misses', async () => {
    const topic = await numbers();
    await using s = cluster();
    const options = { offsets: memoryOffsets(), maxInFlight: 10, statsEveryMs: 20, drainTimeoutMs: 0 };
    const [repeating, missing] = [unique('repeats'), unique('misses')];
    // All but the first of the first ten.
    const some$ = fromTopic(s.kafka, topic, { ...options, group: repeating }).pipe(
      mergeMap((record) => (record.offset > 0 && record.offset < 10 ? of(record) : NEVER)),
      commit({ emit: 'durable' }),
      take(9),
    );
    expect((await all(some$)).map(numberOf)).toEqual(upTo(10, 1));
    const rest$ = fromTopic(s.kafka, topic, { ...options, group: repeating });
    const rest = drain(rest$.pipe(commit(), take(RECORDS - 9)));
    expect((await when(rest$, ({ totals }) => totals.emitted === RECORDS - 9)).totals).toMatchObject({ repeats: 1, misses: 0 });
    await rest;

    await drain(fromTopic(s.kafka, topic, { ...options, group: missing }).pipe(commit(), take(10)));
    await deleteRecords(brokers[0] as string, topic, [{ partition: 0, before: 30 }]);
    const left$ = fromTopic(s.kafka, topic, { ...options, group: missing, onOutOfRange: 'earliest' });
    const left = drain(left$.pipe(commit(), take(10)));
    expect((await when(left$, ({ totals }) => totals.emitted === 10)).totals).toMatchObject({ repeats: 0, misses: 20 });
    await left;
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
    const topic = await numbers(0);
    await using s = cluster();
    const written = async (): Promise<string[]> =>
      (await all(readTopic(s.kafka, topic, { until: 'latest' }))).map(({ value }) => String(value));
    const flush = new AbortController();
    const passed: string[] = [];
    const writing$ = concat(of('a', 'b'), NEVER).pipe(
      toTopic(s.kafka, topic, (value) => ({ value })),
      tap((value) => passed.push(value)),
    );
    const writing = drain(writing$, { signal: flush.signal, timeoutMs: 100 });
    await until(() => passed.length === 2);
    flush.abort();
    await expect(writing).rejects.toThrow(DrainTimeoutError);
    expect(await written()).toEqual(['a', 'b']);
    // What Kafka does not take in time is on disk then.
    await using port = await silentPort();
    await using away = new Kafka({ brokers: [port.address], connectTimeoutMs: 300 });
    await using folder = await temporaryFolder();
    const metrics = publisher(away, { topic, spill: `${folder.path}/spill`, closeTimeoutMs: 100, probeTimeoutMs: 100 });
    metrics.send('cpu', '1');
    await metrics.close();
    expect(metrics.stats()).toMatchObject({ queued: { messages: 0 }, onDisk: { records: 1 } });
    await using later = publisher(s.kafka, { topic, spill: `${folder.path}/spill` });
    await until(() => later.stats().replayed === 1);
    expect(await written()).toEqual(['a', 'b', '1']);
  });

  it('has each row of the README, and no other', ({ task }) => {
    const readme = readFileSync(new URL('../README.md', import.meta.url), 'utf8');
    const [table = ''] = readme.split('## Coming from another client\n')[1]?.split('\n## ') ?? [];
    const [, , ...rows] = [...table.matchAll(/^\| (.+?) +\|/gm)].map(([, there]) => there);
    const tests = task.suite?.tasks.map(({ name }) => name.replace(/: .*/, '')).filter((name) => name !== task.name);
    expect(rows.toSorted()).toEqual([...new Set(tests)].toSorted());
  });
});
