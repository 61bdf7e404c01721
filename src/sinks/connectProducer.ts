import type { Producer } from 'node-rdkafka';
import { connectClient } from '../connect.js';
import { BrokerUnavailableError, ClientUnavailableError } from '../errors.js';
import type { Properties } from '../kafka.js';
import { rdkafka } from '../rdkafka.js';

/** Makes a producer. @throws {ClientUnavailableError} for settings that the client does not take. */
export function makeProducer(settings: object, topicProperties: Properties): Producer {
  try {
    // Java's hash: the same key goes to the same partition whichever client wrote it. Records without a key are spread.
    return new (rdkafka().Producer)(settings, { partitioner: 'murmur2_random', ...topicProperties });
  } catch (cause) {
    const reason = cause instanceof Error ? cause.message : 'unknown reason';
    throw new ClientUnavailableError(`the producer could not be made: ${reason}`, { cause });
  }
}

/** Connects a producer, which is called `name` in what it rejects with. */
export function connectProducer(producer: Producer, name: string, brokers: readonly string[], timeoutMs: number): Promise<void> {
  return connectClient(producer, timeoutMs, (cause, asked) =>
    asked
      ? new BrokerUnavailableError(
          `no broker answered the ${name} within ${timeoutMs} ms (${cause.message}): tried ${brokers.join(', ')}.`,
          { brokers, cause },
        )
      : new ClientUnavailableError(`the ${name} could not be made: ${cause.message}.`, { cause }),
  );
}
