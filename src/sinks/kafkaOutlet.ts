import { DeliveryError, ProducerFencedError } from '../errors.js';
import type { Kafka, Properties } from '../kafka.js';
import type { Outlet, Settle } from './dispatcher.js';
import type { HeaderValues, Outgoing } from './outgoing.js';
import { ProducerClient } from './producer.js';

export interface KafkaOutletOptions {
  readonly properties: Properties;
  readonly topicProperties: Properties;
  readonly probeTimeoutMs: number;
  /** Called when no broker can be reached any more. */
  readonly onAllBrokersDown: () => void;
}

/** librdkafka's client has failed for good: another one may not. */
const FATAL = -150;
/** What still waits in such a client is thrown out of its queue. */
const PURGED = -152;

/** The way to Kafka, by a client that is replaced by another when it could not connect, or failed for good. */
export class KafkaOutlet implements Outlet {
  readonly #kafka: Kafka;
  readonly #options: KafkaOutletOptions;
  /** What records may have for headers. */
  readonly headerValues: HeaderValues;
  #client: ProducerClient | undefined;
  /** What the client has yet to settle. */
  #open = new Set<() => void>();
  #probing: Promise<void> = Promise.resolve();
  /** Clients that are let go of. */
  #leaving: Promise<unknown> = Promise.resolve();
  #closing = false;

  /** @throws {ClientUnavailableError} for settings that the client does not take. */
  constructor(kafka: Kafka, options: KafkaOutletOptions) {
    this.#kafka = kafka;
    this.#options = options;
    this.#client = this.#make();
    this.headerValues = this.#client.headerValues;
  }

  send(record: Outgoing, settle: Settle): void {
    const client = this.#client;
    if (client === undefined) {
      queueMicrotask(() => {
        settle(failedForGood(record), undefined);
      });
      return;
    }
    const open = this.#open;
    const giveUp = (): void => {
      settle(failedForGood(record), undefined);
    };
    open.add(giveUp);
    client.send({
      record,
      acknowledged: (partition, offset, timestamp) => {
        if (open.delete(giveUp)) settle(undefined, { topic: record.topic, partition, offset, timestamp });
      },
      failed: (error) => {
        if (!open.delete(giveUp)) return;
        const isClients = isFaultOfTheClient(error);
        settle(isClients ? failedForGood(record, error) : error, undefined);
        if (isClients) this.#letGo(client);
      },
    });
  }

  probe(done: (error: unknown) => void): void {
    this.#probing = this.#probe().then(
      () => {
        done(undefined);
      },
      (error: unknown) => {
        done(error);
      },
    );
  }

  /** What was handed over and is not acknowledged may still arrive, but nobody hears of it. */
  async close(): Promise<void> {
    this.#closing = true;
    await this.#probing;
    if (this.#client !== undefined) this.#letGo(this.#client);
    await this.#leaving;
  }

  async #probe(): Promise<void> {
    const isKnown = this.#client !== undefined;
    const client = (this.#client ??= this.#make());
    try {
      await client.connect();
    } catch (error) {
      this.#letGo(client);
      throw error;
    }
    if (isKnown) await client.probe(this.#options.probeTimeoutMs);
  }

  #make(): ProducerClient {
    const { properties, topicProperties, probeTimeoutMs, onAllBrokersDown } = this.#options;
    const client = new ProducerClient(this.#kafka, {
      name: 'publisher',
      properties,
      topicProperties,
      connectTimeoutMs: probeTimeoutMs,
      // What is not acknowledged by then is on disk.
      flushMs: 1,
      onClosed: () => undefined,
      onAllBrokersDown: () => {
        if (client === this.#client && !this.#closing) onAllBrokersDown();
      },
    });
    return client;
  }

  #letGo(client: ProducerClient): void {
    if (this.#client !== client) return;
    this.#client = undefined;
    const open = this.#open;
    this.#open = new Set();
    this.#leaving = Promise.all([this.#leaving, client.end()]);
    // Of these nobody else hears any more.
    if (!this.#closing)
      queueMicrotask(() => {
        for (const giveUp of open) {
          open.delete(giveUp);
          giveUp();
        }
      });
  }
}

/** It has failed for good, or is about to: another client has an epoch and sequence numbers of its own. */
function isFaultOfTheClient(error: DeliveryError): boolean {
  return error.kafkaCode === FATAL || error.kafkaCode === PURGED || error instanceof ProducerFencedError;
}

/** The record itself is as good as before. */
function failedForGood({ topic, partition }: Outgoing, cause?: DeliveryError): DeliveryError {
  return new DeliveryError(`a record to ${topic} was not acknowledged: the client has failed for good, and is replaced.`, {
    topic,
    partition: partition ?? undefined,
    kafkaCode: FATAL,
    outcome: 'unknown',
    retriable: true,
    cause,
  });
}
