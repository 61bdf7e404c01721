import { setImmediate as turn } from 'node:timers/promises';
import type { DeliveryReport, KafkaConsumer, Producer } from 'node-rdkafka';
import { forwardEvents } from '../clientEvents.js';
import type { KafkaRxError } from '../errors.js';
import { BrokerError, ClosedError, FencedError } from '../errors.js';
import type { Kafka, Properties } from '../kafka.js';
import type { Position } from '../position.js';
import type { RdkafkaError } from '../rdkafka.js';
import { codeOf } from '../rdkafka.js';
import { PURGED } from './clientFault.js';
import { connectProducer, makeProducer } from './connectProducer.js';
import type { Outgoing } from './outgoing.js';
import type { ProducerHandle } from './plainTransport.js';
import { produce } from './plainTransport.js';
import type { ProducerMeter, SendQueue } from './producerMeter.js';
import type { Failure } from './transactionFailures.js';
import { LASTING, deliveryErrorOf, isLasting, notTaken } from './transactionFailures.js';
import type { TransactionalClient } from './transactions.js';
import type { Limits } from './transport.js';
import { QUEUE_FULL, limitsOf, sizeOf } from './undelivered.js';

export interface TransactionalProducerOptions {
  readonly transactionalId: string;
  /** Counts what becomes of its records. */
  readonly meter: ProducerMeter;
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
/** How long a step may take at most, however long a transaction may. */
const STEP_MS = 10_000;

/** A transaction is under way, and nothing is wrong with it. */
const WRONG_STATE = -172;
/** Another client has the id. */
const FENCED: ReadonlySet<number> = new Set([-144, 47, 90]);
/** The other place that knows node-rdkafka's producer: with a transactional id, and a transaction at a time. */
export class TransactionalProducer implements TransactionalClient {
  readonly #kafka: Kafka;
  readonly #id: string;
  readonly #meter: ProducerMeter;
  readonly #release: () => void;
  readonly #timeoutMs: number;
  readonly #stepMs: number;
  readonly #limits: Limits;
  readonly #producer: Producer;
  readonly #handle: ProducerHandle;
  #nextId = 1;
  /** The records of the transaction, the first of which was sent with this id. */
  #firstId = 1;
  #records: readonly Outgoing[] = [];
  /** Why one of them is not in its log. */
  #failure: Failure | undefined;
  #reports = 0;
  #begunAt = 0;
  #hurried = false;
  /** When they were sent. */
  #sentAt = 0;
  #connected = false;
  #timer: ReturnType<typeof setInterval> | undefined;

