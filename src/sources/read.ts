import type { Kafka } from '../kafka.js';
import { checkOptions } from '../options.js';
import { StatsHub } from '../statsHub.js';
import { checkTopicName } from '../topicName.js';
import { Fetcher } from './fetcher.js';
import { MeasuredSource } from './kafkaSource.js';
import { checkPartitionNumbers } from './partitionNumbers.js';
import type { ReadPlaces } from './readPlaces.js';
import { checkPlaces } from './readPlaces.js';
import { ReadSession } from './readSession.js';
import type { SourceStats } from './sourceStats.js';
import type { SourceOptions } from './sourceOptions.js';
import { SOURCE_OPTIONS, resolveSourceOptions } from './sourceOptions.js';

export interface ReadTopicOptions extends Omit<SourceOptions, 'from' | 'drainTimeoutMs' | 'maxInFlight' | 'maxInFlightBytes'> {
  /**
   * Where to start. Default `'earliest'`, also for partitions that an object of places does not name. An offset that the log does not hold is
   * a matter of `onOutOfRange`; one at a time that is yet to come is the end of the log.
   */
  readonly from?: ReadPlaces;
  /**
   * Where to end: the record at this place is the first that is not read. Places are those that the log has when the read starts, and an offset
   * may be yet to come. Default: none, the stream goes on with what is written; so it does with partitions that an object of places does not name.
   */
  readonly until?: ReadPlaces;
  /** Which partitions. Default: all that there are when the read starts. */
  readonly partitions?: readonly number[];
  /**
   * How many records may be out until `release()`, `commit()` or another operator of this library finishes them. Default: a record counts as
   * finished when `next` has returned, so that `take`, `toArray` and every other operator of RxJS will do; one that works asynchronously
   * (`mergeMap`) then gathers what it cannot keep up with. With a number it is never sent more than it can take, and something must finish records.
   */
  readonly maxInFlight?: number;
  /** The same in bytes of keys, values and headers. Default: 64 MiB if `maxInFlight` is given. */
  readonly maxInFlightBytes?: number;
}

/** Nothing has to be drained where nothing is given back. */
const COMMON = Object.fromEntries(Object.entries(SOURCE_OPTIONS).filter(([name]) => name !== 'drainTimeoutMs'));
const OPTIONS = { ...COMMON, until: 'any', partitions: 'array' } as const;
/** The client has to have the name of a group, which it never joins. */
const NO_GROUP = 'kafka-rx-reader';

/**
 * The records of a topic from one place to another, without a group and without a memory.
 *
 * Cold: each subscription reads by itself, and changes nothing for others. Each partition is in order, partitions are side by side. With
 * `until` it completes when the position of each partition is there, whatever stands there: also where the log ends with an aborted
 * transaction, where compaction has taken the last records away, and where it is empty. Without, it goes on.
 *
 * ```text
 * topic      a b c d e f …
 *            readTopic(…, { from: { last: 2 }, until: 'latest' })   of the first four
 * records    --c-d|
 * ```
 *
 * Memory is bounded by the fetch buffer and two batches: the next records come when `next` has returned. For what works asynchronously
 * downstream see `maxInFlight`. `{ last: n }` counts offsets: where transactions or compaction have left gaps, it is fewer records.
 *
 * @returns Records whose `key` and `value` are as they were written. Errors with `UnknownTopicError`, `BrokerUnavailableError` (no broker
 * within the `Kafka`'s `connectTimeoutMs`), `OffsetOutOfRangeError`, `BrokerError`, or an `OptionError` for a partition that there is not.
 * @throws {OptionError} at once, for a wrong or unknown option.
 *
 * @example
 * ```ts
 * const lastHour$ = readTopic(kafka, 'orders', { from: { timestamp: Date.now() - 3_600_000 }, until: 'latest' });
 * console.log((await lastValueFrom(lastHour$.pipe(toArray()))).length);
 * ```
 */
export function readTopic(kafka: Kafka, topic: string, options: ReadTopicOptions = {}): MeasuredSource {
  checkOptions('readTopic', options, OPTIONS);
  checkTopicName('readTopic', topic);
  const { from = 'earliest', until, partitions, ...rest } = options;
  checkPlaces('from', from);
  if (until !== undefined) checkPlaces('until', until);
  if (partitions !== undefined) checkPartitionNumbers('readTopic: `partitions`', partitions);
  const source = resolveSourceOptions('readTopic', rest);
  const awaitsCompletion = rest.maxInFlight !== undefined || rest.maxInFlightBytes !== undefined;
  const hub = new StatsHub<SourceStats>();
  return new MeasuredSource((subscriber) => {
    const { signal } = source;
    if (signal?.aborted === true) {
      subscriber.complete();
      return;
    }
    const fetcher = new Fetcher(kafka, { group: NO_GROUP, ...source }, { 'enable.partition.eof': true });
    const emit = kafka.emit.bind(kafka);
    const session = new ReadSession({ topic, partitions, from, until, awaitsCompletion, source, fetcher, emit }, subscriber);
    const unregister = kafka.register(session);
    const unlist = hub.add(session.stats$);
    const onAbort = (): void => {
      subscriber.complete();
    };
    signal?.addEventListener('abort', onAbort);
    subscriber.add(() => {
      signal?.removeEventListener('abort', onAbort);
      unlist();
      void session.stop().then(unregister);
    });
    session.start();
  }, hub);
}
