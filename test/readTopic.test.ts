import { concatMap, delay, lastValueFrom, mergeMap, of, take, tap, timer, toArray } from 'rxjs';
import { describe, expect, inject, it } from 'vitest';
import { createTopic, deleteRecords, deleteTopic } from '../broker/index.js';
import type { Gap, KafkaRecord, ReadPlace, ReadTopicOptions } from '../src/index.js';
import {
  BrokerUnavailableError,
  Kafka,
  OffsetOutOfRangeError,
  OptionError,
  StalledError,
  UnknownTopicError,
  commit,
  drain,
  processRecord,
  readTopic,
  release,
} from '../src/index.js';
import { numberOf, numberedTopic, unique } from './support/numbered.js';
import { RawProducer } from './support/rawProducer.js';

const brokers = inject('brokers');

/** The values of a bounded read, sorted. */
async function read(topic: string, options: ReadTopicOptions): Promise<string[]> {
  await using kafka = new Kafka({ brokers });
  const records = await lastValueFrom(readTopic(kafka, topic, options).pipe(toArray()), { defaultValue: [] });
  return records.map(({ partition, offset }) => `${partition}/${offset}`).sort(byPlace);
}

function byPlace(a: string, b: string): number {
  const [p, o, q, r] = [...a.split('/'), ...b.split('/')].map(Number) as [number, number, number, number];
  return p - q || o - r;
}

function places(...ranges: readonly (readonly [partition: number, from: number, until: number])[]): string[] {
  return ranges.flatMap(([partition, from, until]) => Array.from({ length: until - from }, (_, i) => `${partition}/${from + i}`));
}

