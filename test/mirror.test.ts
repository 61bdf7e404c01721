import { createRequire } from 'node:module';
import type * as RdKafka from 'node-rdkafka';
import { take, tap } from 'rxjs';
import { describe, expect, inject, it } from 'vitest';
import type { FromTopicOptions, KafkaEvent, KafkaRecord, OffsetStore, StaleState } from '../src/index.js';
import { Kafka, OptionError, commit, drain, fromTopic, groupOffsets, memoryOffsets } from '../src/index.js';
import { numberedTopic, unique } from './support/numbered.js';

const brokers = inject('brokers');
const RECORDS = 1_000;

const where = ({ partition, offset }: KafkaRecord): string => `${partition}/${offset}`;

/** Works on so many records, and leaves; says which. */
async function work(topic: string, count: number, options: FromTopicOptions, kafka = new Kafka({ brokers })): Promise<string[]> {
  const seen: string[] = [];
  await drain(
    fromTopic(kafka, topic, options).pipe(
      tap((record) => seen.push(where(record))),
      commit(),
      take(count),
    ),
  );
  await kafka.close();
  return seen;
}

/** What the group has committed, as an independent client sees it. */
function committed(group: string, topic: string): Promise<(number | undefined)[]> {
  const { KafkaConsumer } = createRequire(import.meta.url)('node-rdkafka') as typeof RdKafka;
  const client = new KafkaConsumer({ 'metadata.broker.list': brokers.join(','), 'group.id': group }, {});
  return new Promise((resolve, reject) => {
    client.connect({}, () => {
      client.committed(
        [0, 1, 2, 3].map((partition) => ({ topic, partition })),
        10_000,
        (error, found) => {
          client.disconnect(() => {
            if (error as unknown) reject(new Error(error.message));
            else resolve(found.map((position) => ('offset' in position ? position.offset : undefined)));
          });
        },
      );
    });
  });
}

describe('the mirror of the frontiers in the group', () => {
  it('another store goes on where the first one was, and the first one where the other was', async () => {
    const { topic } = await numberedTopic(brokers, { records: RECORDS });
    const group = unique('moves');
    const [one, other] = [memoryOffsets(), memoryOffsets()];
    const stale: (readonly StaleState[])[] = [];
    const onStateStale = (partitions: readonly StaleState[]): void => {
      stale.push(partitions);
    };

    const first = await work(topic, 400, { group, offsets: one, onStateStale });
    expect(stale).toEqual([]);
    const second = await work(topic, 300, { group, offsets: other, onStateStale });
    expect(stale).toHaveLength(1);
    expect(stale[0]?.every(({ local }) => local === undefined)).toBe(true);
    const third = await work(topic, RECORDS - 700, { group, offsets: one, onStateStale });
    expect(stale).toHaveLength(2);
    expect(stale[1]?.every(({ local, committed: at }) => (local ?? 0) < at)).toBe(true);

    // `take` ends each of them abruptly, in the middle of a batch, and still nothing that was finished comes again.
    expect(new Set([...first.slice(0, 400), ...second.slice(0, 300), ...third]).size).toBe(RECORDS);
  });

  it('onStateStale is waited for before the first record, and what it throws ends the stream', async () => {
    const { topic } = await numberedTopic(brokers, { records: RECORDS });
    const group = unique('waits');
    await work(topic, 500, { group, offsets: memoryOffsets() });

    const happened: string[] = [];
    const kafka = new Kafka({ brokers });
    const onStateStale = async (): Promise<void> => {
      happened.push('stale');
      await new Promise((resolve) => setImmediate(resolve));
      happened.push('ready');
    };
    await drain(
      fromTopic(kafka, topic, { group, offsets: memoryOffsets(), onStateStale }).pipe(
        tap(() => happened.push('record')),
        take(1),
      ),
    );
    await kafka.close();
    expect(happened).toEqual(['stale', 'ready', 'record']);

    const failing = work(topic, 1, {
      group,
      offsets: memoryOffsets(),
      onStateStale: () => Promise.reject(new RangeError('no copy of the state')),
    });
    await expect(failing).rejects.toThrow(new RangeError('no copy of the state'));
  });

  it('is what others see: the committed offsets are the frontiers on disk', async () => {
    const { topic } = await numberedTopic(brokers, { records: RECORDS });
    const group = unique('seen');
    await work(topic, RECORDS, { group, offsets: memoryOffsets() });
    expect(await committed(group, topic)).toEqual([250, 250, 250, 250]);
  });

  it('is off with mirror: false: another store starts over', async () => {
    const { topic } = await numberedTopic(brokers, { records: RECORDS });
    const group = unique('off');
    await work(topic, RECORDS, { group, offsets: memoryOffsets(), mirror: false });
    expect(await committed(group, topic)).toEqual([undefined, undefined, undefined, undefined]);
    expect(new Set(await work(topic, RECORDS, { group, offsets: memoryOffsets() })).size).toBe(RECORDS);
  });
});

describe('groupOffsets', () => {
  it('keeps the frontiers in the group, and goes on there', async () => {
    const { topic } = await numberedTopic(brokers, { records: RECORDS });
    const group = unique('group');
    const seen = new Set<string>();
    for (const count of [300, 300, RECORDS - 600]) {
      const kafka = new Kafka({ brokers });
      for (const record of (await work(topic, count, { group, offsets: groupOffsets(kafka) }, kafka)).slice(0, count)) seen.add(record);
    }
    expect(seen.size).toBe(RECORDS);
    expect(await committed(group, topic)).toEqual([250, 250, 250, 250]);
  });

  it('knows no state, no other Kafka, and nobody but the members of a group', async () => {
    const kafka = new Kafka({ brokers });
    const offsets: OffsetStore = groupOffsets(kafka);
    expect(() => offsets.list('group')).toThrow(/can only be read and written by its members/);
    expect(() => offsets.state('table')).toThrow(OptionError);
    const { topic } = await numberedTopic(brokers, { records: 10 });
    await expect(work(topic, 1, { group: unique('other'), offsets })).rejects.toThrow(/made with another Kafka/);
    const applying = drain(fromTopic(kafka, topic, { group: unique('state'), offsets }).pipe(commit({ apply: () => undefined })));
    await expect(applying).rejects.toThrow(/groupOffsets keeps no state/);
    await kafka.close();
  });

  it('is no reason to end when a rebalance or a broker is in the way', async () => {
    const { topic } = await numberedTopic(brokers, { records: RECORDS });
    const kafka = new Kafka({ brokers });
    const events: KafkaEvent['type'][] = [];
    void kafka.events$.forEach(({ type }) => events.push(type));
    const offsets = groupOffsets(kafka);
    const group = unique('members');
    const seen = new Set<string>();
    const all = new AbortController();
    const member = (): Promise<void> =>
      drain(
        fromTopic(kafka, topic, { group, offsets, signal: all.signal, maxInFlight: 5, properties: { 'heartbeat.interval.ms': 300 } }).pipe(
          commit({ emit: 'durable' }),
          tap((record) => {
            seen.add(where(record));
            if (seen.size === RECORDS) all.abort();
          }),
        ),
      );
    await Promise.all([member(), member(), member()]);
    await kafka.close();
    expect(seen.size).toBe(RECORDS);
    expect(events).toContain('assigned');
  });
});
