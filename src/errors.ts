/** One class per cause. Every message says what happened, where, and what to do next; none contains a payload or a secret. */

import type { Position, TopicPartition } from './position.js';

/** What each error adds to its message. */
export interface KafkaRxErrorOptions {
  /** A stable word for the class of the error, for `switch` and for logs. */
  readonly code: string;
  /** Whether doing the same again later can succeed without anybody changing anything. */
  readonly retriable?: boolean;
  readonly cause?: unknown;
}

/** The class that every error of this library extends. */
export class KafkaRxError extends Error {
  readonly code: string;
  readonly retriable: boolean;

  constructor(message: string, { code, retriable = false, cause }: KafkaRxErrorOptions) {
    super(message, cause === undefined ? undefined : { cause });
    this.name = new.target.name;
    this.code = code;
    this.retriable = retriable;
  }
}

/** An option or argument is wrong. Thrown at once by the call that received it; nothing was opened. */
export class OptionError extends KafkaRxError {
  constructor(message: string, options: { cause?: unknown } = {}) {
    super(message, { code: 'OPTION', ...options });
  }
}

/** The native Kafka client could not be loaded or created. */
export class ClientUnavailableError extends KafkaRxError {
  constructor(message: string, options: { cause?: unknown } = {}) {
    super(message, { code: 'CLIENT_UNAVAILABLE', ...options });
  }
}

/** The `Kafka` was closed, so it opens no more clients. */
export class ClosedError extends KafkaRxError {
  constructor(message: string) {
    super(message, { code: 'CLOSED' });
  }
}

/** The Observable of a partition was subscribed to again during the same assignment. */
export class AlreadySubscribedError extends KafkaRxError {
  readonly partition: TopicPartition;

  constructor(message: string, partition: TopicPartition) {
    super(message, { code: 'ALREADY_SUBSCRIBED' });
    this.partition = partition;
  }
}

/** No broker answered within `connectTimeoutMs`. */
export class BrokerUnavailableError extends KafkaRxError {
  readonly brokers: readonly string[];

  constructor(message: string, options: { brokers: readonly string[]; cause?: unknown }) {
    super(message, { code: 'BROKER_UNAVAILABLE', retriable: true, cause: options.cause });
    this.brokers = options.brokers;
  }
}

/** A broker, or the client on its behalf, reported an error that the client does not mend by itself. */
export class BrokerError extends KafkaRxError {
  /** librdkafka's error code: positive from the broker, negative from the client. */
  readonly kafkaCode: number;

  constructor(message: string, options: { kafkaCode: number; retriable?: boolean; cause?: unknown }) {
    super(message, { code: 'BROKER', retriable: options.retriable ?? false, cause: options.cause });
    this.kafkaCode = options.kafkaCode;
  }
}

/** A topic that was named does not exist, or was deleted. */
export class UnknownTopicError extends KafkaRxError {
  readonly topics: readonly string[];

  constructor(message: string, options: { topics: readonly string[]; cause?: unknown }) {
    super(message, { code: 'UNKNOWN_TOPIC', cause: options.cause });
    this.topics = options.topics;
  }
}

/** A topic that was to be created is there already. */
export class TopicExistsError extends KafkaRxError {
  readonly topics: readonly string[];

  constructor(message: string, options: { topics: readonly string[] }) {
    super(message, { code: 'TOPIC_EXISTS' });
    this.topics = options.topics;
  }
}

/** The user that this client logs in as may not do this. */
export class AuthorizationError extends KafkaRxError {
  /** librdkafka's code: what the right would be for (29 a topic, 30 a group, 31 the cluster). */
  readonly kafkaCode: number;

  constructor(message: string, options: { kafkaCode: number }) {
    super(message, { code: 'AUTHORIZATION' });
    this.kafkaCode = options.kafkaCode;
  }
}

/** The offsets of a group were to be set from outside while it has members. */
export class GroupActiveError extends KafkaRxError {
  readonly group: string;

  constructor(message: string, options: { group: string }) {
    super(message, { code: 'GROUP_ACTIVE', retriable: true });
    this.group = options.group;
  }
}

/** There was no answer in time. What was ordered may still happen. */
export class TimedOutError extends KafkaRxError {
  constructor(message: string) {
    super(message, { code: 'TIMED_OUT', retriable: true });
  }
}

/** A source was to go on elsewhere in partitions that it does not have now: the group has not given them to it, or has taken them away. */
export class NotAssignedError extends KafkaRxError {
  /** Those that were named. */
  readonly partitions: readonly TopicPartition[];