describe('readTopic', () => {
  it('reads everything that there is, each partition in order, and completes', async () => {
    const { topic } = await numberedTopic(brokers, { records: 20_000 });
    await using kafka = new Kafka({ brokers });
    const offsets: number[][] = [[], [], [], []];
    const strange: KafkaRecord[] = [];
    await drain(
      readTopic(kafka, topic, { until: 'latest' }).pipe(
        tap((record) => {
          offsets[record.partition]?.push(record.offset);
          if (numberOf(record) !== 4 * record.offset + record.partition) strange.push(record);
        }),
      ),
    );
    expect(strange).toEqual([]);
    expect(offsets).toEqual(Array.from({ length: 4 }, () => Array.from({ length: 5_000 }, (_, offset) => offset)));
  });

  it.each<{ what: string; options: ReadTopicOptions; expected: string[] }>([
    { what: 'nothing before its beginning', options: { until: 'earliest' }, expected: [] },
    { what: 'nothing after its end', options: { from: 'latest', until: 'latest' }, expected: [] },
    {
      what: 'the last of each partition',
      options: { from: { last: 3 }, until: 'latest' },
      expected: places([0, 22, 25], [1, 22, 25], [2, 22, 25], [3, 22, 25]),
    },
    {
      what: 'more than there is',
      options: { from: { last: 99 }, until: { last: 24 } },
      expected: places([0, 0, 1], [1, 0, 1], [2, 0, 1], [3, 0, 1]),
    },
    { what: 'offsets', options: { from: 5, until: 7 }, expected: places([0, 5, 7], [1, 5, 7], [2, 5, 7], [3, 5, 7]) },
    { what: 'one partition', options: { partitions: [2], until: 'latest' }, expected: places([2, 0, 25]) },
    {
      what: 'places of its own for each partition',
      options: { partitions: [0, 1, 3], from: { 0: 24, 1: 'latest', 3: { last: 2 } }, until: { 0: 'latest', 1: 25, 3: 24 } },
      expected: places([0, 24, 25], [3, 23, 24]),
    },
    {
      what: 'from the beginning, where no place is named',
      options: { from: { 3: 'latest' }, until: 1 },
      expected: places([0, 0, 1], [1, 0, 1], [2, 0, 1]),
    },
  ])('reads $what', async ({ options, expected }) => {
    const { topic } = await numberedTopic(brokers, { records: 100 });
    expect(await read(topic, options)).toEqual(expected);
  });

  it('works with take, and goes on with what is written after', async () => {
    const { topic } = await numberedTopic(brokers, { records: 4 });
    await using kafka = new Kafka({ brokers });
    await using producer = await RawProducer.open(brokers);
    const seen = await lastValueFrom(
      readTopic(kafka, topic, { from: { last: 1 } }).pipe(
        // What comes next is not there when the read starts.
        tap(({ offset, partition }) => {
          if (offset === 0) void producer.write(topic, partition, [{ value: 'later' }]);
        }),
        take(8),
        toArray(),
      ),
      { defaultValue: [] },
    );
    expect(seen.map(({ partition, offset }) => `${partition}/${offset}`).sort(byPlace)).toEqual(
      places([0, 0, 2], [1, 0, 2], [2, 0, 2], [3, 0, 2]),
    );
  });

  it('waits for an offset that is yet to come', async () => {
    const { topic } = await numberedTopic(brokers, { records: 4 });
    await using kafka = new Kafka({ brokers });
    await using producer = await RawProducer.open(brokers);
    const seen: number[] = [];
    await drain(
      readTopic(kafka, topic, { partitions: [1], until: 3 }).pipe(
        tap(({ offset }) => {
          seen.push(offset);
          void producer.write(topic, 1, [{ value: 'one' }, { value: 'two' }]);
        }),
      ),
    );
    expect(seen).toEqual([0, 1, 2]);
  });

  it('ends gracefully at its signal, and with its Kafka', async () => {
    const { topic } = await numberedTopic(brokers, { records: 4 });
    const kafka = new Kafka({ brokers });
    const stop = new AbortController();
    await drain(
      readTopic(kafka, topic, { signal: stop.signal }).pipe(
        tap(() => {
          stop.abort();
        }),
      ),
    );
    await drain(readTopic(kafka, topic, { signal: stop.signal }));
    let closing: Promise<void> | undefined;
    await drain(
      readTopic(kafka, topic).pipe(
        tap(() => {
          closing ??= kafka.close();
        }),
      ),
    );
    await closing;
  });

  it('is read by each subscription for itself', async () => {
    const { topic } = await numberedTopic(brokers, { records: 400 });
    await using kafka = new Kafka({ brokers });
    const records$ = readTopic(kafka, topic, { until: 'latest' }).pipe(toArray());
    const whole = (): Promise<KafkaRecord[]> => lastValueFrom(records$, { defaultValue: [] });
    const [one, two] = await Promise.all([whole(), whole()]);
    expect([one.length, two.length]).toEqual([400, 400]);
  });

  it('says what cannot be', async () => {
    const { topic } = await numberedTopic(brokers, { records: 100 });
    await expect(read(topic, { partitions: [0, 7], until: 'latest' })).rejects.toThrow(/has 4 partitions, and none is 7/);
    await expect(read(topic, { from: { 9: 'latest' }, until: 'latest' })).rejects.toThrow(OptionError);
    await expect(read(topic, { from: 26, until: 'latest' })).rejects.toThrow(OffsetOutOfRangeError);
    expect(await read(topic, { from: 26, until: 'latest', onOutOfRange: 'earliest' })).toHaveLength(100);
    await using kafka = new Kafka({ brokers });
    expect(() => readTopic(kafka, topic, { from: 'middle' } as never)).toThrow(/`from` must be 'earliest'/);
    expect(() => readTopic(kafka, topic, { until: { last: -1 } })).toThrow(/`until` must be/);
    expect(() => readTopic(kafka, topic, { until: { last: 1, timestamp: 1 } as never })).toThrow(/`until` must be/);
    expect(() => readTopic(kafka, topic, { from: { 0: 'later' } } as never)).toThrow(/`from\[0\]` must be/);
    expect(() => readTopic(kafka, topic, { from: { first: 'latest' } } as never)).toThrow(/"first" is no number/);
    expect(() => readTopic(kafka, topic, { partitions: [] })).toThrow(/is empty/);
    expect(() => readTopic(kafka, topic, { partitions: [1, 1] })).toThrow(/each of them once/);
    expect(() => readTopic(kafka, topic, { drainTimeoutMs: 1 } as never)).toThrow(/unknown option `drainTimeoutMs`/);
    const nowhere = new Kafka({ brokers: ['127.0.0.1:1'], connectTimeoutMs: 300 });
    await expect(drain(readTopic(nowhere, topic))).rejects.toThrow(BrokerUnavailableError);
  });
});

