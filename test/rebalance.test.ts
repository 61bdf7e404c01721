import { setTimeout as delay } from 'node:timers/promises';
import type { Observable, Subscription } from 'rxjs';
import { Subject, concatMap, from, lastValueFrom, map, mergeMap, of, retry, take, tap } from 'rxjs';
import { afterEach, describe, expect, inject, it } from 'vitest';
import { createTopic, deleteRecords, deleteTopic } from '../broker/index.js';
import type { FromTopicOptions, Gap, KafkaEvent, KafkaRecord, TopicPartition } from '../src/index.js';
import {
  FencedError,
  Kafka,
  OffsetOutOfRangeError,
  OptionError,
  UnknownTopicError,
  commit,
  drain,
  fromTopic,
  memoryOffsets,
  release,
  toTopic,
} from '../src/index.js';
import { groupMember } from '../src/sources/consumer.js';
import { resolveSourceOptions } from '../src/sources/sourceOptions.js';
import { numberedTopic, unique } from './support/numbered.js';
import { transactionalWriter } from './support/transactionalWriter.js';
import { until } from './support/until.js';

const brokers = inject('brokers');
/** Finds members that have gone, and asks for topics, sooner than by default. */
const QUICK = { 'heartbeat.interval.ms': 300, 'session.timeout.ms': 6_000 };
const opened: (() => void | Promise<void>)[] = [];

/** A cluster, with what it says; closed after the test. */
function cluster(): { readonly kafka: Kafka; readonly events: KafkaEvent[] } {
  const kafka = new Kafka({ brokers });
  const events: KafkaEvent[] = [];
  void kafka.events$.forEach((event) => events.push(event));
  opened.push(() => kafka.close());
  return { kafka, events };
}

/** What became of a stream. */
interface Outcome {
  error: unknown;
  readonly subscription: Subscription;
}

function run(stream$: Observable<unknown>): Outcome {
  const outcome: { error: unknown } = { error: undefined };
  const subscription = stream$.subscribe({
    error: (error: unknown) => {
      outcome.error = error;
    },
  });
  opened.push(() => {
    subscription.unsubscribe();
  });
  return Object.assign(outcome, { subscription });
}

/** The partitions that somebody holds, by his group's events. */
function count(events: readonly KafkaEvent[], type: 'assigned' | 'revoked'): number {
  return events.reduce((sum, event) => sum + (event.type === type ? event.partitions.length : 0), 0);
}

async function write(topic: string, values: number, partition = 0): Promise<void> {
  const { kafka } = cluster();
  await drain(from(Array.from({ length: values }, (_, n) => n)).pipe(toTopic(kafka, topic, (n) => ({ value: String(n), partition }))));
}

afterEach(async () => {
  // The streams first: a `Kafka` that closes would wait for what they have in flight.
  for (const close of opened.splice(0).reverse()) await close();
});

