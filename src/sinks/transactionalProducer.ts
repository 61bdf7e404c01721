import { setImmediate as turn } from 'node:timers/promises';
import type { DeliveryReport, KafkaConsumer, Producer } from 'node-rdkafka';
import { forwardEvents } from '../clientEvents.js';
import { BrokerError, DeliveryError, FencedError } from '../errors.js';
import type { Kafka, Properties } from '../kafka.js';
import type { Position } from '../position.js';
import type { RdkafkaError } from '../rdkafka.js';
import { codeOf } from '../rdkafka.js';
import { connectProducer, makeProducer } from './connectProducer.js';
import type { Outgoing } from './outgoing.js';
import type { ProducerHandle } from './plainTransport.js';
import { produce } from './plainTransport.js';
import type { TransactionalClient } from './transactions.js';

export interface TransactionalProducerOptions {
  readonly transactionalId: string;
  readonly properties: Properties;
  readonly topicProperties: Properties;
}

/** As Kafka Streams has it. Readers of committed records wait that long for a process that died in a transaction; the default is a minute. */
const TRANSACTION_TIMEOUT_MS = 10_000;
const POLL_MS = 100;
/** How long to wait at a time for what is on its way, between looks at what has failed. */
const FLUSH_MS = 20;
/** How often a step that was not answered in time is asked for again, before the client is given up. */
const TRIES = 3;

const QUEUE_FULL = -184;
const TIMED_OUT = -192;
/** Another client has the id. */
const FENCED: ReadonlySet<number> = new Set([-144, 47, 90]);
/** What will be the same the next time. */
const LASTING: ReadonlySet<number> = new Set([
  ...[-190, -188, -186], // unknown partition, unknown topic, invalid argument
  ...[2, 3, 4, 10, 17, 18], // invalid message, unknown topic or partition, invalid size, too large, invalid topic, batch too large
  ...[29, 30, 31, 35, 50, 53], // not authorized: topic, group, cluster; unsupported version, invalid transaction timeout, not authorized: id
  ...[32, 43, 44, 76, 87], // invalid timestamp, unsupported format, policy violation, unsupported compression, invalid record
  ...[25, 82, 110], // the group has put the member out
]);

/** The other place that knows node-rdkafka's producer: with a transactional id, and a transaction at a time. */
export class TransactionalProducer implements TransactionalClient {
  readonly #kafka: Kafka;
  readonly #id: string;
  readonly #timeoutMs: number;
  readonly #producer: Producer;
  readonly #handle: ProducerHandle;
  #nextId = 1;
  /** The records of the transaction, the first of which was sent with this id. */
  #firstId = 1;
  #records: readonly Outgoing[] = [];
  /** Why one of them is not in its log. */
  #failure: DeliveryError | undefined;
  #reports = 0;
  #connected = false;
  #timer: ReturnType<typeof setInterval> | undefined;