  constructor(kafka: Kafka, options: TransactionalProducerOptions) {
    this.#kafka = kafka;
    this.#id = options.transactionalId;
    const settings = settingsOf(kafka, options);
    this.#timeoutMs = Number(settings['transaction.timeout.ms']);
    this.#stepMs = Math.min(this.#timeoutMs, STEP_MS);
    this.#limits = limitsOf(settings);
    this.#producer = makeProducer(settings, { ...kafka.topicProperties, ...options.topicProperties });
    this.#handle = this.#producer.getClient() as ProducerHandle;
    const { meter } = options;
    this.#meter = meter;
    this.#release = meter.use(() => this.#queue);
    forwardEvents(kafka, this.#producer, {
      name: meter.name,
      onStats: (stats) => {
        meter.note(stats);
      },
    });
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
    this.#begunAt = performance.now();
    await this.#step('begin a transaction', (done) => {
      this.#producer.beginTransaction(done);
    });
  }

  async produce(records: readonly Outgoing[]): Promise<void> {
    this.#firstId = this.#nextId;
    this.#records = records;
    this.#failure = undefined;
    this.#sentAt = this.#meter.now();
    for (const record of records) {
      let code = this.#send(record);
      if (code === QUEUE_FULL) {
        await this.#flush();
        code = this.#send(record);
      }
      if (code !== 0) throw notTaken(record, code, this.#limits);
    }
    await this.#flush();
  }

  async addOffsets(positions: readonly Position[], consumer: object): Promise<void> {
    await this.#step('add the offsets of its group', (done) => {
      this.#producer.sendOffsetsToTransaction([...positions], consumer as KafkaConsumer, this.#stepMs, done);
    });
  }

  async commit(): Promise<void> {
    await this.#insist('commit its transaction', (done) => {
      this.#producer.commitTransaction(this.#stepMs, done);
    });
    const { length } = this.#records;
    if (length > 0) this.#meter.latency(this.#meter.now() - this.#sentAt);
    this.#meter.outcomes.delivered += length;
    this.#records = [];
  }

  async abort(): Promise<void> {
    await this.#insist('abort its transaction', (done) => {
      this.#producer.abortTransaction(this.#stepMs, done);
    });
    this.#meter.outcomes.failed += this.#records.length;
    this.#records = [];
  }

  hurry(): void {
    this.#hurried = true;
  }

  async close(): Promise<void> {
    this.#release();
    clearInterval(this.#timer);
    if (!this.#connected) return;
    this.#connected = false;
    await new Promise<void>((resolve) => {
      this.#producer.disconnect(0, () => {
        resolve();
      });
    });
  }

  get #queue(): SendQueue {
    const { length } = this.#records;
    const bytes = this.#records.reduce((sum, record) => sum + sizeOf(record), 0);
    return { sendQueueLength: length, sendQueueBytes: bytes, inFlight: Math.min(length, this.#nextId - this.#firstId) };
  }

  async #connect(): Promise<void> {
    const { brokers, connectTimeoutMs } = this.#kafka;
    await connectProducer(this.#producer, this.#meter.name, brokers, connectTimeoutMs);
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
      if (!flushed && this.#hurried) throw new ClosedError('toTransaction was left while its records were on their way: they come again.');
    }
    let seen;
    do {
      seen = this.#reports;
      await turn();
      await turn();
    } while (seen !== this.#reports);
    if (this.#failure !== undefined) throw await this.#reasonOf(this.#failure);
  }

  #reported(error: RdkafkaError | null, report: DeliveryReport): void {
    this.#reports += 1;
    if (error === null) return;
    // What was purged by an abort belongs to a transaction that is over.
    const record = this.#records[(report.opaque as number) - this.#firstId];
    if (record === undefined) return;
    const failure = { record, code: codeOf(error), partition: report.partition, cause: error };
    // Of several the one that ends the stream: the others may only be its consequence.
    if (this.#failure === undefined || (!isLasting(this.#failure) && isLasting(failure))) this.#failure = failure;
  }

  /** A record that was thrown out does not say why the client has given its transaction up. Asked to begin another one, the client does. */
  async #reasonOf(failure: Failure): Promise<KafkaRxError> {
    if (failure.code !== PURGED) return deliveryErrorOf(failure);
    const reason = await this.#step('write its records', (done) => {
      this.#producer.beginTransaction(done);
    }).then(
      () => undefined,
      (error: unknown) => error as BrokerError | FencedError,
    );
    if (reason === undefined || (reason instanceof BrokerError && reason.kafkaCode === WRONG_STATE)) return deliveryErrorOf(failure);
    if (!(reason instanceof BrokerError) || reason.retriable) return reason;
    return deliveryErrorOf({ ...failure, code: reason.kafkaCode, cause: reason.cause as RdkafkaError });
  }

  /** A step that was not answered in time goes on when it is asked for again. */
  async #insist(what: string, start: (done: Done) => void): Promise<void> {
    for (let tries = 1; ; tries += 1) {
      try {
        await this.#step(what, start);
        return;
      } catch (error) {
        const { cause } = error as { readonly cause?: TransactionError };
        if (tries === TRIES || this.#hurried || cause?.isRetriable !== true) throw error;
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

  #fenced(): string {
    const who = `the producer with the transactional id ${this.#id} was fenced`;
    const openMs = Math.round(performance.now() - this.#begunAt);
    if (this.#begunAt > 0 && openMs >= this.#timeoutMs)
      return (
        `${who}: its transaction was open for ${openMs} ms, which is longer than \`transaction.timeout.ms\` (${this.#timeoutMs}), so the brokers have ended it. ` +
        'They could not be reached for so long, or this process stood still; or another one with this id has started'
      );
    return `${who}: another one with this id has started. Give each instance an id of its own`;
  }

  #error(what: string, cause: TransactionError): BrokerError | FencedError {
    const { code } = cause;
    if (FENCED.has(code)) return new FencedError(`${this.#fenced()}; what was not committed comes again.`, []);
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