describe.runIf(inject('brokerKind') !== 'embedded')('a member that leaves', () => {
  it('is not waited for by `retry` above `commit` longer than `drainTimeoutMs`', async () => {
    const { topic } = await numberedTopic(brokers, { records: 100, partitions: 1 });
    const { kafka } = cluster();
    const done = new Set<number>();
    let failures = 0;
    run(
      fromTopic(kafka, topic, { group: unique('retry'), offsets: memoryOffsets(), drainTimeoutMs: 500 }).pipe(
        concatMap(async (record) => {
          await Promise.resolve();
          if (record.offset === 50 && failures++ === 0) throw new RangeError('once');
          return record;
        }),
        retry({ delay: 100 }),
        commit(),
        tap(({ offset }) => done.add(offset)),
      ),
    );
    await until(() => done.size === 100);
    expect(failures).toBe(2);
  });

  it('answers while it leaves: others get what it has and what is given to it, and lose nothing', async () => {
    const { topic } = await numberedTopic(brokers, { records: 400, partitions: 4 });
    const [leaving, other] = [cluster(), cluster()];
    const options = { group: unique('leaves'), offsets: memoryOffsets(), drainTimeoutMs: 500, mirror: false, properties: QUICK };
    const stop = new AbortController();
    const hold$ = new Subject<void>();
    let held = 0;
    const work$ = fromTopic(leaving.kafka, topic, { ...options, signal: stop.signal }).pipe(
      mergeMap((record) => {
        if (record.offset >= 3) return of(record);
        held += 1;
        return hold$.pipe(
          take(1),
          map(() => record),
        );
      }),
      commit(),
    );
    let ended = false;
    const left = drain(work$).then(() => {
      ended = true;
    });
    await until(() => held === 12);
    const first = run(fromTopic(other.kafka, topic, { ...options, mirror: false }).pipe(release()));
    await until(() => count(other.events, 'assigned') === 2);
    stop.abort();
    // Its two partitions go to the member that is leaving, which takes none.
    first.subscription.unsubscribe();
    await until(() => count(other.events, 'revoked') === 2);
    const seen = new Set<string>();
    const second = cluster();
    run(
      fromTopic(second.kafka, topic, options).pipe(
        tap(({ partition, offset }) => seen.add(`${partition}/${offset}`)),
        commit(),
      ),
    );
    await until(() => count(second.events, 'assigned') >= 2);
    expect(ended).toBe(false);
    hold$.next();
    await left;
    await until(() => count(second.events, 'assigned') - count(second.events, 'revoked') === 4);
    await until(() => {
      const [checkpoints] = options.offsets.list(options.group) as Iterable<readonly { frontier: number; runs: readonly number[] }[]>;
      return checkpoints?.length === 4 && checkpoints.every(({ frontier, runs }) => frontier === 100 && runs.length === 0);
    });
    expect(leaving.events.filter(({ type }) => type === 'error')).toEqual([]);
  });

  it('that another one with its `group.instance.id` has put out ends with a FencedError', async () => {
    const { topic } = await numberedTopic(brokers, { records: 100 });
    const { kafka, events } = cluster();
    const options = { group: unique('static'), offsets: memoryOffsets(), drainTimeoutMs: 500 };
    const member = (): Outcome =>
      run(fromTopic(kafka, topic, { ...options, properties: { ...QUICK, 'group.instance.id': 'same' } }).pipe(commit()));
    const first = member();
    await until(() => count(events, 'assigned') === 4);
    const second = member();
    await until(() => first.error !== undefined);
    expect(first.error).toBeInstanceOf(FencedError);
    // Some may have been taken over before, by whoever claims them in the same store.
    const lost = events.flatMap((event) => (event.type === 'lost' ? event.partitions : []));
    expect(new Set([...(first.error as FencedError).partitions, ...lost].map(({ partition }) => partition)).size).toBe(4);
    await until(() => count(events, 'assigned') === 8);
    expect(second.error).toBeUndefined();
  });
});

describe.runIf(inject('brokerKind') !== 'embedded')('a member that its group asks again before it has answered', () => {
  it('fetches what each question gave it: the client had taken a seek for the first answer', async () => {
    const { topic } = await numberedTopic(brokers, { records: 20, partitions: 2 });
    const options = { group: unique('again'), offsets: memoryOffsets(), properties: QUICK };
    const questions: { readonly assigns: boolean; readonly partitions: readonly TopicPartition[] }[] = [];
    const listener = {
      onAssigned: (partitions: readonly TopicPartition[]) => questions.push({ assigns: true, partitions }),
      onRevoked: (partitions: readonly TopicPartition[]) => questions.push({ assigns: false, partitions }),
      onFatal: () => undefined,
    };
    const { kafka } = cluster();
    const member = groupMember(
      kafka,
      { ...resolveSourceOptions('test', { properties: QUICK }), group: options.group, topics: [topic] },
      listener,
    );
    await lastValueFrom(from(member.connect()), { defaultValue: undefined });
    const got = new Set<string>();
    let reading = true;
    const read = (): void => {
      member.reader.read(100, 50, (_error, batch) => {
        for (let row = 0; row < batch.length; row += 1) got.add(`${batch.partition(row)}/${batch.offset(row)}`);
        if (reading) setImmediate(read);
      });
    };
    read();
    const closed = async (): Promise<void> => {
      reading = false;
      await lastValueFrom(from(member.close()), { defaultValue: undefined });
    };
    opened.push(closed);
    let answered = 0;
    const answer = async (): Promise<readonly TopicPartition[]> => {
      await until(() => questions.length > answered);
      const { assigns, partitions } = questions[answered++] as (typeof questions)[number];
      if (assigns) member.assign(partitions.map(({ partition }) => ({ topic, partition, offset: 0 })));
      else member.unassign(partitions);
      return partitions;
    };
    await answer();
    await until(() => got.size === 20);

    // It hears of the next rebalance too late to take part in it.
    const properties = { 'heartbeat.interval.ms': 10_000, 'session.timeout.ms': 30_000 };
    const other = run(fromTopic(cluster().kafka, topic, { ...options, properties, drainTimeoutMs: 10 }).pipe(commit()));
    const [taken] = (await answer()) as readonly [TopicPartition];
    await until(() => questions.length > answered);
    member.refetch({ topic, partition: 1 - taken.partition, offset: 0 });
    other.subscription.unsubscribe();
    await until(() => questions.length > answered + 1);
    got.clear();
    await answer();
    expect(await answer()).toMatchObject([{ partition: taken.partition }]);
    await until(() => [...got].filter((name) => name.startsWith(`${taken.partition}/`)).length === 10);
  });
});

