import type { DeliveryReport, Producer } from 'node-rdkafka';
import { forwardEvents } from '../clientEvents.js';
import { BrokerUnavailableError, ClientUnavailableError, DeliveryError } from '../errors.js';
import type { Client, Kafka, Properties } from '../kafka.js';
import { rdkafka } from '../rdkafka.js';
import type { Delivery } from '../record.js';
import type { Outgoing } from './outgoing.js';

/** Called once for every record that was sent. */
export type Settle = (error: DeliveryError | undefined, delivery: Delivery | undefined) => void;

export interface ProducerClientOptions {
  readonly name: string;
  readonly properties: Properties;
  readonly topicProperties: Properties;
}

const QUEUE_FULL = -184;
const UNKNOWN_PARTITION = -190;
/** Reports are only served by a poll. */
const POLL_MS = 1;
/** Without records on their way there are still errors and statistics to serve. */
const IDLE_POLL_MS = 250;
const CLOSE_TIMEOUT_MS = 5_000;

/** The only place that knows node-rdkafka's producer. Records of one partition are written in the order in which they were sent. */
export class ProducerClient implements Client {
  readonly #kafka: Kafka;
  readonly #name: string;
  readonly #producer: Producer;
  readonly #native: NativeProducer;
  /** Records that wait: for the connection, or for room in the client's queue. */
  #unsent: { readonly record: Outgoing; readonly settle: Settle }[] = [];
  #firstUnsent = 0;
  readonly #pending = new Map<number, { readonly record: Outgoing; readonly settle: Settle }>();
  #nextId = 1;
  #connected = false;
  #connecting: Promise<void> | undefined;
  #closing: Promise<void> | undefined;
  #timer: ReturnType<typeof setTimeout> | undefined;