describe.runIf(inject('brokerKind') !== 'embedded')('a bounded read ends with exactly the visible records', () => {
  it('where the log ends with an aborted transaction', async () => {
    const topic = unique('aborted');
    await createTopic(brokers, topic, { partitions: 1 });
    await using producer = await RawProducer.open(brokers, { 'transactional.id': unique('writer') });
    for (const how of ['commit', 'abort', 'commit', 'abort', 'abort'] as const) {
      await producer.begin();
      await producer.write(topic, 0, [{ value: how }, { value: how }]);
      await producer[how]();
    }
    // Two records and a marker each.
    expect(await read(topic, { until: 'latest' })).toEqual(['0/0', '0/1', '0/6', '0/7']);
    expect(await read(topic, { from: { last: 5 }, until: 'latest' })).toEqual([]);
    expect(await read(topic, { until: 9 })).toEqual(['0/0', '0/1', '0/6', '0/7']);
    expect(await read(topic, { until: 15 })).toEqual(['0/0', '0/1', '0/6', '0/7']);
    expect(await read(topic, { until: 'latest', readCommitted: false })).toHaveLength(10);
  });

  it('where the end is that of an open transaction', async () => {
    const topic = unique('open');
    await createTopic(brokers, topic, { partitions: 2 });
    await using producer = await RawProducer.open(brokers, { 'transactional.id': unique('writer') });
    await producer.begin();
    await producer.write(topic, 0, [{ value: 'seen' }]);
    await producer.commit();
    await producer.begin();
    await producer.write(topic, 0, [{ value: 'open' }]);
    expect(await read(topic, { until: 'latest' })).toEqual(['0/0']);
    expect(await read(topic, { partitions: [0], from: 3, until: 'latest' })).toEqual([]);
    await producer.abort();
  });

  it.concurrent('or errors when the topic is deleted', async () => {
    const { topic } = await numberedTopic(brokers, { records: 4, partitions: 1 });
    await using kafka = new Kafka({ brokers, properties: { 'topic.metadata.refresh.interval.ms': 500 } });
    const reading = drain(
      readTopic(kafka, topic).pipe(
        tap(({ offset }) => {
          if (offset === 3) void deleteTopic(brokers, topic);
        }),
      ),
    );
    await expect(reading).rejects.toThrow(UnknownTopicError);
    await expect(drain(readTopic(kafka, topic))).rejects.toThrow(UnknownTopicError);
  });

  it.concurrent('where compaction has taken records away, the last one before the place among them', async () => {
    const topic = unique('compacted');
    await createTopic(brokers, topic, {
      partitions: 1,
      config: {
        'cleanup.policy': 'compact',
        'min.cleanable.dirty.ratio': '0.01',
        'segment.ms': '100',
        'max.compaction.lag.ms': '100',
        'delete.retention.ms': '0',
      },
    });
    await using producer = await RawProducer.open(brokers);
    await producer.write(
      topic,
      0,
      Array.from({ length: 50 }, (_, n) => ({ key: String(n % 5), value: String(n) })),
    );
    const compacted = async (): Promise<string[]> => {
      // A segment is closed, and then compacted, when there is a younger one.
      await producer.write(topic, 0, [{ key: 'last', value: 'x' }]);
      const found = await read(topic, { until: 'latest' });
      return found.includes('0/0') ? compacted() : found;
    };
    const kept = await compacted();
    expect(kept.slice(0, 5)).toEqual(places([0, 45, 50]));
    expect(await read(topic, { until: 44 })).toEqual([]);
    expect(await read(topic, { until: 47 })).toEqual(['0/45', '0/46']);
    expect(await read(topic, { from: 10, until: 46 })).toEqual(['0/45']);
  });

  it('where it is empty, and where it was emptied', async () => {
    const topic = unique('empty');
    await createTopic(brokers, topic, { partitions: 3 });
    expect(await read(topic, { until: 'latest' })).toEqual([]);
    {
      await using producer = await RawProducer.open(brokers);
      await producer.write(topic, 1, [{ value: 'a' }, { value: 'b' }]);
      await producer.write(topic, 2, [{ value: 'c' }]);
    }
    await deleteRecords(brokers[0] as string, topic, [{ partition: 1, before: 2 }]);
    expect(await read(topic, { until: 'latest' })).toEqual(['2/0']);
    await expect(read(topic, { from: 0, until: 'latest' })).rejects.toThrow(OffsetOutOfRangeError);
    const gaps: Gap[] = [];
    const onGap = (gap: Gap): void => void gaps.push(gap);
    expect(await read(topic, { from: 0, until: 'latest', onOutOfRange: 'earliest', onGap })).toEqual(['2/0']);
    expect(gaps).toEqual([{ topic, partition: 1, from: 0, to: 2 }]);
  });

  it('from one time to another', async () => {
    const topic = unique('dated');
    await createTopic(brokers, topic, { partitions: 2 });
    await using producer = await RawProducer.open(brokers);
    await producer.write(
      topic,
      0,
      [1, 2, 3, 4].map((hour) => ({ value: 'x', timestamp: hour * 3_600_000 })),
    );
    expect(await read(topic, { from: { timestamp: 7_200_000 }, until: { timestamp: 14_400_000 } })).toEqual(['0/1', '0/2']);
    expect(await read(topic, { from: { timestamp: 7_200_001 }, until: { timestamp: Date.now() } })).toEqual(['0/2', '0/3']);
  });
});