describe.runIf(inject('brokerKind') !== 'embedded')('a pattern of topics', () => {
  it('brings the topics that it matches in JavaScript', { timeout: 120_000 }, async () => {
    const id = unique('p').replaceAll('-', '').slice(0, 12);
    const names = ['orders-7', 'orders-12', 'orders-eu', 'orders-us', 'orders.v1', 'ordersXv1'].map((name) => `${id}-${name}`);
    for (const name of names) {
      await createTopic(brokers, name, { partitions: 1 });
      await write(name, 1);
    }
    const patterns = [
      '^ID-orders-[0-9]+$',
      '^ID-orders-\\d+$',
      'ID-orders-(?:eu|us)$',
      'nothing-x|ID-orders-7',
      'D-orders\\.v1$',
      'ID-.*[sv][^.]?[17]',
    ];
    await Promise.all(
      patterns.map(async (text) => {
        const pattern = new RegExp(text.replace('ID', id).replace('D-', `${id.slice(1)}-`));
        const expected = names.filter((name) => pattern.test(name));
        expect(expected.length).toBeGreaterThan(0);
        const { kafka } = cluster();
        const got = new Set<string>();
        run(
          fromTopic(kafka, pattern, { group: unique('pattern'), offsets: memoryOffsets(), drainTimeoutMs: 10 }).pipe(
            release(),
            tap((record) => got.add(record.topic)),
          ),
        );
        await until(() => got.size >= expected.length);
        expect([text, [...got].sort()]).toEqual([text, [...expected].sort()]);
      }),
    );
  });

  it('that the client would take for something else is refused at once', () => {
    const { kafka } = cluster();
    expect(() => fromTopic(kafka, /^orders-(?!test)/, { group: 'g', offsets: memoryOffsets() })).toThrow(OptionError);
  });

  it('goes on when one of its topics is deleted, and says so; a topic that was named is missed', async () => {
    const id = unique('deleted').replaceAll('-', '').slice(0, 16);
    const [one, other] = [`${id}-a`, `${id}-b`];
    for (const name of [one, other]) {
      await createTopic(brokers, name, { partitions: 1 });
      await write(name, 10);
    }
    const properties = { 'topic.metadata.refresh.interval.ms': 500 };
    const [byPattern, byName] = [cluster(), cluster()];
    const seen = new Map<string, number>();
    const options = (group: string): FromTopicOptions => ({
      group: unique(group),
      offsets: memoryOffsets(),
      drainTimeoutMs: 10,
      properties,
    });
    const pattern = run(
      fromTopic(byPattern.kafka, new RegExp(`^${id}-.$`), options('pattern')).pipe(
        commit(),
        tap((record) => seen.set(record.topic, record.offset + 1)),
      ),
    );
    const named = run(fromTopic(byName.kafka, [one, other], options('names')).pipe(commit()));
    await until(() => seen.get(one) === 10 && seen.get(other) === 10 && count(byName.events, 'assigned') === 2);

    await deleteTopic(brokers, one);
    await until(() => named.error !== undefined);
    expect(named.error).toBeInstanceOf(UnknownTopicError);
    expect(named.error).toMatchObject({ topics: [one] });
    await until(() => byPattern.events.some((event) => event.type === 'error'));
    await write(other, 5);
    await until(() => seen.get(other) === 15);
    expect(pattern.error).toBeUndefined();
  });
});

