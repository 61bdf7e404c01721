import { DeliveryError, ProducerFencedError } from '../errors.js';
import type { Outgoing } from './outgoing.js';

/** librdkafka's client has failed for good: another one may not. */
const FATAL = -150;
/** What still waits in such a client, or in a transaction that is given up, is thrown out of its queue. */
export const PURGED = -152;

/** It has failed for good, or is about to: another client has an epoch and sequence numbers of its own. */
export function isFaultOfTheClient(error: DeliveryError): boolean {
  return error.kafkaCode === FATAL || error.kafkaCode === PURGED || error instanceof ProducerFencedError;
}

/** The record itself is as good as before. */
export function failedForGood({ topic, partition }: Outgoing, cause?: unknown): DeliveryError {
  return new DeliveryError(`a record to ${topic} was not acknowledged: the client has failed for good, and is replaced.`, {
    topic,
    partition: partition ?? undefined,
    kafkaCode: FATAL,
    outcome: 'unknown',
    retriable: true,
    cause,
  });
}
