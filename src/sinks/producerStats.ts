import type { Latency } from '../latency.js';

/**
 * What a client that writes has done and holds, at one moment.
 *
 * Sampled every `statsEveryMs` while somebody listens, and once more when it ends. What counts up does so from the subscription on (of a
 * `publisher`: from when it was made).
 */
export interface ProducerStats {
  /** A number of its own for each subscription of the process: those of `toTopic` have one name. */
  readonly id: number;
  /** `'producer'` of a `toTopic`, `'producer <transactionalId>'` of a `toTransaction`, or `'publisher'`. As in the events of the client. */
  readonly name: string;
  /** Milliseconds since the epoch. */
  readonly at: number;
  /**
   * Records that it was given and whose fate is not known: they wait for the connection or for room, or are in flight. Of a `toTransaction`, those
   * of the transaction that is under way.
   */
  readonly sendQueueLength: number;
  /** Keys, values and headers of these, in bytes. */
  readonly sendQueueBytes: number;
  /** How many of these librdkafka has taken. */
  readonly inFlight: number;
  /** Records that are acknowledged; of a `toTransaction`, that are committed. Counts up. */
  readonly delivered: number;
  /** Records that are not, and will not be by this attempt: refused, given up, or aborted with their transaction. Counts up. */
  readonly failed: number;
  /**
   * From the moment a record is given to the client until it is acknowledged, or its transaction committed: of one record at a time, so of a few
   * out of many.
   */
  readonly deliveryLatencyMs: Latency;
  /** librdkafka's own statistics of the client, as it reported them last, if `properties` set `statistics.interval.ms`. */
  readonly rdkafkaStats: unknown;
}