describe.runIf(inject('brokerKind') !== 'embedded')('a partition that stands outside of its log while others are read', () => {
  const RECORDS = 4_000;
  const KEPT = RECORDS - 100;

  it.each(['fail', 'earliest'] as const)('is found although the client has not said it: %s', async (onOutOfRange) => {
    const { topic } = await numberedTopic(brokers, { records: 2 * RECORDS, partitions: 2, bytes: 1_000 });
    const { kafka } = cluster();
    const [slow$, tops, seen, gaps] = [new Subject<void>(), [0, 0], [0, 0], [] as Gap[]];
    let isSlow = true;
    const outcome = run(
      fromTopic(kafka, topic, {
        group: unique('outside'),
        offsets: memoryOffsets(),
        onOutOfRange,
        onGap: (gap) => gaps.push(gap),
        maxInFlight: 200,
        drainTimeoutMs: 200,
        // What was fetched ahead ends long before what is deleted.
        fetchBufferBytes: 200_000,
        properties: { 'fetch.message.max.bytes': 50_000 },
      }).pipe(
        mergeMap((record: KafkaRecord) =>
          isSlow
            ? slow$.pipe(
                take(1),
                map(() => record),
              )
            : of(record),
        ),
        commit(),
        tap(({ partition, offset }) => {
          tops[partition] = offset + 1;
          seen[partition] = (seen[partition] as number) + 1;
        }),
      ),
    );
    // Some of both is out.
    while (tops.some((top) => top === 0)) {
      slow$.next();
      await delay(10);
    }
    await deleteRecords(brokers[0] as string, topic, [{ partition: 1, before: KEPT }]);
    isSlow = false;
    slow$.next();

    if (onOutOfRange === 'fail') {
      await until(() => outcome.error !== undefined);
      expect(outcome.error).toBeInstanceOf(OffsetOutOfRangeError);
      const { position, low, high } = outcome.error as OffsetOutOfRangeError;
      expect([position, low, high]).toEqual([{ topic, partition: 1, offset: tops[1] }, KEPT, RECORDS]);
    } else {
      await until(() => tops.every((top) => top === RECORDS));
      expect(outcome.error).toBeUndefined();
      const [gap] = gaps as [Gap];
      expect(gaps).toEqual([{ topic, partition: 1, from: gap.from, to: KEPT }]);
      // Exactly what the gap names is missing.
      expect(seen).toEqual([RECORDS, RECORDS - (KEPT - gap.from)]);
    }
  });
});

describe.runIf(inject('brokerKind') !== 'embedded')('a position beyond the records of an open transaction', () => {
  // The end that readers of what is committed see is not the end of the log.
  it('is no sign that the topic was re-created', async () => {
    const { topic } = await numberedTopic(brokers, { records: 10, partitions: 1 });
    await openTransaction(topic, 5);
    const { kafka, events } = cluster();
    const options = { group: unique('transaction'), offsets: memoryOffsets() };
    await drain(fromTopic(kafka, topic, { ...options, readCommitted: false }).pipe(commit(), take(15)));

    const before = count(events, 'assigned');
    const outcome = run(fromTopic(kafka, topic, options).pipe(commit()));
    await until(() => outcome.error !== undefined || count(events, 'assigned') > before);
    expect(outcome.error).toBeUndefined();
  });
});

/** Writes records in a transaction that stays open. */
async function openTransaction(topic: string, records: number): Promise<void> {
  const writer = await transactionalWriter(brokers, topic);
  opened.push(async () => {
    await writer[Symbol.asyncDispose]();
  });
  await writer.begin();
  await writer.write(topic, new Array<string>(records).fill('open'));
}