  constructor(message: string, options: { partitions: readonly TopicPartition[] }) {
    super(message, { code: 'NOT_ASSIGNED', retriable: true });
    this.partitions = options.partitions;
  }
}

/** The remembered offset lies outside what the log still (or already) holds. */
export class OffsetOutOfRangeError extends KafkaRxError {
  readonly position: Position;
  /** The first offset that the log holds. */
  readonly low: number;
  /** The offset that the next written record will get. */
  readonly high: number;

  constructor(message: string, options: { position: Position; low: number; high: number }) {
    super(message, { code: 'OFFSET_OUT_OF_RANGE' });
    this.position = options.position;
    this.low = options.low;
    this.high = options.high;
  }
}

/** A partition has no remembered offset, and `from: 'fail'` forbids to choose one. */
export class NoStoredOffsetError extends KafkaRxError {
  readonly partition: TopicPartition;

  constructor(message: string, partition: TopicPartition) {
    super(message, { code: 'NO_STORED_OFFSET' });
    this.partition = partition;
  }
}

/** The store's directory cannot be used: missing, not writable, not a directory. Retriable if its disk is full. */
export class StoreUnavailableError extends KafkaRxError {
  readonly path: string;

  constructor(message: string, options: { path: string; retriable?: boolean; cause?: unknown }) {
    super(message, { code: 'STORE_UNAVAILABLE', retriable: options.retriable ?? false, cause: options.cause });
    this.path = options.path;
  }
}

/** Statistics cannot be served at this path, or nobody serves them there. */
export class StatsUnavailableError extends KafkaRxError {
  readonly path: string;

  constructor(message: string, options: { path: string; cause?: unknown }) {
    super(message, { code: 'STATS_UNAVAILABLE', cause: options.cause });
    this.path = options.path;
  }
}

/** Another live process, or another `openOffsets` in this one, owns the store. */
export class StoreLockedError extends KafkaRxError {
  readonly path: string;

  constructor(message: string, options: { path: string; cause?: unknown }) {
    super(message, { code: 'STORE_LOCKED', retriable: true, cause: options.cause });
    this.path = options.path;
  }
}

/** The directory says that it held offsets, but they are gone. */
export class StoreLostError extends KafkaRxError {
  readonly path: string;

  constructor(message: string, options: { path: string; cause?: unknown }) {
    super(message, { code: 'STORE_LOST', cause: options.cause });
    this.path = options.path;
  }
}

/** What the store holds is not what was written. */
export class StoreCorruptError extends KafkaRxError {
  readonly path: string;

  constructor(message: string, options: { path: string; cause?: unknown }) {
    super(message, { code: 'STORE_CORRUPT', cause: options.cause });
    this.path = options.path;
  }
}

/** The store was written by a newer version of this library, or is none of ours. */
export class StoreFormatError extends KafkaRxError {
  readonly path: string;

  constructor(message: string, options: { path: string }) {
    super(message, { code: 'STORE_FORMAT' });
    this.path = options.path;
  }
}

/**
 * A write to the store failed or never ended; whether it is on disk is unknown until the store is opened again. Retriable if the disk was full:
 * then nothing was written, and the same store takes the next write.
 */
export class StoreFailedError extends KafkaRxError {
  constructor(message: string, options: { retriable?: boolean; cause?: unknown } = {}) {
    super(message, { code: 'STORE_FAILED', ...options });
  }
}

/** Another subscription, here or in another process, took over a partition while this one still worked on it. */
export class FencedError extends KafkaRxError {
  readonly partitions: readonly TopicPartition[];

  constructor(message: string, partitions: readonly TopicPartition[]) {
    super(message, { code: 'FENCED' });
    this.partitions = partitions;
  }
}

/** The source may emit nothing more before something is finished, and nothing was for `stallAfterMs`. */
export class StalledError extends KafkaRxError {
  /** The oldest open record of each partition, the partition with the most open records first. */
  readonly positions: readonly Position[];
  /** How many records are open. */
  readonly open: number;
  /** For how long nothing was finished. The oldest record is at least as old. */
  readonly stalledMs: number;

  constructor(message: string, options: { positions: readonly Position[]; open: number; stalledMs: number }) {
    super(message, { code: 'STALLED' });
    this.positions = options.positions;
    this.open = options.open;
    this.stalledMs = options.stalledMs;
  }
}