describe.runIf(inject('brokerKind') !== 'embedded')('readTopic, from every kind of place to every kind', () => {
  const PLACES = [
    ['earliest', 0],
    ['latest', 10],
    [4, 4],
    [{ timestamp: 4 * 3_600_000 }, 3],
    [{ last: 3 }, 7],
  ] as const satisfies readonly (readonly [ReadPlace, number])[];

  it('brings exactly what lies between', async () => {
    const topic = unique('places');
    await createTopic(brokers, topic, { partitions: 1 });
    await using producer = await RawProducer.open(brokers);
    await producer.write(
      topic,
      0,
      Array.from({ length: 10 }, (_, hour) => ({ value: 'x', timestamp: (hour + 1) * 3_600_000 })),
    );
    await using kafka = new Kafka({ brokers });
    for (const [from, first] of PLACES) {
      for (const [until, end] of PLACES) {
        const records = await lastValueFrom(readTopic(kafka, topic, { from, until }).pipe(toArray()), { defaultValue: [] });
        const expected = Array.from({ length: Math.max(0, end - first) }, (_, i) => first + i);
        expect([from, until, records.map(({ offset }) => offset)]).toEqual([from, until, expected]);
      }
      // Without an end it goes on.
      const live$ = readTopic(kafka, topic, { from }).pipe(take(10 - first), toArray());
      expect(await lastValueFrom(live$, { defaultValue: [] })).toHaveLength(10 - first);
    }
  });
});

describe('a read without a memory', () => {
  it('is held up by a `next` that takes its time, and lets the event loop go round between batches', async () => {
    const { topic } = await numberedTopic(brokers, { records: 20_000, bytes: 1_000 });
    await using kafka = new Kafka({ brokers });
    let [emitted, turns, inTurn, most] = [0, 0, 0, 0];
    const turn = setInterval(() => {
      turns += 1;
      inTurn = 0;
    });
    await drain(
      readTopic(kafka, topic, { until: 'latest', fetchBufferBytes: 1_000_000 }).pipe(
        tap(() => {
          emitted += 1;
          inTurn += 1;
          most = Math.max(most, inTurn);
          const end = performance.now() + 0.01;
          while (performance.now() < end);
        }),
      ),
    );
    clearInterval(turn);
    expect(emitted).toBe(20_000);
    expect(turns).toBeGreaterThan(5);
    expect(most).toBeLessThan(20_000 / 4);
  });

  it('sends no more than `maxInFlight` to what works asynchronously', async () => {
    const { topic } = await numberedTopic(brokers, { records: 2_000 });
    await using kafka = new Kafka({ brokers });
    let [open, most, finished] = [0, 0, 0];
    await drain(
      readTopic(kafka, topic, { until: 'latest', maxInFlight: 50 }).pipe(
        tap(() => {
          open += 1;
          most = Math.max(most, open);
        }),
        mergeMap((record) => of(record).pipe(delay(1))),
        release(),
        tap(() => {
          open -= 1;
          finished += 1;
        }),
      ),
    );
    expect(finished).toBe(2_000);
    expect(most).toBeLessThanOrEqual(50);
  });

  it('takes `commit()` as the end of a record, and errors where it is to write state', async () => {
    const { topic } = await numberedTopic(brokers, { records: 200 });
    await using kafka = new Kafka({ brokers });
    for (const maxInFlight of [10, undefined]) {
      const read$ = readTopic(kafka, topic, { until: 'latest', ...(maxInFlight === undefined ? {} : { maxInFlight }) });
      const worked$ = read$.pipe(
        processRecord(() => timer(0), { concurrency: 4 }),
        commit({ emit: 'durable', everyMs: 60_000, everyRecords: 7 }),
        toArray(),
      );
      expect(await lastValueFrom(worked$, { defaultValue: [] })).toHaveLength(200);
      await expect(drain(read$.pipe(commit({ apply: () => undefined })))).rejects.toThrow(/readTopic remembers nothing/);
    }
  });

  it('errors when it waits for records that nobody finishes', async () => {
    const { topic } = await numberedTopic(brokers, { records: 200 });
    await using kafka = new Kafka({ brokers });
    // Partition 0 has been read to its end by then, and its records are open like the others.
    const stalled$ = readTopic(kafka, topic, { until: { 0: 2 }, maxInFlight: 10, stallAfterMs: 500 });
    const error: unknown = await drain(stalled$).catch((thrown: unknown) => thrown);
    expect(error).toBeInstanceOf(StalledError);
    expect(error).toMatchObject({ open: 10 });
    const { positions } = error as StalledError;
    expect(positions.reduce((sum, { offset }) => sum + offset, 0)).toBe(0);
  });

  it('lets what is out go its way when it has ended', async () => {
    const { topic } = await numberedTopic(brokers, { records: 200 });
    await using kafka = new Kafka({ brokers });
    const slow$ = readTopic(kafka, topic, { until: 'latest', maxInFlight: 100 }).pipe(
      concatMap((record) => of(record).pipe(delay(1))),
      release(),
      toArray(),
    );
    expect(await lastValueFrom(slow$, { defaultValue: [] })).toHaveLength(200);
  });
});
