import type { DeliveryError } from '../errors.js';
import { ClosedError, RecordTooLargeError } from '../errors.js';
import type { Kafka, Properties } from '../kafka.js';
import { failedForGood, isFaultOfTheClient } from './clientFault.js';
import type { Outlet, Settle } from './outlet.js';
import { OneByOne } from './oneByOne.js';
import type { HeaderValues, Outgoing } from './outgoing.js';
import { ProducerClient } from './producer.js';
import type { ProducerMeter } from './producerMeter.js';

export interface KafkaOutletOptions {
  /** Counts what becomes of the records, whichever client sends them. */
  readonly meter: ProducerMeter;
  readonly properties: Properties;
  readonly topicProperties: Properties;
  readonly probeTimeoutMs: number;
  /** Called when no broker can be reached any more. */
  readonly onAllBrokersDown: () => void;
}

/** The way to Kafka, by a client that is replaced by another when it could not connect, or failed for good. */
export class KafkaOutlet implements Outlet {
  readonly #kafka: Kafka;
  readonly #options: KafkaOutletOptions;
  /** What records may have for headers. */
  readonly headerValues: HeaderValues;
  #client: ProducerClient | undefined;
  readonly #alone: OneByOne;
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
    this.#alone = new OneByOne(() => this.#make({ 'batch.num.messages': 1 }));
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
        if (isOfItsBatch(error)) {
          this.#alone.send(record, settle);
          return;
        }
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
    await Promise.all([this.#leaving, this.#alone.close()]);
  }

  async #probe(): Promise<void> {
    if (this.#closing) throw new ClosedError('this publisher was closed.');
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

  #make(more: Properties = {}): ProducerClient {
    const { meter, properties, topicProperties, probeTimeoutMs, onAllBrokersDown } = this.#options;
    const client = new ProducerClient(this.#kafka, {
      meter,
      properties: { ...properties, ...more },
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

/** The broker has refused a batch for its size: by itself the record may be small enough. */
function isOfItsBatch(error: DeliveryError): boolean {
  return error instanceof RecordTooLargeError && error.limitBytes === undefined;
}
