import { filter, firstValueFrom, take, toArray } from 'rxjs';
import { describe, expect, inject, it } from 'vitest';
import { createTopic, deleteRecords } from '../broker/index.js';
import type { Position } from '../src/index.js';
import {
  BrokerError,
  BrokerUnavailableError,
  ClosedError,
  GroupActiveError,
  Kafka,
  OptionError,
  TimedOutError,
  TopicExistsError,
  UnknownTopicError,
  commit,
  drain,
  fromTopic,
  groupOffsets,
  memoryOffsets,
} from '../src/index.js';
import { numberedTopic, unique } from './support/numbered.js';
import { RawProducer } from './support/rawProducer.js';
import { silentPort } from './support/silentPort.js';

const brokers = inject('brokers');

function at(topic: string, ...offsets: readonly number[]): Position[] {
  return offsets.map((offset, partition) => ({ topic, partition, offset }));
}

describe.runIf(inject('brokerKind') !== 'embedded')('kafka.admin', () => {
  it('creates a topic that can be used at once, adds partitions to it, and deletes it', async () => {
    await using kafka = new Kafka({ brokers });
    const topic = unique('made');

    await kafka.admin.createTopic(topic, { partitions: 3, replicas: 1, config: { 'cleanup.policy': 'compact' } });
    const made = await kafka.admin.topic(topic);
    expect(made.partitions.map(({ partition }) => partition)).toEqual([0, 1, 2]);
    const id = (await kafka.admin.brokers())[0]?.id;
    expect(made.partitions[0]).toEqual({ topic, partition: 0, leader: id, replicas: [id], inSync: [id] });
    await expect(kafka.admin.createTopic(topic)).rejects.toThrow(TopicExistsError);

    await kafka.admin.createPartitions(topic, 5);
    expect((await kafka.admin.topic(topic)).partitions).toHaveLength(5);
    const fewer: unknown = await kafka.admin.createPartitions(topic, 2).catch((error: unknown) => error);
    expect(fewer).toBeInstanceOf(BrokerError);
    expect((fewer as Error).message).toContain(`could not make ${topic} 2 partitions`);

    expect((await kafka.admin.topics()).map((one) => one.topic)).toContain(topic);
    await kafka.admin.deleteTopic(topic);
    await expect(kafka.admin.topic(topic)).rejects.toThrow(UnknownTopicError);
    expect((await kafka.admin.topics()).map((one) => one.topic)).not.toContain(topic);
  });

  it('says that a topic is not there', async () => {
    await using kafka = new Kafka({ brokers });
    const topic = unique('missing');
    await expect(kafka.admin.topic(topic)).rejects.toThrow(UnknownTopicError);
    await expect(kafka.admin.offsets(topic, 'latest')).rejects.toThrow(UnknownTopicError);
    await expect(kafka.admin.deleteTopic(topic)).rejects.toThrow(UnknownTopicError);
    await expect(kafka.admin.createPartitions(topic, 9)).rejects.toThrow(UnknownTopicError);
    await expect(kafka.admin.groupLag('nobody', { topics: [topic] })).rejects.toThrow(UnknownTopicError);
    expect((await kafka.admin.topics()).map((one) => one.topic)).not.toContain(topic);
  });

  it('says what a broker has against a topic', async () => {
    await using kafka = new Kafka({ brokers });
    const error: unknown = await kafka.admin
      .createTopic(unique('odd'), { config: { 'cleanup.policy': 'perhaps' } })
      .catch((thrown: unknown) => thrown);
    expect(error).toMatchObject({ code: 'BROKER', kafkaCode: 40 });
    expect((error as Error).message).toMatch(/cleanup\.policy/);
  });

  it('looks up the two ends of each log, and a time', async () => {
    const { topic } = await numberedTopic(brokers, { records: 90, partitions: 3 });
    await using kafka = new Kafka({ brokers });
    expect(await kafka.admin.offsets(topic, 'earliest')).toEqual(at(topic, 0, 0, 0));
    expect(await kafka.admin.offsets(topic, 'latest')).toEqual(at(topic, 30, 30, 30));
    await deleteRecords(brokers[0] as string, topic, [{ partition: 1, before: 7 }]);
    expect(await kafka.admin.offsets(topic, 'earliest')).toEqual(at(topic, 0, 7, 0));

    const after = Date.now() + 3_600_000;
    const other = unique('dated');
    await createTopic(brokers, other, { partitions: 2 });
    {
      await using producer = await RawProducer.open(brokers);
      await producer.write(
        other,
        0,
        [1_000_000, 2_000_000, 3_000_000].map((timestamp) => ({ value: 'x', timestamp })),
      );
    }
    expect(await kafka.admin.offsets(other, { timestamp: 1_500_000 })).toEqual(at(other, 1, 0));
    expect(await kafka.admin.offsets(other, { timestamp: after })).toEqual(at(other, 3, 0));
  });

  it('counts what an open transaction has written', async () => {
    const { topic } = await numberedTopic(brokers, { records: 3, partitions: 1 });
    await using producer = await RawProducer.open(brokers, { 'transactional.id': unique('open') });
    await using kafka = new Kafka({ brokers });
    await producer.begin();
    await producer.write(topic, 0, [{ value: 'open' }]);
    expect(await kafka.admin.offsets(topic, 'latest')).toEqual(at(topic, 4));
    await producer.abort();
  });

  it('looks up what a group has committed, and its lag', async () => {
    const { topic } = await numberedTopic(brokers, { records: 60, partitions: 3 });
    const { topic: untouched } = await numberedTopic(brokers, { records: 4, partitions: 1 });
    const group = unique('lagging');
    await using kafka = new Kafka({ brokers });
    expect(await kafka.admin.groupOffsets(group)).toEqual([]);
    expect(await kafka.admin.groupLag(group)).toEqual([]);

    await kafka.admin.commitGroupOffsets(group, at(topic, 20, 5));
    expect(await kafka.admin.groupOffsets(group)).toEqual(at(topic, 20, 5));
    expect(await kafka.admin.groupOffsets(group, { topics: [untouched] })).toEqual([]);
    await deleteRecords(brokers[0] as string, topic, [
      { partition: 1, before: 8 },
      { partition: 2, before: 4 },
    ]);
    const lag = [
      { topic, partition: 0, committed: 20, start: 0, end: 20, lag: 0 },
      { topic, partition: 1, committed: 5, start: 8, end: 20, lag: 12 },
      { topic, partition: 2, committed: undefined, start: 4, end: 20, lag: 16 },
    ];
    expect(await kafka.admin.groupLag(group)).toEqual(lag);
    expect(await kafka.admin.groupLag(group, { topics: [untouched, topic] })).toEqual([
      { topic: untouched, partition: 0, committed: undefined, start: 0, end: 4, lag: 4 },
      ...lag,
    ]);
  });

  it('resets a group that has no members, and leaves one alone that has', async () => {
    const { topic } = await numberedTopic(brokers, { records: 30, partitions: 3 });
    const group = unique('reset');
    await using kafka = new Kafka({ brokers });
    let active: unknown;
    {
      await using member = new Kafka({ brokers });
      const assigned = firstValueFrom(member.events$.pipe(filter(({ type }) => type === 'assigned')), { defaultValue: undefined });
      const reading = drain(fromTopic(member, topic, { group, offsets: memoryOffsets() }).pipe(commit()));
      await assigned;
      active = await kafka.admin.resetGroupOffsets(group, 'earliest', { topics: [topic] }).catch((error: unknown) => error);
      await member.close();
      await reading;
    }
    expect(active).toBeInstanceOf(GroupActiveError);

    expect(await kafka.admin.resetGroupOffsets(group, 'latest', { topics: [topic] })).toEqual(at(topic, 10, 10, 10));
    await kafka.admin.commitGroupOffsets(group, [{ topic, partition: 1, offset: 8 }]);
    expect(await kafka.admin.groupOffsets(group)).toEqual(at(topic, 10, 8, 10));
    const orders$ = fromTopic(kafka, topic, { group, offsets: groupOffsets(kafka) }).pipe(commit());
    const read = await firstValueFrom(orders$.pipe(take(2), toArray()), { defaultValue: [] });
    expect(read.map(({ partition, offset }) => [partition, offset])).toEqual([
      [1, 8],
      [1, 9],
    ]);
  });

  it('refuses to commit offsets of what is not there', async () => {
    const { topic } = await numberedTopic(brokers, { records: 1, partitions: 1 });
    await using kafka = new Kafka({ brokers });
    await expect(kafka.admin.commitGroupOffsets('anybody', [{ topic, partition: 7, offset: 0 }])).rejects.toThrow(/\/7 is no partition/);
    await expect(kafka.admin.commitGroupOffsets('anybody', [{ topic, partition: 0, offset: -1 }])).rejects.toThrow(OptionError);
    await expect(kafka.admin.commitGroupOffsets('anybody', [])).rejects.toThrow(OptionError);
    await expect(kafka.admin.resetGroupOffsets('anybody', 'latest', { topics: [] })).rejects.toThrow(/`topics` is missing/);
    await expect(kafka.admin.offsets('no good name', 'latest')).rejects.toThrow(OptionError);
    await expect(kafka.admin.offsets(topic, { timestamp: NaN })).rejects.toThrow(OptionError);
    await expect(kafka.admin.createTopic(topic, { partitions: 1.5 })).rejects.toThrow(OptionError);
  });
});

describe('a cluster that does not answer', () => {
  it('is an error within the time of the call, or of the connection, and keeps nobody from closing', async () => {
    await using port = await silentPort();
    const kafka = new Kafka({ brokers: [port.address], connectTimeoutMs: 500 });
    await expect(kafka.admin.topics()).rejects.toThrow(BrokerUnavailableError);
    await expect(kafka.admin.topics({ timeoutMs: 100 })).rejects.toThrow(TimedOutError);
    await expect(kafka.admin.groupOffsets('anybody', { timeoutMs: 100 })).rejects.toThrow(TimedOutError);
    await kafka.close();
    await expect(kafka.admin.topics()).rejects.toThrow(ClosedError);
  });
});

it('a call that is under way when the Kafka closes is answered', async () => {
  const kafka = new Kafka({ brokers });
  const asked = kafka.admin.topics();
  await kafka.close();
  expect(Array.isArray(await asked)).toBe(true);
});
