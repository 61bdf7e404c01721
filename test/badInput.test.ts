import { chmod, mkdir } from 'node:fs/promises';
import { EMPTY, filter, of } from 'rxjs';
import { describe, expect, inject, it } from 'vitest';
import type { KafkaEvent, KafkaOptions } from '../src/index.js';
import {
  BrokerUnavailableError,
  Kafka,
  KafkaRxError,
  OptionError,
  StoreLockedError,
  StoreUnavailableError,
  UnknownTopicError,
  commit,
  drain,
  fromPartitions,
  fromTopic,
  memoryOffsets,
  openOffsets,
  toTopic,
} from '../src/index.js';
import { unique } from './support/numbered.js';
import { silentPort } from './support/silentPort.js';
import { temporaryFolder } from './support/temporaryFolder.js';

const brokers = inject('brokers');
const offsets = memoryOffsets();

/** What a call in plain JavaScript may get. */
const wrong = (options: object): never => options as never;

/** An address at which nobody listens. */
async function nobody(): Promise<string> {
  await using port = await silentPort();
  return port.address;
}

describe('bad input gets a clear error', () => {
  it.each<[string, () => unknown, RegExp]>([
    ['no options', () => new Kafka(undefined as never), /new Kafka: expected an options object, got undefined/],
    ['no brokers', () => new Kafka(wrong({})), /new Kafka: the option `brokers` is missing/],
    ['an empty list of brokers', () => new Kafka({ brokers: [] }), /`brokers` is empty: name at least one, as in \['localhost:9092'\]/],
    ['brokers as one string', () => new Kafka(wrong({ brokers: 'localhost:9092' })), /`brokers` must be an array/],
    ['a broker without a port', () => new Kafka({ brokers: ['localhost'] }), /a broker is 'host:port', and "localhost" is not/],
    ['a broker as a URL, which may hold a password', () => new Kafka({ brokers: ['kafka://me:secret@host:9092'] }), /and a URL is not\.$/],
    ['a misspelt option', () => new Kafka(wrong({ brokers, clientID: 'x' })), /unknown option `clientID`: did you mean `clientId`\?/],
    ['an unknown option', () => new Kafka(wrong({ brokers, retries: 3 })), /unknown option `retries`\. Known are `brokers`/],
    [
      'an incomplete login',
      () => new Kafka({ brokers, sasl: wrong({ mechanism: 'PLAIN', username: 'me' }) }),
      /sasl: the option `password` is missing/,
    ],
    [
      'a mechanism that is none',
      () => new Kafka({ brokers, sasl: { mechanism: 'MD5' as 'PLAIN', username: 'me', password: 'x' } }),
      /`mechanism` must be 'PLAIN' or/,
    ],
    [
      'a misspelt option of fromTopic',
      () => subscribable({ maxInflight: 10 }),
      /fromTopic: unknown option `maxInflight`: did you mean `maxInFlight`\?/,
    ],
    ['an empty group', () => subscribable({ group: '' }), /fromTopic: `group` must be a string that is not empty/],
    ['no group', () => subscribable({ group: undefined }), /fromTopic: the option `group` is missing/],
    ['no offsets', () => subscribable({ offsets: undefined }), /fromTopic: the option `offsets` is missing/],
    ['half a record in flight', () => subscribable({ maxInFlight: 0.5 }), /`maxInFlight` must be a whole number from 1 up/],
    ['a start that is none', () => subscribable({ from: 'beginning' }), /`from` must be 'earliest', 'latest', 'fail' or \{ timestamp \}/],
    [
      'a property that the source sets',
      () => subscribable({ properties: { 'enable.auto.commit': true } }),
      /`enable.auto.commit` is set by the source itself/,
    ],
    ['an empty topic', () => fromTopic(new Kafka({ brokers }), '', { group: 'g', offsets }), /"" is no name of a topic/],
    [
      'no topics',
      () => fromTopic(new Kafka({ brokers }), [], { group: 'g', offsets }),
      /the second argument is a topic, an array of topics, or a RegExp/,
    ],
    [
      'a pattern with flags',
      () => fromTopic(new Kafka({ brokers }), /orders/i, { group: 'g', offsets }),
      /a pattern of topics can have no flags/,
    ],
    [
      'no name for a source without a group',
      () => fromPartitions(new Kafka({ brokers }), 'orders', wrong({ offsets })),
      /fromPartitions: the option `name` is missing/,
    ],
    [
      'a group where there is none',
      () => fromPartitions(new Kafka({ brokers }), 'orders', wrong({ group: 'g', name: 'n', offsets })),
      /fromPartitions: unknown option `group`/,
    ],
    [
      'a search for partitions that never rests',
      () => fromPartitions(new Kafka({ brokers }), 'orders', { name: 'n', offsets, discoverEveryMs: 0 }),
      /fromPartitions: `discoverEveryMs` must be a number above 0/,
    ],
    [
      'partitions and a worker',
      () => fromPartitions(new Kafka({ brokers }), { orders: [0] }, { name: 'n', offsets, worker: { slot: 0, of: 2 } }),
      /here are both: leave one of them out/,
    ],
    ['a misspelt option of commit', () => commit(wrong({ order: true })), /commit: unknown option `order`: did you mean `ordered`\?/],
    ['a way to emit that is none', () => commit(wrong({ emit: 'later' })), /commit: `emit` must be 'passed' or 'durable'/],
    [
      'an unknown option of toTopic',
      () => toTopic(new Kafka({ brokers }), 't', () => null, wrong({ ack: 1 })),
      /toTopic: unknown option `ack`: did you mean `acks`\?/,
    ],
    ['no topic for toTopic', () => toTopic(new Kafka({ brokers }), ''), /toTopic: the second argument is a topic/],
    ['an unknown option of openOffsets', () => openOffsets('anywhere', wrong({ sync: false })), /openOffsets: unknown option `sync`/],
    ['no directory', () => openOffsets(''), /openOffsets: the first argument is the path of a directory/],
    ['a signal of another kind', () => drain(EMPTY, wrong({ signal: true })), /drain: `signal` must be an AbortSignal/],
  ])('%s', (_what, call, message) => {
    expect(call).toThrow(OptionError);
    expect(call).toThrow(message);
  });

  it('a setting that the client does not know is named when the stream starts', async () => {
    await using kafka = new Kafka({ brokers, properties: { 'fetch.wait.max.msec': 10 } });
    const reading = drain(fromTopic(kafka, 'orders', { group: 'g', offsets }));
    await expect(reading).rejects.toThrow(OptionError);
    await expect(reading).rejects.toThrow(/fetch\.wait\.max\.msec/);
    await expect(drain(of({ value: 'x' }).pipe(toTopic(kafka, 'orders', (record) => record)))).rejects.toThrow(/fetch\.wait\.max\.msec/);
  });

  it('settings that the client does not take together are no lack of brokers', async () => {
    await using kafka = new Kafka({ brokers });
    const properties = { 'group.protocol': 'consumer', 'partition.assignment.strategy': 'range' };
    const reading = drain(fromTopic(kafka, 'orders', { group: 'g', offsets, properties }));
    await expect(reading).rejects.toThrow(OptionError);
    await expect(reading).rejects.toThrow(/is not supported for `group.protocol=consumer`/);
  });

  it('a topic that does not exist', async () => {
    await using kafka = new Kafka({ brokers });
    const topic = unique('nowhere');
    const error = await drain(fromTopic(kafka, [topic], { group: 'g', offsets })).catch((thrown: unknown) => thrown);
    expect(error).toBeInstanceOf(UnknownTopicError);
    expect(error).toMatchObject({
      code: 'UNKNOWN_TOPIC',
      topics: [topic],
      message: `${topic} does not exist on this cluster: create it first, or check the spelling.`,
    });
  });

  it.each<[string, (kafka: Kafka) => Promise<void>]>([
    ['source', (kafka) => drain(fromTopic(kafka, 'orders', { group: 'g', offsets }))],
    ['sink', (kafka) => drain(of({ value: 'x' }).pipe(toTopic(kafka, 'orders', (record) => record)))],
  ])('an unreachable broker is an event at once and an error of the %s after the stated time', async (_what, run) => {
    const address = await nobody();
    await using kafka = new Kafka({ brokers: [address], connectTimeoutMs: 2_000 });
    const seen: (KafkaEvent | Error)[] = [];
    // Without the addon there is a notice of that before.
    void kafka.events$.pipe(filter(({ type }) => type !== 'notice')).forEach((event) => seen.push(event));

    await run(kafka).catch((error: unknown) => seen.push(error as Error));

    const error = seen.at(-1);
    expect(error).toBeInstanceOf(BrokerUnavailableError);
    expect(error).toMatchObject({ code: 'BROKER_UNAVAILABLE', retriable: true, brokers: [address] });
    expect((error as Error).message).toMatch(/^no broker answered .*within 2000 ms .*: tried 127\.0\.0\.1:\d+/);
    // The reason was there before: connection refused.
    expect(seen[0]).toMatchObject({ type: 'error' });
    expect((seen[0] as { error: Error }).error.message).toMatch(/refused/);
  });

  it('a store whose directory is not writable, missing its parent, or in use', async () => {
    await using folder = await temporaryFolder();
    expect(() => openOffsets(`${folder.path}/a/b`)).toThrow(StoreUnavailableError);
    expect(() => openOffsets(`${folder.path}/a/b`)).toThrow(/its parent directory does not exist/);

    await using open = openOffsets(`${folder.path}/offsets`);
    expect(() => openOffsets(`${folder.path}/offsets`)).toThrow(StoreLockedError);
    expect(() => openOffsets(`${folder.path}/offsets`)).toThrow(/in use by this process itself/);
    await open.close();

    if (process.getuid?.() === 0) return; // Nothing is refused to root; a process without its rights tries in test/offsets.
    await mkdir(`${folder.path}/sealed`);
    await chmod(`${folder.path}/sealed`, 0o500);
    expect(() => openOffsets(`${folder.path}/sealed`)).toThrow(/not writable for this user/);
  });

  it('passwords are in no error and no event', async () => {
    const options: KafkaOptions = {
      brokers: [await nobody()],
      connectTimeoutMs: 1_000,
      sasl: { mechanism: 'PLAIN', username: 'me', password: 'hunter2' },
      properties: { debug: 'all' },
    };
    await using kafka = new Kafka(options);
    const seen: unknown[] = [];
    void kafka.events$.forEach((event) => seen.push(event));
    const error: unknown = await drain(fromTopic(kafka, 'orders', { group: 'g', offsets })).catch((thrown: unknown) => thrown);
    expect(error).toBeInstanceOf(KafkaRxError);
    expect(seen.length).toBeGreaterThan(0);
    const everything = JSON.stringify([...seen, error], (_key, value: unknown) =>
      value instanceof Error ? `${String(value)} ${value.stack ?? ''} ${String(value.cause)}` : value,
    );
    expect(everything).not.toContain('hunter2');
  });
});

function subscribable(options: Record<string, unknown>): unknown {
  return fromTopic(new Kafka({ brokers }), 'orders', { group: 'g', offsets, ...options });
}
