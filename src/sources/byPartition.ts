import type { GroupedObservable } from 'rxjs';
import type { Kafka } from '../kafka.js';
import type { TopicPartition } from '../position.js';
import type { KafkaRecord } from '../record.js';
import { groupSourceOf } from './groupSource.js';
import type { KafkaSource } from './kafkaSource.js';
import { PartitionDelivery, fetchingByPartition } from './partitionDelivery.js';
import type { FromTopicOptions } from './topic.js';
import { membership } from './topic.js';

/**
 * The records of one or more topics, as a member of a consumer group, in an Observable of its own for each partition that is assigned.
 *
 * Cold, at least once, bounded and in order as `fromTopic` is; but each partition that is assigned has an equal share of `maxInFlight` and
 * `maxInFlightBytes` (one record at least, as far as there are enough), so a slow one holds up no other. `fetchBufferBytes` bounds what is fetched
 * and waits, in the client and here. With a single budget, whichever partition needs it, `fromTopic` makes more of few credits.
 *
 * ```text
 * orders/0    ab-c---d--
 * orders/1    x--y------
 * assigned 0  ^---!  ^--    taken away, and given again
 *             fromTopicByPartition(…)
 * partitions  01-----0--
 *   0         ab-c|
 *   1         x--y------
 *   0, again         d--
 * ```
 *
 * A partition's Observable is emitted when the partition is assigned. It completes when the partition is taken away, or lost, and when the source ends: what
 * is in flight flows out and is committed before the partition is given up, for at most `drainTimeoutMs`. A partition that comes back is a new one. It
 * errors when the stream does.
 *
 * It has one subscriber. Before it is subscribed to nothing of the partition is fetched, so it may be late. When it is unsubscribed from the partition is
 * read no more; what is in flight may still be finished, and the rest comes again when the partition is assigned anew, to this member or another.
 * Leaving the outer Observable leaves the group, and completes all of them.
 *
 * @param topic A name, several, or a pattern; topics that come to match it later join in.
 * @returns An Observable of Observables, each with its partition as `key`. Errors as `fromTopic` does; a partition's Observable with
 * `AlreadySubscribedError` if it is subscribed to again. A `StalledError` may be about a single partition that is out of credit for `stallAfterMs`.
 * @throws {OptionError} at once, for a wrong, missing or unknown option.
 *
 * @example
 * ```ts
 * fromTopicByPartition(kafka, 'orders', { group: 'billing', offsets }).pipe(
 *   mergeMap((partition$) => partition$.pipe(concatMap(async (order) => ({ ...order, value: await charge(order) })))),
 *   commit(),
 * );
 * ```
 */
export function fromTopicByPartition(
  kafka: Kafka,
  topic: string | readonly string[] | RegExp,
  options: FromTopicOptions,
): KafkaSource<GroupedObservable<TopicPartition, KafkaRecord>> {
  const member = membership('fromTopicByPartition', kafka, topic, options, fetchingByPartition);
  return groupSourceOf((subscriber, session) => new PartitionDelivery(subscriber, session), member);
}
