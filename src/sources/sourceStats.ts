import type { Latency } from '../latency.js';
import type { TopicPartition } from '../position.js';

/**
 * How a source stands: before it has a share of the partitions (which may be none), at work, with fetching paused because nothing was finished
 * for long, while partitions are given or taken away, or while it ends.
 */
export type SourceState = 'starting' | 'running' | 'paused' | 'rebalancing' | 'stopping';

/** One partition of a source, at one moment. Figures are numbers of records unless they say otherwise; where the log has gaps they count offsets. */
export interface PartitionStats extends TopicPartition {
  /** Rises with every assignment of the partition. */
  readonly epoch: number;
  /** The next offset to emit. */
  readonly position: number;
  /** The first offset that is not known to be finished in the store; of a source that remembers nothing, the first that is not finished. */
  readonly frontier: number;
  /** The end of the log as it was last seen: the offset that the next record gets. -1 if it is not known yet; what is counted up to it is 0 then. */
  readonly end: number;
  /** In the log and not emitted yet: `end - position`. A marker of a transaction at the end of the log stays in this count. */
  readonly waitingKafka: number;
  /** Emitted and not finished. */
  readonly waitingLocal: number;
  /** What the log holds: `end` minus the first offset that is still there, as of half a minute ago at most. */
  readonly kafkaLogSize: number;
  /** `end - frontier`: what a restart would have before it, apart from `runs`. As the group's lag is told by other tools, if it is mirrored. */
  readonly committedLag: number;
  /** `end - position`: as `waitingKafka`. */
  readonly deliveredLag: number;
  /** The lowest offset that is emitted and not finished. */
  readonly oldestOpen: number | undefined;
  /** For how long, in milliseconds, as far as the statistics were listened to: at least so long, and at most `statsEveryMs` longer. 0 if there is none. */
  readonly oldestOpenAgeMs: number;
  /** Stretches below `position` that are not known to be finished in the store. */
  readonly holes: number;
  /** Finished stretches beyond `frontier` in the store. */
  readonly runs: number;
  /**
   * Records that were emitted again: below what this subscription has emitted before, or below what the store knows to be finished. After a crash,
   * what was emitted above the last finished record is not known, and not counted.
   */
  readonly repeats: number;
  /**
   * Offsets that were passed over because there was no record any more: deleted, compacted away, or never to be seen (aborted, a transaction's
   * marker): the client does not tell these apart. What was gone before a first start at `'earliest'` does not count.
   */
  readonly misses: number;
}

/** A source as a whole, at one moment. What counts up does so from the subscription on, over all partitions that it has had. */
export interface SourceTotals {
  /** Sums over its partitions. */
  readonly waitingKafka: number;
  readonly waitingLocal: number;
  readonly kafkaLogSize: number;
  readonly committedLag: number;
  readonly deliveredLag: number;
  readonly holes: number;
  readonly runs: number;
  /** Counts up. */
  readonly repeats: number;
  /** Counts up. */
  readonly misses: number;
  /** Records that were finished after their partition was given up. Counts up. */
  readonly lateCompletions: number;
  /** The highest of its partitions, in milliseconds. */
  readonly oldestOpenAgeMs: number;
  /**
   * Keys, values and headers of what is emitted and not finished, and of what was read and waits for credit. What the client fetches ahead, up to
   * `fetchBufferBytes`, is not in it.
   */
  readonly bufferedBytes: number;
  /** Records that were emitted. Counts up. */
  readonly emitted: number;
  /** Records that were finished or released. Counts up. */
  readonly finished: number;
  /** How many records may be emitted now; out of `creditsMax`, which is `maxInFlight`. */
  readonly creditsFree: number;
  readonly creditsMax: number;
  /** Writes to the store. Counts up. */
  readonly commits: number;
  /** How long they took: from the first word to the store until it is durable there. */
  readonly commitLatencyMs: Latency;
}

/**
 * What a source has done and holds, at one moment.
 *
 * Sampled every `statsEveryMs` while somebody listens, and once more when the source ends; a record costs nothing for it.
 */
export interface SourceStats {
  /** A number of its own for each subscription of the process: those of one group have one name. */
  readonly id: number;
  /** The group, or the `name` of a source without one; of a `readTopic`, its topic. */
  readonly name: string;
  /** Milliseconds since the epoch. */
  readonly at: number;
  readonly state: SourceState;
  readonly partitions: readonly PartitionStats[];
  readonly totals: SourceTotals;
  /** librdkafka's own statistics of the source's client, as it reported them last, if `properties` set `statistics.interval.ms`. */
  readonly rdkafkaStats: unknown;
}
