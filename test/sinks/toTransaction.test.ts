import { Subject, map, mergeMap, of, take, takeUntil, tap } from 'rxjs';
import { describe, expect, inject, it } from 'vitest';
import type { FromTopicOptions, KafkaEvent, KafkaRecord, ToTransactionOptions } from '../../src/index.js';
import {
  BrokerError,
  BrokerUnavailableError,
  FencedError,
  Kafka,
  OptionError,
  RecordTooLargeError,
  drain,
  filterValue,
  fromTopic,
  groupOffsets,
  memoryOffsets,
  openOffsets,
  processRecord,
  toTransaction,
} from '../../src/index.js';
import { committedReader } from '../support/committedReader.js';
import { numberOf, numberedTopic } from '../support/numbered.js';
import { silentPort } from '../support/silentPort.js';
import { temporaryFolder } from '../support/temporaryFolder.js';
import { transactionalWriter } from '../support/transactionalWriter.js';
import { collect, failure } from './outcome.js';
import { created, unique } from './topics.js';
import { until } from '../support/until.js';

const brokers = inject('brokers');
const real = inject('brokerKind') !== 'embedded';

/** One topic to read, one to write, and a group. */
async function copying(records: number, partitions = 1) {
  const { topic } = await numberedTopic(brokers, { records, partitions });
  const to = await created('transactions', 1);
  const group = unique('transactions');
  const kafka = new Kafka({ brokers });
  const events: KafkaEvent[] = [];
  void kafka.events$.forEach((event) => events.push(event));
  const reader = await committedReader(brokers, group);
  const transactionalId = unique('id');
  return {
    topic,
    to,
    group,
    kafka,
    events,
    transactionalId,
    source: (options: Partial<FromTopicOptions> = {}) => fromTopic(kafka, topic, { group, offsets: groupOffsets(kafka), ...options }),
    sink: <T extends KafkaRecord>(options: Partial<ToTransactionOptions> = {}) =>
      toTransaction<T>(kafka, to, ({ value }) => ({ value }), { transactionalId, everyMs: 20, ...options }),
    /** What readers of committed records see. */
    written: async () => (await reader.readAll(to)).map(numberOf),
    committed: async () => (await reader.offsets(topic)).map(({ committed }) => committed),
    async [Symbol.asyncDispose]() {
      await kafka.close();
      await reader[Symbol.asyncDispose]();
    },
  };
}

const numbers = (to: number, from = 0): number[] => Array.from({ length: to - from }, (_, i) => from + i);