/** An outgoing record cannot be sent as it is: nothing of its input was sent. */
export class InvalidRecordError extends KafkaRxError {
  constructor(message: string, options: { cause?: unknown } = {}) {
    super(message, { code: 'INVALID_RECORD', ...options });
  }
}

/** A value could not be decoded. `cause` is what the codec threw. */
export class DecodeError extends KafkaRxError {
  readonly position: Position;

  constructor(message: string, options: { position: Position; cause: unknown }) {
    super(message, { code: 'DECODE', cause: options.cause });
    this.position = options.position;
  }
}

/** What is known of a record that was not acknowledged. */
export interface DeliveryErrorOptions {
  readonly topic: string;
  readonly partition: number | undefined;
  readonly kafkaCode: number;
  readonly outcome: 'failed' | 'unknown';
  readonly retriable: boolean;
  readonly cause?: unknown;
}

/** A record was not acknowledged. `outcome: 'unknown'` means that it may be in the log all the same; `'failed'`, that it is not. */
export class DeliveryError extends KafkaRxError {
  readonly topic: string;
  /** Unless it was still to be chosen. */
  readonly partition: number | undefined;
  /** librdkafka's error code: positive from the broker, negative from the client. */
  readonly kafkaCode: number;
  readonly outcome: 'failed' | 'unknown';

  constructor(message: string, options: DeliveryErrorOptions & { code?: string }) {
    super(message, { code: options.code ?? 'DELIVERY', retriable: options.retriable, cause: options.cause });
    this.topic = options.topic;
    this.partition = options.partition;
    this.kafkaCode = options.kafkaCode;
    this.outcome = options.outcome;
  }
}

/** A record, or the batch that it was in, is larger than the client or the topic takes. It is not in the log. */
export class RecordTooLargeError extends DeliveryError {
  /** Of key, value and headers. */
  readonly sizeBytes: number;
  /** What the client takes at most; undefined where it was the broker that refused, by the topic's `max.message.bytes`. */
  readonly limitBytes: number | undefined;

  constructor(message: string, options: DeliveryErrorOptions & { sizeBytes: number; limitBytes: number | undefined }) {
    super(message, { ...options, code: 'RECORD_TOO_LARGE' });
    this.sizeBytes = options.sizeBytes;
    this.limitBytes = options.limitBytes;
  }
}

/** The topic or the partition of an outgoing record does not exist, or was deleted meanwhile. */
export class UnknownDestinationError extends DeliveryError {
  constructor(message: string, options: DeliveryErrorOptions) {
    super(message, { ...options, code: 'UNKNOWN_DESTINATION' });
  }
}

/** The client may not write to the topic, or not as it wants to. The record is not in the log. */
export class NotAuthorizedError extends DeliveryError {
  constructor(message: string, options: DeliveryErrorOptions) {
    super(message, { ...options, code: 'NOT_AUTHORIZED' });
  }
}

/** A record was not acknowledged within `messageTimeoutMs`: where it may have reached the broker, `outcome` is `'unknown'`. */
export class DeliveryTimeoutError extends DeliveryError {
  constructor(message: string, options: DeliveryErrorOptions) {
    super(message, { ...options, code: 'DELIVERY_TIMEOUT' });
  }
}

/** The broker takes nothing more of this producer: it has forgotten its state, or another one has taken its place. */
export class ProducerFencedError extends DeliveryError {
  constructor(message: string, options: DeliveryErrorOptions) {
    super(message, { ...options, code: 'PRODUCER_FENCED' });
  }
}

/** Records that were to be kept on disk until Kafka takes them are lost to it. */
export class SpillError extends KafkaRxError {
  readonly path: string;
  /** How many; of `damaged`, how many at least. */
  readonly records: number;
  /** There was no room within the quota, the disk did not take them, they got too old, or what is on disk is not what was written. */
  readonly reason: 'quota' | 'disk' | 'age' | 'damaged';

  constructor(message: string, options: { path: string; records: number; reason: SpillError['reason']; cause?: unknown }) {
    super(message, { code: 'SPILL', cause: options.cause });
    this.path = options.path;
    this.records = options.records;
    this.reason = options.reason;
  }
}

/** `drain` waited `timeoutMs` after its signal and the work was still not finished. */
export class DrainTimeoutError extends KafkaRxError {
  constructor(message: string) {
    super(message, { code: 'DRAIN_TIMEOUT' });
  }
}
