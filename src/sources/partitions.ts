import { OptionError } from '../errors.js';
import type { Kafka } from '../kafka.js';
import type { OffsetStore } from '../offsets/store.js';
import { checkOptions, timerMs } from '../options.js';
import { Fetcher } from './fetcher.js';
import { groupSource } from './groupSource.js';
import type { KafkaSource } from './kafkaSource.js';
import type { WorkerSlot } from './share.js';
import { shareOf } from './share.js';
import type { SourceOptions } from './sourceOptions.js';
import { SOURCE_OPTIONS, resolveSourceOptions } from './sourceOptions.js';
import { Standalone } from './standalone.js';

export interface FromPartitionsOptions extends SourceOptions {
  /**
   * Under which name the store remembers what is finished, and by which events call this source. A group of the same name in the same store
   * has left its offsets there: the source goes on with them.
   */
  readonly name: string;
  /**
   * Where finished records are remembered. A directory of `openOffsets` belongs to one process, so each worker process has one of its own;
   * workers in one process may share a store.
   */
  readonly offsets: OffsetStore;
  /** The share of one of several workers: the partitions with `partition % of === slot`. Default: all partitions that were not chosen by number. */
  readonly worker?: WorkerSlot;
  /**
   * How often to look for new partitions. Default 60,000 ms. Each look is one request per topic. A partition that is new starts where `from` says:
   * with `'earliest'` at its beginning, while `'latest'` skips what was written to it before it was noticed.
   */
  readonly discoverEveryMs?: number;
}

const OPTIONS = { ...SOURCE_OPTIONS, name: 'text', offsets: 'object', worker: 'object', discoverEveryMs: 'positive' } as const;

/**
 * The records of chosen partitions, or of a fixed share of a topic, without a consumer group.
 *
 * Nobody gives or takes partitions, so nothing moves when a worker stops, starts, or hangs; the price is that nobody else works on its share
 * meanwhile. All else is as with `fromTopic`: cold, at least once and exact with `commit()`, bounded by `maxInFlight`, each partition in order.
 *
 * ```text
 * topic      a b c d e f …          written to partitions 0 1 2 0 1 2 …
 *            fromPartitions(…, { worker: { slot: 1, of: 3 } })
 * records    --b-----e-----
 * ```
 *
 * Only `offsets` know what is finished: nothing is committed to Kafka, and no group appears there. A worker that starts on another machine
 * needs its store, and two that have the same slot read the same records. With another `of` partitions belong to other workers: take their
 * offsets along with `kafka-rx offsets export` and `import`.
 *
 * @param topic A name, for all partitions or the share of a `worker`; or the numbers of the partitions, for each topic.
 * @returns Records whose `key` and `value` are as they were written. Errors with `UnknownTopicError`, `BrokerUnavailableError` (no broker
 * within the `Kafka`'s `connectTimeoutMs`), `OffsetOutOfRangeError`, `NoStoredOffsetError`, `BrokerError`, `FencedError`, an error of the store, or
 * an `OptionError` for a partition that there is not.
 * @throws {OptionError} at once, for a wrong, missing or unknown option, and for `groupOffsets`: without a group there is nowhere to keep them.
 *
 * @example
 * ```ts
 * fromPartitions(kafka, 'orders', { name: 'billing', offsets, worker: { slot: 0, of: 4 } }).pipe(
 *   tap((order) => console.log(order.partition, order.offset)),
 *   commit(),
 * );
 * ```
 */
export function fromPartitions(
  kafka: Kafka,
  topic: string | Readonly<Record<string, readonly number[]>>,
  options: FromPartitionsOptions,
): KafkaSource {
  checkOptions('fromPartitions', options, OPTIONS, ['name', 'offsets']);
  const { name, offsets, worker, discoverEveryMs = 60_000 } = options;
  const share = shareOf(topic, worker);
  if (offsets.forMember !== undefined) {
    throw new OptionError(
      'fromPartitions: groupOffsets(kafka) keeps offsets in a consumer group, and here is none: use openOffsets(directory), or fromTopic.',
    );
  }
  const source = resolveSourceOptions('fromPartitions', options);
  return groupSource({
    group: name,
    offsets: () => offsets,
    mirror: false,
    onStateStale: () => undefined,
    source,
    member: (listener) =>
      new Standalone(new Fetcher(kafka, { group: name, ...source }, {}), listener, {
        share,
        discoverEveryMs: timerMs(discoverEveryMs),
        onError: (error) => {
          kafka.emit({ type: 'error', client: `consumer of ${name}`, error: error as Error });
        },
      }),
    emit: (event) => {
      kafka.emit(event);
    },
    register: (session) => kafka.register(session),
  });
}