  constructor(kafka: Kafka, options: TransactionalProducerOptions) {
    this.#kafka = kafka;
    this.#id = options.transactionalId;
    const settings = settingsOf(kafka, options);
    this.#timeoutMs = Number(settings['transaction.timeout.ms']);
    this.#producer = makeProducer(settings, { ...kafka.topicProperties, ...options.topicProperties });
    this.#handle = this.#producer.getClient() as ProducerHandle;
    forwardEvents(kafka, this.#producer, `producer ${this.#id}`);
    this.#producer.on('delivery-report', (error, report) => {
      this.#reported(error, report);
    });
  }

  async open(): Promise<void> {
    await this.#connect();
    // Also errors and statistics are only served by a poll.
    this.#timer = setInterval(() => {
      this.#handle.poll();
    }, POLL_MS);
    this.#timer.unref();
    await this.#step('take over its id', (done) => {
      this.#producer.initTransactions(this.#kafka.connectTimeoutMs, done);
    });
  }

  async begin(): Promise<void> {
    await this.#step('begin a transaction', (done) => {
      this.#producer.beginTransaction(done);
    });
  }

  async produce(records: readonly Outgoing[]): Promise<void> {
    this.#firstId = this.#nextId;
    this.#records = records;
    this.#failure = undefined;
    for (const record of records) {
      let code = this.#send(record);
      if (code === QUEUE_FULL) {
        await this.#flush();
        code = this.#send(record);
      }
      if (code !== 0) throw refused(record, code);
    }
    await this.#flush();
  }

  async addOffsets(positions: readonly Position[], consumer: object): Promise<void> {
    await this.#step('add the offsets of its group', (done) => {
      this.#producer.sendOffsetsToTransaction([...positions], consumer as KafkaConsumer, this.#timeoutMs, done);
    });
  }

  async commit(): Promise<void> {
    await this.#insist('commit its transaction', (done) => {
      this.#producer.commitTransaction(this.#timeoutMs, done);
    });
  }

  async abort(): Promise<void> {
    await this.#insist('abort its transaction', (done) => {
      this.#producer.abortTransaction(this.#timeoutMs, done);
    });
  }

  async close(): Promise<void> {
    clearInterval(this.#timer);
    if (!this.#connected) return;
    this.#connected = false;
    await new Promise<void>((resolve) => {
      this.#producer.disconnect(0, () => {
        resolve();
      });
    });
  }

  async #connect(): Promise<void> {
    const { brokers, connectTimeoutMs } = this.#kafka;
    await connectProducer(this.#producer, `producer ${this.#id}`, brokers, connectTimeoutMs);
    this.#connected = true;
  }

  #send(record: Outgoing): number {
    const code = produce(this.#handle, record, this.#nextId);
    if (code === 0) this.#nextId += 1;
    return code;
  }

  /**
   * Only failures are reported: when nothing is on its way any more, and no report has come for two turns, all else has arrived. After a failure the
   * client sends nothing more in this transaction, and would wait for what is left until that times out.
   */
  async #flush(): Promise<void> {
    const end = performance.now() + this.#timeoutMs;
    for (let flushed = false; !flushed && this.#failure === undefined;) {
      flushed = await this.#step('write its records', (done) => {
        this.#producer.flush(FLUSH_MS, done);
      }).then(
        () => true,
        (error: unknown) => {
          // What is not written yet is no error before the transaction times out.
          if (performance.now() >= end) throw error;
          return false;
        },
      );
    }
    let seen;
    do {
      seen = this.#reports;
      await turn();
      await turn();
    } while (seen !== this.#reports);
    if (this.#failure !== undefined) throw this.#failure;
  }

  #reported(error: RdkafkaError | null, report: DeliveryReport): void {
    this.#reports += 1;
    if (error === null) return;
    // What was purged by an abort belongs to a transaction that is over.
    const record = this.#records[(report.opaque as number) - this.#firstId];
    if (record === undefined) return;
    const code = codeOf(error);
    const { topic } = record;
    const partition = report.partition >= 0 ? report.partition : (record.partition ?? undefined);
    const unknownTopic = code === TIMED_OUT && partition === undefined;
    const hint = unknownTopic ? '; the partitions of the topic could not be found out, so check that it exists' : '';
    const failure = new DeliveryError(`a record to ${where(topic, partition)} was not acknowledged: ${error.message}${hint}.`, {
      topic,
      partition,
      kafkaCode: code,
      outcome: 'failed',
      retriable: !LASTING.has(code) && !unknownTopic,
      cause: error,
    });
    // Of several the one that ends the stream: the others may only be its consequence.
    if (this.#failure === undefined || (this.#failure.retriable && !failure.retriable)) this.#failure = failure;
  }

  /** A step that was not answered in time goes on when it is asked for again. */
  async #insist(what: string, start: (done: Done) => void): Promise<void> {
    for (let tries = 1; ; tries += 1) {
      try {
        await this.#step(what, start);
        return;
      } catch (error) {
        const { cause } = error as { readonly cause?: TransactionError };
        if (tries === TRIES || cause?.isRetriable !== true) throw error;
      }
    }
  }

  #step(what: string, start: (done: Done) => void): Promise<void> {
    return new Promise((resolve, reject) => {
      start((cause) => {
        if (cause == null) resolve();
        else reject(this.#error(what, cause));
      });
    });
  }

  #error(what: string, cause: TransactionError): BrokerError | FencedError {
    const { code } = cause;
    if (FENCED.has(code)) {
      return new FencedError(
        `the producer with the transactional id ${this.#id} was fenced: another one with this id has started, or this process stood still for longer ` +
          `than \`transaction.timeout.ms\` (${this.#timeoutMs}). Give each instance an id of its own; what was not committed comes again.`,
        [],
      );
    }
    return new BrokerError(`the producer with the transactional id ${this.#id} could not ${what}: ${cause.message} (code ${code})`, {
      kafkaCode: code,
      retriable: !LASTING.has(code),
      cause,
    });
  }
}

type Done = (error: TransactionError | null | undefined) => void;

interface TransactionError extends RdkafkaError {
  /** The same step may be asked for again. */
  readonly isRetriable?: boolean;
}

function settingsOf(kafka: Kafka, { transactionalId, properties }: TransactionalProducerOptions): Properties {
  return {
    'linger.ms': 5,
    'transaction.timeout.ms': TRANSACTION_TIMEOUT_MS,
    ...kafka.properties,
    ...properties,
    'transactional.id': transactionalId,
    'enable.idempotence': true,
    'dr_cb': true,
    'delivery.report.only.error': true,
  };
}

/** Why the client did not take a record. */
const REASONS: ReadonlyMap<number, string> = new Map([
  [-190, 'the topic or the partition does not exist'],
  [10, 'it is larger than `message.max.bytes`'],
  [QUEUE_FULL, "it is larger than the client's whole queue, `queue.buffering.max.kbytes`"],
]);

function refused({ topic, partition }: Outgoing, code: number): DeliveryError {
  return new DeliveryError(
    `a record to ${where(topic, partition)} was not sent: ${REASONS.get(code) ?? `the client refused it (code ${code})`}.`,
    {
      topic,
      partition: partition ?? undefined,
      kafkaCode: code,
      outcome: 'failed',
      retriable: !LASTING.has(code) && code !== QUEUE_FULL,
    },
  );
}

function where(topic: string, partition: number | null | undefined): string {
  return partition == null ? topic : `${topic}/${partition}`;
}
