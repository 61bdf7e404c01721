import type { Position, TopicPartition } from '../position.js';

/** A broker as it is known to the cluster. */
export interface BrokerDescription {
  readonly id: number;
  readonly host: string;
  readonly port: number;
}

/** A partition, and the ids of the brokers that have it. */
export interface PartitionDescription extends TopicPartition {
  /** `undefined` while none leads it: nothing can be written to it or read. */
  readonly leader: number | undefined;
  readonly replicas: readonly number[];
  readonly inSync: readonly number[];
}

export interface TopicDescription {
  readonly topic: string;
  readonly partitions: readonly PartitionDescription[];
}

/** How far a group is in one partition. All are offsets, of which compaction and transactions leave some without a record. */
export interface GroupLag extends TopicPartition {
  /** The next offset that the group reads, or `undefined` if it has committed none. */
  readonly committed: number | undefined;
  /** The first offset that the log holds. */
  readonly start: number;
  /** The offset that the next record will get. */
  readonly end: number;
  /** How many offsets are left to read: from `committed` on, or from `start` where that is gone or was never committed. */
  readonly lag: number;
}

/** A place in each log: its two ends, or the first record that is as old as `timestamp` (in milliseconds since the epoch) or younger. */
export type LogPlace = 'earliest' | 'latest' | { readonly timestamp: number };

export interface AdminCallOptions {
  /** How long the call may take, connecting included. Default 30,000 ms. After a `TimedOutError` what was ordered may still happen. */
  readonly timeoutMs?: number;
}

export interface CreateTopicOptions extends AdminCallOptions {
  /** Default: what the broker has by default. */
  readonly partitions?: number;
  /** On how many brokers each partition is kept. Default: what the broker has by default. */
  readonly replicas?: number;
  /** Settings of the topic, as `{ 'cleanup.policy': 'compact' }`. Default: the broker's. */
  readonly config?: Readonly<Record<string, string>>;
}

export interface GroupOptions extends AdminCallOptions {
  /** Default: every topic of the cluster of which the group has committed something. */
  readonly topics?: readonly string[];
}

export interface ResetOptions extends AdminCallOptions {
  /** Those that the group is to go on in at another place. */
  readonly topics: readonly string[];
}

/**
 * Looks at a cluster, and changes its topics and the offsets of its groups.
 *
 * It connects at the first call, and `Kafka.close()` lets go of it when the calls that are under way have ended. Every call has a time limit,
 * and rejects with `TimedOutError`, `UnknownTopicError`, `AuthorizationError`, `BrokerUnavailableError`, `ClosedError`, or `BrokerError` for
 * what else a broker says; with an `OptionError` for what cannot be asked.
 *
 * @example
 * ```ts
 * const { partitions } = await kafka.admin.topic('orders');
 * for (const { partition, lag } of await kafka.admin.groupLag('billing', { topics: ['orders'] })) console.log(`${partition} of ${partitions.length}: ${lag}`);
 * ```
 */
export interface Admin {
  /** The brokers that are up. */
  brokers(options?: AdminCallOptions): Promise<readonly BrokerDescription[]>;

  /** Every topic that this user may see, Kafka's own included, by name. */
  topics(options?: AdminCallOptions): Promise<readonly TopicDescription[]>;

  /** One topic. Rejects with `UnknownTopicError` if there is none; asking creates none. */
  topic(topic: string, options?: AdminCallOptions): Promise<TopicDescription>;

  /** Creates a topic, and resolves when it can be written to and read. Rejects with `TopicExistsError` if there is one. */
  createTopic(topic: string, options?: CreateTopicOptions): Promise<void>;

  /** Deletes a topic with all its records, and resolves when the cluster does not know it any more. */
  deleteTopic(topic: string, options?: AdminCallOptions): Promise<void>;

  /**
   * Makes it this many partitions, and resolves when the new ones can be written to and read. There must be fewer now. Keys move: records of a
   * key that come later may go to another partition than those before.
   */
  createPartitions(topic: string, partitions: number, options?: AdminCallOptions): Promise<void>;

  /**
   * The offsets of a place in each partition. `'latest'` is the end of the log, with what transactions that are still open have written; it is
   * also the answer where no record is as young as `timestamp`.
   */
  offsets(topic: string, place: LogPlace, options?: AdminCallOptions): Promise<readonly Position[]>;

  /** What a group has committed: the next offset of each partition. Those of which it has committed nothing are left out. */
  groupOffsets(group: string, options?: GroupOptions): Promise<readonly Position[]>;

  /**
   * Commits offsets for a group that has no members. Rejects with `GroupActiveError` if it has.
   *
   * A source with a store of its own goes on at its store, unless these are further.
   */
  commitGroupOffsets(group: string, positions: readonly Position[], options?: AdminCallOptions): Promise<void>;

  /** Does the same with a place in each partition of the topics, and resolves to what was committed. */
  resetGroupOffsets(group: string, place: LogPlace, options: ResetOptions): Promise<readonly Position[]>;

  /** How far a group is in each partition of its topics. */
  groupLag(group: string, options?: GroupOptions): Promise<readonly GroupLag[]>;
}
