import { OptionError } from '../errors.js';
import type { Kafka } from '../kafka.js';
import type { OffsetStore } from '../offsets/store.js';
import type { StaleState } from '../position.js';
import { checkOptions } from '../options.js';
import { checkTopicName } from '../topicName.js';
import { groupMember } from './consumer.js';
import type { FetcherOptions } from './fetcher.js';
import type { GroupSourceOptions } from './groupSource.js';
import { groupSource } from './groupSource.js';
import type { KafkaSource } from './kafkaSource.js';
import { toPosix } from './pattern.js';
import type { SourceOptions } from './sourceOptions.js';
import { SOURCE_OPTIONS, resolveSourceOptions } from './sourceOptions.js';

export interface FromTopicOptions extends SourceOptions {
  /** The consumer group: its members share the partitions. */
  readonly group: string;
  /** Where finished records are remembered. */
  readonly offsets: OffsetStore;
  /**
   * Whether the group's committed offsets follow the frontiers on disk, a moment later. Default `true`: a member on another machine, with a
   * store of its own, goes on where this one was, and tools that show a group's lag show the truth. `false`: only the store knows, and a
   * partition that moves to another store starts over.
   */
  readonly mirror?: boolean;
  /**
   * Called before the first record of partitions that others worked on since this store had them: whatever state was made of their records
   * here is out of date. The source waits for what it returns; if that fails, so does the stream. Default: none, there is a `stale` event.
   */
  readonly onStateStale?: (partitions: readonly StaleState[]) => void | PromiseLike<void>;
}

const OPTIONS = { ...SOURCE_OPTIONS, group: 'text', offsets: 'object', mirror: 'boolean', onStateStale: 'function' } as const;

/**
 * The records of one or more topics, as a member of a consumer group.
 *
 * Cold: nothing connects before `subscribe`, and each subscription is a member of its own. At least once: a record comes again until it was
 * finished (see `commit`). Bounded: no more than `maxInFlight` records are out at a time, whatever stands downstream; a slow subscriber slows
 * the fetch down and never loses its place in the group. Each partition is in order.
 *
 * ```text
 * topic      a b c d e f …
 *            fromTopic(…, { maxInFlight: 2 })
 * records    --a-b---c-----d--     the third waits until the first is finished
 * finished   ------a-----b----
 * ```
 *
 * Unsubscribing stops emission at once. `takeUntil` directly after the source, or its `signal`, ends it gracefully: what is in flight flows
 * out and is committed, then the stream completes.
 *
 * @param topic A name, several, or a pattern; topics that come to match it later join in.
 * @returns Records whose `key` and `value` are as they were written, and a handle for `seek()`. Errors with `UnknownTopicError`, `BrokerUnavailableError` (no broker
 * within the `Kafka`'s `connectTimeoutMs`), `OffsetOutOfRangeError`, `NoStoredOffsetError`, `BrokerError`, `FencedError` or an error of the store.
 * @throws {OptionError} at once, for a wrong, missing or unknown option.
 *
 * @example
 * ```ts
 * fromTopic(kafka, 'orders', { group: 'billing', offsets }).pipe(
 *   map((order) => ({ ...order, value: String(order.value) })),
 *   tap((order) => console.log(order.key, order.value)),
 *   commit(),
 * );
 * ```
 */
export function fromTopic(kafka: Kafka, topic: string | readonly string[] | RegExp, options: FromTopicOptions): KafkaSource {
  return groupSource(membership('fromTopic', kafka, topic, options));
}

/** What the member of a consumer group is made of. */
export function membership(
  where: string,
  kafka: Kafka,
  topic: string | readonly string[] | RegExp,
  options: FromTopicOptions,
  fetching: (fetchBufferBytes: number) => Partial<FetcherOptions> = (fetchBufferBytes) => ({ fetchBufferBytes }),
): GroupSourceOptions {
  checkOptions(where, options, OPTIONS, ['group', 'offsets']);
  const source = resolveSourceOptions(where, options);
  const topics = checkTopics(where, topic);
  const { group, offsets, mirror = true, onStateStale = () => undefined } = options;
  return {
    group,
    offsets: (member) => member.storeOf(offsets),
    mirror: mirror && offsets.forMember === undefined,
    onStateStale,
    source,
    member: (listener) => groupMember(kafka, { group, topics, ...source, ...fetching(source.fetchBufferBytes) }, listener),
    emit: (event) => {
      kafka.emit(event);
    },
    register: (session) => kafka.register(session),
  };
}

function checkTopics(where: string, topic: string | readonly string[] | RegExp): readonly (string | RegExp)[] {
  const topics = typeof topic === 'string' || topic instanceof RegExp ? [topic] : topic;
  if (!Array.isArray(topics) || topics.length === 0)
    throw new OptionError(`${where}: the second argument is a topic, an array of topics, or a RegExp.`);
  for (const name of topics as readonly unknown[]) {
    if (name instanceof RegExp && name.flags === '') {
      toPosix(name);
      continue;
    }
    if (name instanceof RegExp) throw new OptionError(`${where}: a pattern of topics can have no flags, and ${name} has.`);
    checkTopicName(where, name);
  }
  return topics;
}
