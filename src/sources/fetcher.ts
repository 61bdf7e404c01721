import { setTimeout as delay } from 'node:timers/promises';
import type { KafkaConsumer, TopicPartitionOffset } from 'node-rdkafka';
import { LEADER_MOVES, UNKNOWN_TOPIC_OR_PARTITION, brokerError, refused, unavailable } from '../brokerErrors.js';
import { forwardEvents } from '../clientEvents.js';
import { connect } from '../connect.js';
import { BrokerError } from '../errors.js';
import type { Kafka, Properties } from '../kafka.js';
import type { Position, TopicPartition } from '../position.js';
import { bare } from '../position.js';
import type { RdkafkaError } from '../rdkafka.js';
import { rdkafka } from '../rdkafka.js';
import type { ConsumerClient } from './chooseReader.js';
import { chooseReader } from './chooseReader.js';
import type { Reader } from './reader.js';
import { holdThread } from './threads.js';

/** How many look-ups to wait for at a time: each holds a thread of the pool that commits run on as well. */
export const LOOKUPS_AT_ONCE = 2;

/** Where a partition is to start: an offset, or one of the log's two ends. */
export const OFFSET_BEGINNING = -2;
export const OFFSET_END = -1;

/** The offsets between which a partition holds records: the first, and the one that the next record will get. */
export interface Watermarks {
  readonly low: number;
  readonly high: number;
}

export interface FetcherOptions {
  /** A client cannot be made without one, also one that joins none. */
  readonly group: string;
  readonly readCommitted: boolean;
  readonly fetchBufferBytes: number;
  /** How much a broker sends of one partition at a time: how far those of one stand in a row. Default: the client's. */
  readonly partitionFetchBytes?: number;
  readonly properties: Properties;
  readonly topicProperties: Properties;
}

/** Each question that wakes a broker's thread holds one of the pool; there are few brokers. */
const MAX_WAKES = 4;
const UNCOMMITTED = { 'isolation.level': 'read_uncommitted' };
/** A query holds a thread of the pool until it is answered. */
export const QUERY_TIMEOUT_MS = 5_000;
/** How long to wait before the leader of a partition is asked again that was not the leader. */
const LEADER_PAUSE_MS = 100;
/** For how long; it takes one answer about the topic. A group waits for the look-ups of all partitions. */
const LEADER_PATIENCE_MS = 1_000;
/** Closing waits for the in-flight read and the group's answer; a client that takes longer is left behind. */
const CLOSE_TIMEOUT_MS = 10_000;

/**
 * A consumer: fetches the partitions that it is told to, and answers questions about them.
 *
 * With the member of a group, which is built on it, the only place that knows node-rdkafka's consumer.
 */
export class Fetcher {
  protected readonly consumer: KafkaConsumer;
  readonly reader: Reader;
  /** Whether it sees what transactions have committed, and no more. */
  readonly readsCommitted: boolean;
  protected readonly kafka: Kafka;
  readonly #options: FetcherOptions;
  /** The clients for questions that this one cannot answer, until each is gone. */
  readonly #others = new Set<Promise<void>>();
  #connecting: Promise<void> | undefined;
  #connected = false;
  #closing: Promise<void> | undefined;
  #giveThreadBack: () => void = () => undefined;
  #rdkafkaStats: unknown;

  /** `settings` are of those that fetch, and not to be changed by the user. */
  constructor(kafka: Kafka, options: FetcherOptions, settings: Readonly<Record<string, unknown>>) {
    this.kafka = kafka;
    this.#options = options;
    this.readsCommitted = isolationLevel(kafka, options) === 'read_committed';
    this.consumer = createConsumer(kafka, options, settings);
    forwardEvents(kafka, this.consumer, {
      name: `consumer of ${options.group}`,
      onStats: (stats) => {
        this.#rdkafkaStats = stats;
      },
    });
    this.reader = chooseReader(kafka, this.consumer.getClient() as ConsumerClient);
  }