describe.runIf(real)('toTransaction', () => {
  it('commits what was dropped, and what became several, with the rest; and passes on what is committed', async () => {
    await using copy = await copying(1_000, 4);
    const expected = numbers(1_000)
      .filter((number) => number % 7 !== 0)
      .flatMap((number) => [number, number]);
    const stop = new AbortController();
    const passed: number[] = [];
    await drain(
      copy.source({ signal: stop.signal }).pipe(
        mergeMap(async (record) => {
          await new Promise((resolve) => setTimeout(resolve, Math.random() * 5));
          return record;
        }),
        filterValue((value) => numberOf({ value }) % 7 !== 0),
        processRecord((record) => [record, record], { order: 'none' }),
        copy.sink(),
        tap((record) => {
          if (passed.push(numberOf(record)) === expected.length) stop.abort();
        }),
      ),
      { signal: stop.signal },
    );
    const written = await copy.written();
    expect(written.toSorted((a, b) => a - b)).toEqual(expected);
    expect(passed).toEqual(written);
    expect(await copy.committed()).toEqual([250, 250, 250, 250]);
  });

  it('holds what is ready ahead of an older record, as part of what is in flight', async () => {
    await using copy = await copying(100);
    const open$ = new Subject<void>();
    const stop$ = new Subject<void>();
    const emitted: number[] = [];
    const passed: number[] = [];
    const done = drain(
      copy.source({ maxInFlight: 10 }).pipe(
        takeUntil(stop$),
        tap((record) => emitted.push(numberOf(record))),
        mergeMap((record) =>
          numberOf(record) === 3
            ? open$.pipe(
                take(1),
                map(() => record),
              )
            : of(record),
        ),
        copy.sink(),
        tap((record) => {
          if (passed.push(numberOf(record)) === 100) stop$.next();
        }),
      ),
    );
    // Three are committed; the fourth keeps all after it.
    await until(() => emitted.length >= 13);
    await until(async () => (await copy.committed())[0] === 3);
    expect(passed).toEqual([0, 1, 2]);
    expect(await copy.written()).toEqual([0, 1, 2]);
    expect(emitted).toHaveLength(13);

    open$.next();
    await done;
    expect((await copy.written()).toSorted((a, b) => a - b)).toEqual(numbers(100));
    expect(await copy.committed()).toEqual([100]);
  });

  it('shows and commits nothing of a transaction with a record that is refused; its inputs come again', async () => {
    await using copy = await copying(20);
    const sink = (size: number) =>
      toTransaction<KafkaRecord>(
        copy.kafka,
        copy.to,
        (record) => ({ value: numberOf(record) === 15 ? Buffer.concat([record.value as Buffer, Buffer.alloc(size)]) : record.value }),
        // The brokers take no more than a megabyte.
        { transactionalId: copy.transactionalId, everyMs: 200, properties: { 'message.max.bytes': 8_000_000 } },
      );
    const error = await failure(copy.source().pipe(sink(2_000_000)));
    expect(error).toBeInstanceOf(RecordTooLargeError);
    expect(error).toMatchObject({ kafkaCode: 10, outcome: 'failed', retriable: false, topic: copy.to, sizeBytes: 2_000_004 });
    expect(await copy.written()).toEqual([]);
    expect(await copy.committed()).toEqual([-1]);

    await drain(copy.source().pipe(sink(10), take(20)));
    expect(await copy.written()).toEqual(numbers(20));
    expect(await copy.committed()).toEqual([20]);
  });

  it('ends with a FencedError where another instance takes its transactional id, and that one goes on', async () => {
    await using copy = await copying(40, 2);
    const go$ = new Subject<void>();
    const first = failure(
      copy.source().pipe(
        mergeMap((record) =>
          numberOf(record) < 20
            ? of(record)
            : go$.pipe(
                take(1),
                map(() => record),
              ),
        ),
        copy.sink(),
      ),
    );
    await until(async () => (await copy.committed()).every((committed) => committed === 10));
    await using twin = await copying(3);
    const done = drain(twin.source().pipe(twin.sink({ transactionalId: copy.transactionalId }), take(3)));
    await done;
    go$.next();
    const error = await first;
    expect(error).toBeInstanceOf(FencedError);
    expect((error as FencedError).message).toContain('Give each instance an id of its own');
    expect(await twin.written()).toEqual([0, 1, 2]);
    expect(await copy.written()).toHaveLength(20);
    expect(await copy.committed()).toEqual([10, 10]);
  });

  it('has the next owner wait for a transaction with offsets of its partitions', async () => {
    await using copy = await copying(10);
    await using writer = await transactionalWriter(brokers, unique('open'));
    await writer.begin();
    await writer.write(copy.to, ['open']);
    await writer.addOffsets(copy.group, [{ topic: copy.topic, partition: 0, offset: 4 }]);

    const seen = collect(copy.source().pipe(copy.sink(), take(6)));
    let started = false;
    void seen.then(() => (started = true));
    await until(() => copy.events.some((event) => event.type === 'notice' && event.message.includes('a transaction may be under way')));
    expect(started).toBe(false);
    await writer.commit();
    expect((await seen).map(numberOf)).toEqual(numbers(10, 4));
    expect(await copy.committed()).toEqual([10]);
  });

  it('leaves no transaction open when it is left', async () => {
    await using copy = await copying(1_000);
    const go$ = new Subject<void>();
    const subscription = copy
      .source()
      .pipe(
        copy.sink({ everyMs: 0 }),
        tap(() => {
          go$.next();
        }),
      )
      .subscribe();
    await drain(go$.pipe(take(1)));
    subscription.unsubscribe();
    await copy.kafka.close();
    // Ends only when no transaction is open.
    const written = await copy.written();
    expect(written).toEqual(numbers(written.length));
    expect(await copy.committed()).toEqual([written.length]);
  });

  it('says that offsets which are kept elsewhere cannot be in its transaction', async () => {
    await using copy = await copying(1);
    await using folder = await temporaryFolder();
    await using store = openOffsets(folder.path);
    for (const offsets of [memoryOffsets(), store]) {
      const error = await failure(copy.source({ offsets }).pipe(copy.sink()));
      expect(error).toBeInstanceOf(OptionError);
      expect((error as Error).message).toContain('read with fromTopic and groupOffsets(kafka)');
    }
    const error = await failure(copy.source({ readCommitted: false }).pipe(copy.sink()));
    expect((error as Error).message).toContain('leave its `readCommitted` true');
    expect(await copy.written()).toEqual([]);
    expect(await copy.committed()).toEqual([-1]);
  });

  it('refuses a value of a record that was finished before, and an array', async () => {
    await using copy = await copying(1);
    const twice = await failure(
      copy.source().pipe(
        mergeMap((record) => [record, record]),
        copy.sink({ everyMs: 1_000 }),
      ),
    );
    expect((twice as Error).message).toMatch(/:0 was finished before.*processRecord\(\)/);
    const array = await failure(
      copy.source({ drainTimeoutMs: 100 }).pipe(
        map((record) => [record] as unknown as KafkaRecord),
        copy.sink(),
      ),
    );
    expect((array as Error).message).toContain('an array of records is not taken');
  });

  it('says what the brokers have against its id, and that there is none', async () => {
    await using copy = await copying(1);
    const refused = await failure(copy.source().pipe(copy.sink({ properties: { 'transaction.timeout.ms': 1_000_000_000 } })));
    expect(refused).toBeInstanceOf(BrokerError);
    expect(refused).toMatchObject({ kafkaCode: 50, retriable: false });
    expect((refused as Error).message).toContain('could not take over its id');

    await using port = await silentPort();
    const silent = new Kafka({ brokers: [port.address], connectTimeoutMs: 500 });
    const unheard = await failure(copy.source().pipe(toTransaction(silent, copy.to, { transactionalId: copy.transactionalId })));
    expect(unheard).toBeInstanceOf(BrokerUnavailableError);
    await silent.close();
  });
});

describe('toTransaction', () => {
  it('refuses wrong options at once', () => {
    const kafka = new Kafka({ brokers });
    const call =
      (...rest: unknown[]) =>
      (): unknown =>
        (toTransaction as (...given: unknown[]) => unknown)(kafka, ...rest);
    expect(call('orders', {})).toThrow('the option `transactionalId` is missing');
    expect(call('orders', { transactionalId: '' })).toThrow('`transactionalId` must be a string that is not empty');
    expect(call('orders', { transactionalId: 'a', everyMS: 3 })).toThrow('did you mean `everyMs`?');
    expect(call('no topic', { transactionalId: 'a' })).toThrow('the second argument is a topic');
    expect(call('orders', 'to', { transactionalId: 'a' })).toThrow('the third argument is a function');
    expect(call('orders')).toThrow(OptionError);
  });
});
