import { DeliveryError } from '../errors.js';
import type { RdkafkaError } from '../rdkafka.js';
import type { Outgoing } from './outgoing.js';
import type { Limits } from './transport.js';
import { QUEUE_FULL, TIMED_OUT, notAcknowledged, refused } from './undelivered.js';

/** What will be the same the next time. */
export const LASTING: ReadonlySet<number> = new Set([
  ...[-190, -188, -186], // unknown partition, unknown topic, invalid argument
  ...[2, 3, 4, 10, 17, 18], // invalid message, unknown topic or partition, invalid size, too large, invalid topic, batch too large
  ...[29, 30, 31, 35, 50, 53], // not authorized: topic, group, cluster; unsupported version, invalid transaction timeout, not authorized: id
  ...[32, 43, 44, 76, 87], // invalid timestamp, unsupported format, policy violation, unsupported compression, invalid record
  ...[25, 82, 110], // the group has put the member out
]);

/** Why a record of the transaction is not in its log. */
export interface Failure {
  readonly record: Outgoing;
  readonly code: number;
  readonly partition: number;
  readonly cause: RdkafkaError;
}

/** Whether it will be the same the next time. */
export function isLasting({ code, partition, record }: Failure): boolean {
  // A topic whose partitions could not be found out all the time is none.
  return LASTING.has(code) || (code === TIMED_OUT && partition < 0 && record.partition === null);
}

/** By its cause; nothing of a transaction that failed is ever seen, so its outcome is known. */
export function deliveryErrorOf(failure: Failure): DeliveryError {
  const { record, code, partition, cause } = failure;
  const error = notAcknowledged(record, code, cause.message, partition, cause);
  const retriable = !isLasting(failure);
  if (error.outcome === 'failed' && error.retriable === retriable) return error;
  const { topic } = record;
  const hint = retriable || code !== TIMED_OUT ? '' : '; the partitions of the topic could not be found out, so check that it exists';
  return new DeliveryError(`a record to ${topic} was not acknowledged: ${cause.message}${hint}.`, {
    topic,
    partition: error.partition,
    kafkaCode: code,
    outcome: 'failed',
    retriable,
    cause,
  });
}

/** Where the client has failed for good, the next one may not. */
export function notTaken(record: Outgoing, code: number, limits: Limits): DeliveryError {
  const error = refused(record, code, limits);
  if (LASTING.has(code) || code === QUEUE_FULL) return error;
  const { message, topic, partition, kafkaCode, outcome } = error;
  return new DeliveryError(message, { topic, partition, kafkaCode, outcome, retriable: true });
}