  connect(): Promise<void> {
    this.#connecting ??= connect(this.kafka, this.consumer).then(() => {
      this.#connected = true;
      this.#giveThreadBack = holdThread(this.kafka);
    });
    return this.#connecting;
  }

  /** librdkafka's own statistics, as it reported them last; `undefined` if it is not to. */
  get rdkafkaStats(): unknown {
    return this.#rdkafkaStats;
  }

  protected get connected(): boolean {
    return this.#connected;
  }

  /** Whether a group has asked something that is still to be answered. */
  // eslint-disable-next-line @typescript-eslint/class-literal-property-style -- A member of a group finds out.
  get asked(): boolean {
    return false;
  }

  /** Whether single partitions can be assigned. */
  // eslint-disable-next-line @typescript-eslint/class-literal-property-style -- A member of a group finds out.
  get incremental(): boolean {
    return true;
  }

  /** Fetches these partitions too, from these offsets on. Only if `incremental`. */
  fetch(positions: readonly Position[]): void {
    this.consumer.incrementalAssign(positions as Position[]);
    this.wake(positions);
  }

  /** Fetches a partition that is assigned from another offset on, also where fetching it had stopped. Only if `incremental`. */
  refetch(position: Position): void {
    // A seek is refused where fetching has stopped.
    this.consumer.incrementalUnassign([bare(position)]);
    this.fetch([position]);
  }

  /** Fetches these partitions no more. Only if `incremental`. */
  unfetch(partitions: readonly TopicPartition[]): void {
    // A partition that was paused would still be paused when it comes back.
    this.consumer.resume(partitions.map(bare));
    this.consumer.incrementalUnassign(partitions.map(bare));
  }

  pause(partitions: readonly TopicPartition[]): void {
    this.consumer.pause(partitions.map(bare));
  }

  resume(partitions: readonly TopicPartition[]): void {
    this.consumer.resume(partitions.map(bare));
    this.wake(partitions);
  }

  /** As its readers see it; `uncommitted`: with the records of transactions that are still open. */
  watermarks(partition: TopicPartition, { uncommitted } = { uncommitted: false }): Promise<Watermarks> {
    if (!uncommitted || !this.readsCommitted) return this.#watermarks(this.consumer, partition);
    // Which end it sees is a client's setting; this is asked so seldom that a client of its own may do it.
    const other = createConsumer(this.kafka, { ...this.#options, properties: { ...this.#options.properties, ...UNCOMMITTED } }, {});
    const connected = connect(this.kafka, other);
    const asking = connected.then(() => this.#watermarks(other, partition));
    const left = connected
      // One that could not connect has let go of everything by itself.
      .then(() => asking.catch(() => undefined).then(() => disconnected(other)))
      .catch(() => undefined)
      .then(() => {
        this.#others.delete(left);
      });
    this.#others.add(left);
    return asking;
  }

  async #watermarks(consumer: KafkaConsumer, partition: TopicPartition): Promise<Watermarks> {
    const end = performance.now() + LEADER_PATIENCE_MS;
    for (;;) {
      try {
        return await watermarks(consumer, partition);
      } catch (error) {
        const moves = error instanceof BrokerError && LEADER_MOVES.includes(error.kafkaCode);
        if (!moves || performance.now() >= end) throw error;
        await delay(LEADER_PAUSE_MS);
        // A client that is gone is asked nothing more.
        if (this.#closing !== undefined) throw error;
      }
    }
  }

  /** The end of the log as the last fetch saw it, without asking; below 0 if none did. */
  lastKnownEnd({ topic, partition }: TopicPartition): number {
    try {
      return this.consumer.getWatermarkOffsets(topic, partition).highOffset;
    } catch {
      // Nothing has been fetched of it yet.
      return -1;
    }
  }

  /** The first offset at or after a time, or `OFFSET_END`. */
  offsetAt({ topic, partition }: TopicPartition, timestamp: number): Promise<number> {
    return new Promise((resolve, reject) => {
      this.consumer.offsetsForTimes([{ topic, partition, offset: timestamp }], QUERY_TIMEOUT_MS, (error, offsets) => {
        const [found] = (offsets as (TopicPartitionOffset | Error)[] | undefined) ?? [];
        if (error as unknown) reject(brokerError(`could not look up a time in ${topic}/${partition}`, error));
        // What failed for this partition alone stands in place of its answer.
        else if (found === undefined || !('offset' in found))
          reject(brokerError(`could not look up a time in ${topic}/${partition}`, noAnswer(found)));
        else resolve(found.offset >= 0 ? found.offset : OFFSET_END);
      });
    });
  }

  /** The numbers of a topic's partitions, ascending; none if it does not exist. */
  partitionsOf(topic: string): Promise<readonly number[]> {
    return new Promise((resolve, reject) => {
      this.consumer.getMetadata({ topic, timeout: this.kafka.connectTimeoutMs }, (error, metadata) => {
        const found = (): number[] => metadata.topics.find(({ name }) => name === topic)?.partitions.map(({ id }) => id) ?? [];
        if (!(error as unknown)) resolve(found().sort((a, b) => a - b));
        else if ((error as RdkafkaError).code === UNKNOWN_TOPIC_OR_PARTITION) resolve([]);
        else reject(unavailable(this.kafka, error));
      });
    });
  }

  /** Lets go of the client. Never rejects. */
  close(): Promise<void> {
    this.#closing ??= this.#close();
    return this.#closing;
  }

  /** The client asks nothing more. */
  protected disconnected(): void {
    // Of interest to a member of a group.
  }

  /** After a start or a resume the broker's thread may sleep for up to a second; a question to the partition's leader wakes it. */
  protected wake(partitions: readonly TopicPartition[]): void {
    for (const { topic, partition } of partitions.slice(0, MAX_WAKES))
      this.consumer.queryWatermarkOffsets(topic, partition, 1_000, () => undefined);
  }

  async #close(): Promise<void> {
    // A client that is still connecting cannot be let go before that ends.
    await this.#connecting?.catch(() => undefined);
    if (!this.#connected) return;
    this.#giveThreadBack();
    await new Promise<void>((resolve) => {
      const guard = setTimeout(() => {
        this.kafka.emit({
          type: 'notice',
          message: `the consumer of ${this.#options.group} did not close within ${CLOSE_TIMEOUT_MS} ms and was left behind.`,
        });
        resolve();
      }, CLOSE_TIMEOUT_MS);
      const own = disconnected(this.consumer).then(() => {
        this.disconnected();
      });
      void Promise.all([own, ...this.#others]).then(() => {
        clearTimeout(guard);
        resolve();
      });
    });
  }
}

function disconnected(consumer: KafkaConsumer): Promise<void> {
  return new Promise((resolve) => {
    consumer.disconnect(() => {
      resolve();
    });
  });
}

function createConsumer(kafka: Kafka, options: FetcherOptions, own: Readonly<Record<string, unknown>>): KafkaConsumer {
  const chosen = { ...kafka.properties, ...options.properties };
  const settings = {
    // The default of 1,000 ms stalls a fast consumer each time its buffer has been full; at a gigabyte per second 20 ms still do.
    'fetch.queue.backoff.ms': 5,
    'fetch.wait.max.ms': 100,
    'queued.min.messages': 100_000,
    'queued.max.messages.kbytes': Math.max(1, Math.ceil(options.fetchBufferBytes / 1_000)),
    // One response must not be larger than the buffer; the client insists on room for a message.
    'fetch.max.bytes': Math.max(options.fetchBufferBytes, Number(chosen['message.max.bytes'] ?? 1_000_000)),
    ...(options.partitionFetchBytes === undefined ? {} : { 'fetch.message.max.bytes': options.partitionFetchBytes }),
    ...chosen,
    'isolation.level': isolationLevel(kafka, options),
    'group.id': options.group,
    'enable.auto.commit': false,
    'enable.auto.offset.store': false,
    ...own,
  };
  // Out of range is decided here, by `onOutOfRange`, and never silently by the client.
  const topicSettings = { ...kafka.topicProperties, ...options.topicProperties, 'auto.offset.reset': 'error' };
  const { KafkaConsumer: Consumer } = rdkafka();
  try {
    return new Consumer(settings as never, topicSettings as never);
  } catch (cause) {
    throw refused(cause as Error);
  }
}

/** What the settings say goes before the option. */
function isolationLevel(kafka: Kafka, { properties, readCommitted }: FetcherOptions): string {
  return String({ ...kafka.properties, ...properties }['isolation.level'] ?? (readCommitted ? 'read_committed' : 'read_uncommitted'));
}

function watermarks(consumer: KafkaConsumer, { topic, partition }: TopicPartition): Promise<Watermarks> {
  return new Promise((resolve, reject) => {
    consumer.queryWatermarkOffsets(topic, partition, QUERY_TIMEOUT_MS, (error, offsets) => {
      if (error as unknown) reject(brokerError(`could not look up the offsets of ${topic}/${partition}`, error));
      else resolve({ low: offsets.lowOffset, high: offsets.highOffset });
    });
  });
}

function noAnswer(found: Error | undefined): RdkafkaError {
  return { code: -1, message: found?.message ?? 'there was no answer' };
}
