import type { DeliveryReport, Producer } from 'node-rdkafka';
import { forwardEvents } from '../clientEvents.js';
import { BrokerUnavailableError, ClientUnavailableError, ClosedError, DeliveryError } from '../errors.js';
import { Fifo } from '../fifo.js';
import type { Client, Kafka, Properties } from '../kafka.js';
import type { RdkafkaError } from '../rdkafka.js';
import { codeOf, rdkafka } from '../rdkafka.js';
import type { Delivery } from '../record.js';
import type { Outgoing } from './outgoing.js';

/** Called once for every record that was sent. */
export type Settle = (error: DeliveryError | undefined, delivery: Delivery | undefined) => void;

export interface ProducerClientOptions {
  readonly name: string;
  readonly properties: Properties;
  readonly topicProperties: Properties;
  /** Called when the `Kafka` was closed and the stream did not end. */
  readonly onClosed: (error: ClosedError) => void;
  /** Called when no broker can be reached any more; the client goes on trying by itself. */
  readonly onAllBrokersDown?: () => void;
  /** How long the first broker may take to answer. Default: the `connectTimeoutMs` of the `Kafka`. */
  readonly connectTimeoutMs?: number;
  /** How long `end` waits for what was handed over to the client. Default 5,000 ms. */
  readonly flushMs?: number;
}

const ALL_BROKERS_DOWN = -187;
const QUEUE_FULL = -184;
const UNKNOWN_PARTITION = -190;
const MESSAGE_TOO_LARGE = 10;
const TIMED_OUT = -192;
/** What says that the record is not in the log. After anything else it may be. */
const NOT_WRITTEN: ReadonlySet<number> = new Set([
  QUEUE_FULL,
  UNKNOWN_PARTITION,
  MESSAGE_TOO_LARGE,
  ...[-188, -186, -152], // unknown topic, invalid argument, purged in queue
  ...[2, 3, 4, 17, 18], // invalid message, unknown topic or partition, invalid size, invalid topic, batch too large
  ...[29, 31], // not authorized: topic, cluster
  ...[32, 43, 44, 76, 87], // invalid timestamp, unsupported format, policy violation, unsupported compression, invalid record
]);
/** Reports are only served by a poll. */
const POLL_MS = 1;
/** Without records on their way there are still errors and statistics to serve. */
const IDLE_POLL_MS = 250;
/** How long a closed client waits for inputs before it gives up its stream, and then for reports. */
const CLOSE_TIMEOUT_MS = 5_000;

interface Sent {
  readonly record: Outgoing;
  readonly settle: Settle;
}

/** The only place that knows node-rdkafka's producer. Records of one partition are written in the order in which they were sent. */
export class ProducerClient implements Client {
  readonly kind = 'sink';
  readonly #kafka: Kafka;
  readonly #name: string;
  readonly #onClosed: (error: ClosedError) => void;
  readonly #connectTimeoutMs: number;
  readonly #flushMs: number;
  readonly #producer: Producer;
  readonly #native: NativeProducer;
  /** Records that wait: for the connection, or for room in the client's queue. */
  readonly #unsent = new Fifo<Sent>();
  readonly #pending = new Map<number, Sent>();
  #nextId = 1;
  #connected = false;
  #connecting: Promise<void> | undefined;
  #closing: Promise<void> | undefined;
  #ending: Promise<void> | undefined;
  #onEnd: () => void = () => undefined;
  #patience: ReturnType<typeof setTimeout> | undefined;
  #timer: ReturnType<typeof setTimeout> | undefined;