  constructor(kafka: Kafka, { name, properties, topicProperties }: ProducerClientOptions) {
    this.#kafka = kafka;
    this.#name = name;
    this.#producer = createProducer(kafka, properties, topicProperties);
    forwardEvents(kafka, this.#producer, name);
    this.#native = this.#producer.getClient() as NativeProducer;
    this.#producer.on('delivery-report', (error, report) => {
      this.#settle(error, report);
    });
  }

  connect(): Promise<void> {
    this.#connecting ??= this.#connect();
    return this.#connecting;
  }

  /** Takes a record; it goes out as soon as there is a connection and room for it. */
  send(record: Outgoing, settle: Settle): void {
    if (this.#unsent.length > this.#firstUnsent || !this.#connected || !this.#produce(record, settle))
      this.#unsent.push({ record, settle });
  }

  close(): Promise<void> {
    this.#closing ??= this.#close();
    return this.#closing;
  }

  async #connect(): Promise<void> {
    const { brokers, connectTimeoutMs } = this.#kafka;
    await new Promise<void>((resolve, reject) => {
      this.#producer.connect({ allTopics: false, timeout: connectTimeoutMs }, (error) => {
        if (!(error as unknown)) resolve();
        else
          reject(
            new BrokerUnavailableError(
              `no broker answered the ${this.#name} within ${connectTimeoutMs} ms (${error.message}): tried ${brokers.join(', ')}.`,
              { brokers, cause: error },
            ),
          );
      });
    });
    this.#connected = true;
    this.#sendUnsent();
    this.#poll();
  }

  async #close(): Promise<void> {
    await this.#connecting?.catch(() => undefined);
    clearTimeout(this.#timer);
    if (!this.#connected) return;
    this.#connected = false;
    await new Promise<void>((resolve) => {
      // Flushes first: what was handed over may still arrive, but nobody waits for its report any more.
      this.#producer.disconnect(CLOSE_TIMEOUT_MS, () => {
        resolve();
      });
    });
  }

  /** Hands a record to the client; false if its queue is full. */
  #produce(record: Outgoing, settle: Settle): boolean {
    const id = this.#nextId;
    const code = this.#native.produce(record.topic, record.partition, record.value, record.key, record.timestamp, id, record.headers);
    if (code === QUEUE_FULL) return false;
    this.#nextId += 1;
    if (code === 0) {
      this.#pending.set(id, { record, settle });
      if (this.#pending.size === 1) this.#schedulePoll();
    } else {
      const reason = code === UNKNOWN_PARTITION ? 'the topic or the partition does not exist' : `the client refused it (code ${code})`;
      const error = new DeliveryError(`a record to ${where(record)} was not sent: ${reason}.`, {
        topic: record.topic,
        partition: record.partition ?? undefined,
        kafkaCode: code,
        outcome: 'failed',
        retriable: false,
      });
      // Later, as every other outcome: nobody expects an answer inside the call.
      queueMicrotask(() => {
        settle(error, undefined);
      });
    }
    return true;
  }

  #sendUnsent(): void {
    while (this.#firstUnsent < this.#unsent.length) {
      const { record, settle } = this.#unsent[this.#firstUnsent] as { record: Outgoing; settle: Settle };
      if (!this.#produce(record, settle)) return;
      this.#firstUnsent += 1;
    }
    this.#unsent = [];
    this.#firstUnsent = 0;
  }

  #poll(): void {
    if (!this.#connected) return;
    this.#native.poll();
    if (this.#unsent.length > 0) this.#sendUnsent();
    this.#schedulePoll();
  }

  #schedulePoll(): void {
    clearTimeout(this.#timer);
    const busy = this.#pending.size > 0 || this.#unsent.length > 0;
    this.#timer = setTimeout(
      () => {
        this.#poll();
      },
      busy ? POLL_MS : IDLE_POLL_MS,
    );
    if (!busy) this.#timer.unref();
  }

  #settle(error: RdkafkaError | null, report: DeliveryReport): void {
    const id = report.opaque as number;
    const pending = this.#pending.get(id);
    if (pending === undefined) return;
    this.#pending.delete(id);
    const { record, settle } = pending;
    if (error === null) {
      settle(undefined, { topic: record.topic, partition: report.partition, offset: report.offset });
      return;
    }
    // A message that timed out may have reached the broker; only its acknowledgement is known to be missing.
    const outcome = /timed out|in flight/i.test(error.message) ? 'unknown' : 'failed';
    settle(
      new DeliveryError(
        `a record to ${where(record)} was not acknowledged: ${error.message}${outcome === 'unknown' ? '; it may have been written all the same' : ''}.`,
        {
          topic: record.topic,
          partition: record.partition ?? undefined,
          kafkaCode: error.code,
          outcome,
          retriable: outcome === 'unknown',
          cause: error,
        },
      ),
      undefined,
    );
  }
}

interface RdkafkaError {
  readonly code: number;
  readonly message: string;
}

interface NativeProducer {
  /** 0, or librdkafka's error code. */
  produce(
    topic: string,
    partition: number | null,
    value: Buffer | null,
    key: Buffer | null,
    timestamp: number | undefined,
    opaque: number,
    headers: Record<string, string>[] | undefined,
  ): number;
  poll(): void;
}

function createProducer(kafka: Kafka, properties: Properties, topicProperties: Properties): Producer {
  const settings = {
    'enable.idempotence': true,
    'linger.ms': 5,
    ...kafka.properties,
    ...properties,
    'dr_cb': true,
  };
  // Java's hash: the same key goes to the same partition whichever client wrote it. Records without a key are spread.
  const topicSettings = { partitioner: 'murmur2_random', ...kafka.topicProperties, ...topicProperties };
  try {
    return new (rdkafka().Producer)(settings, topicSettings);
  } catch (cause) {
    throw new ClientUnavailableError(`the producer could not be made: ${cause instanceof Error ? cause.message : 'unknown reason'}`, {
      cause,
    });
  }
}

function where({ topic, partition }: Outgoing): string {
  return partition === null ? topic : `${topic}/${partition}`;
}