  constructor(kafka: Kafka, options: ProducerClientOptions) {
    const { name, properties, topicProperties, onClosed, onAllBrokersDown } = options;
    this.#kafka = kafka;
    this.#name = name;
    this.#onClosed = onClosed;
    this.#connectTimeoutMs = options.connectTimeoutMs ?? kafka.connectTimeoutMs;
    this.#flushMs = options.flushMs ?? CLOSE_TIMEOUT_MS;
    this.#producer = createProducer(kafka, properties, topicProperties);
    forwardEvents(kafka, this.#producer, name);
    if (onAllBrokersDown !== undefined)
      this.#producer.on('event.error', (error) => {
        if (codeOf(error) === ALL_BROKERS_DOWN) onAllBrokersDown();
      });
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
    if (this.#ending !== undefined) return;
    this.#patience?.refresh();
    if (this.#unsent.length > 0 || !this.#connected || !this.#produce(record, settle)) this.#unsent.push({ record, settle });
  }

  /** Resolves if a broker answers in that time. Only after `connect` has. */
  probe(timeoutMs: number): Promise<void> {
    return new Promise((resolve, reject) => {
      this.#producer.getMetadata({ allTopics: false, timeout: timeoutMs }, (cause) => {
        if (!(cause as unknown)) resolve();
        else
          reject(
            new BrokerUnavailableError(`no broker answered within ${timeoutMs} ms (${cause.message}).`, {
              brokers: this.#kafka.brokers,
              cause,
            }),
          );
      });
    });
  }

  /** Sends nothing more and lets go of the client. What was handed over to it may still arrive, but nobody hears of it. */
  end(): Promise<void> {
    this.#ending ??= this.#end();
    return this.#ending;
  }

  /** Gives the stream time to end by itself: its source may be closing as well, with records in flight that are still to be written. */
  close(): Promise<void> {
    this.#closing ??= this.#close();
    return this.#closing;
  }

  async #connect(): Promise<void> {
    const { brokers } = this.#kafka;
    const connectTimeoutMs = this.#connectTimeoutMs;
    let asked = false;
    this.#producer.once('connection.failure', () => {
      asked = true;
    });
    await new Promise<void>((resolve, reject) => {
      this.#producer.connect({ allTopics: false, timeout: connectTimeoutMs }, (cause) => {
        if (!(cause as unknown)) resolve();
        else if (!asked) reject(new ClientUnavailableError(`the ${this.#name} could not be made: ${cause.message}.`, { cause }));
        else
          reject(
            new BrokerUnavailableError(
              `no broker answered the ${this.#name} within ${connectTimeoutMs} ms (${cause.message}): tried ${brokers.join(', ')}.`,
              { brokers, cause },
            ),
          );
      });
    });
    this.#connected = true;
    if (this.#ending !== undefined) return;
    this.#sendUnsent();
    this.#poll();
  }

  async #end(): Promise<void> {
    clearTimeout(this.#timer);
    this.#unsent.clear();
    this.#pending.clear();
    this.#onEnd();
    await this.#connecting?.catch(() => undefined);
    if (!this.#connected) return;
    await new Promise<void>((resolve) => {
      this.#producer.disconnect(this.#flushMs, () => {
        resolve();
      });
    });
  }

  async #close(): Promise<void> {
    if (this.#ending === undefined) {
      const inTime = await new Promise<boolean>((resolve) => {
        this.#onEnd = () => {
          resolve(true);
        };
        this.#patience = setTimeout(resolve, CLOSE_TIMEOUT_MS, false);
      });
      clearTimeout(this.#patience);
      if (!inTime)
        this.#onClosed(
          new ClosedError(
            `this Kafka was closed while records of the ${this.#name} were still to come or to be acknowledged: end their source first.`,
          ),
        );
    }
    await this.end();
  }

  /** Hands a record to the client; false if its queue is full. */
  #produce(record: Outgoing, settle: Settle): boolean {
    const id = this.#nextId;
    const code = this.#native.produce(record.topic, record.partition, record.value, record.key, record.timestamp, id, record.headers);
    // With an empty queue there will never be more room than now.
    if (code === QUEUE_FULL && this.#pending.size > 0) return false;
    this.#nextId += 1;
    if (code === 0) {
      this.#pending.set(id, { record, settle });
      if (this.#pending.size === 1) this.#schedulePoll();
    } else {
      const error = new DeliveryError(
        `a record to ${where(record)} was not sent: ${REASONS.get(code) ?? `the client refused it (code ${code})`}.`,
        {
          topic: record.topic,
          partition: record.partition ?? undefined,
          kafkaCode: code,
          outcome: 'failed',
          retriable: false,
        },
      );
      // Later, as every other outcome: nobody expects an answer inside the call.
      queueMicrotask(() => {
        if (this.#ending === undefined) settle(error, undefined);
      });
    }
    return true;
  }

  #sendUnsent(): void {
    for (let next = this.#unsent.peek(); next !== undefined; next = this.#unsent.peek()) {
      if (!this.#produce(next.record, next.settle)) return;
      this.#unsent.shift();
    }
  }

  #poll(): void {
    if (this.#ending !== undefined) return;
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
    this.#patience?.refresh();
    const { record, settle } = pending;
    const { topic } = record;
    if (error === null) {
      // Without an acknowledgement the client counts up from a number below 0.
      settle(undefined, { topic, partition: report.partition, offset: Math.max(report.offset, -1) });
      return;
    }
    const code = codeOf(error);
    const partition = report.partition >= 0 ? report.partition : (record.partition ?? undefined);
    const unknownTopic = code === TIMED_OUT && partition === undefined;
    // A message that timed out may have reached the broker; only its acknowledgement is known to be missing.
    const outcome = NOT_WRITTEN.has(code) || unknownTopic ? 'failed' : 'unknown';
    const hint = unknownTopic
      ? '; the partitions of the topic could not be found out, so check that it exists'
      : outcome === 'unknown'
        ? '; it may have been written all the same'
        : '';
    settle(
      new DeliveryError(`a record to ${where({ topic, partition })} was not acknowledged: ${error.message}${hint}.`, {
        topic,
        partition,
        kafkaCode: code,
        outcome,
        retriable: !NOT_WRITTEN.has(code),
        cause: error,
      }),
      undefined,
    );
  }
}

/** Why the client did not take a record. */
const REASONS: ReadonlyMap<number, string> = new Map([
  [UNKNOWN_PARTITION, 'the topic or the partition does not exist'],
  [MESSAGE_TOO_LARGE, 'it is larger than `message.max.bytes`'],
  [QUEUE_FULL, "it is larger than the client's whole queue, `queue.buffering.max.kbytes`"],
  [-150, 'the client has failed for good'],
]);

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
    // A report for each record: what is never reported would never be passed on.
    'dr_cb': true,
    'delivery.report.only.error': false,
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

function where({ topic, partition }: { readonly topic: string; readonly partition: number | null | undefined }): string {
  return partition === null || partition === undefined ? topic : `${topic}/${partition}`;
}
