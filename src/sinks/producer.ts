import type { Producer } from 'node-rdkafka';
import type { Observable } from 'rxjs';
import { forwardEvents } from '../clientEvents.js';
import { BrokerUnavailableError, ClosedError } from '../errors.js';
import { Fifo } from '../fifo.js';
import type { Client, Kafka, Properties } from '../kafka.js';
import { codeOf } from '../rdkafka.js';
import type { Opening } from './chooseTransport.js';
import { open } from './chooseTransport.js';
import { connectProducer, makeProducer } from './connectProducer.js';
import type { HeaderValues } from './outgoing.js';
import type { ProducerMeter, SendQueue } from './producerMeter.js';
import type { ProducerStats } from './producerStats.js';
import type { Sent, Transport } from './transport.js';
import { limitsOf, sizeOf } from './undelivered.js';

export interface ProducerClientOptions {
  /** Counts what becomes of its records; the client has its name. */
  readonly meter: ProducerMeter;
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
/** So many records are handed over at once; fewer wait for what else comes in the same turn of the event loop. */
const AT_ONCE = 1_000;
/** Without records on their way there are still errors and statistics to serve. */
const IDLE_POLL_MS = 250;
/** How long a closed client waits for inputs before it gives up its stream, and then for reports. */
const CLOSE_TIMEOUT_MS = 5_000;

/** The only place that knows node-rdkafka's producer. Records of one partition are written in the order in which they were sent. */
export class ProducerClient implements Client {
  readonly kind = 'sink';
  readonly #kafka: Kafka;
  readonly #meter: ProducerMeter;
  readonly #release: () => void;
  readonly #onClosed: (error: ClosedError) => void;
  readonly #connectTimeoutMs: number;
  readonly #flushMs: number;
  readonly #producer: Producer;
  readonly #transport: Transport;
  /** Records that wait: for the connection, or for room in the client's queue. */
  readonly #unsent = new Fifo<Sent>();
  /** It had no room for the oldest of them. */
  #full = false;
  #sending: NodeJS.Immediate | undefined;
  #connected = false;
  #connecting: Promise<void> | undefined;
  #closing: Promise<void> | undefined;
  #ending: Promise<void> | undefined;
  #onEnd: () => void = () => undefined;
  #patience: ReturnType<typeof setTimeout> | undefined;
  #pollsOften = false;
  #timer: ReturnType<typeof setTimeout> | undefined;

  constructor(kafka: Kafka, options: ProducerClientOptions) {
    const { meter, properties, topicProperties, onClosed, onAllBrokersDown } = options;
    this.#kafka = kafka;
    this.#meter = meter;
    this.#onClosed = onClosed;
    this.#connectTimeoutMs = options.connectTimeoutMs ?? kafka.connectTimeoutMs;
    this.#flushMs = options.flushMs ?? CLOSE_TIMEOUT_MS;
    const { producer, transport } = open(kafka, {
      ...settingsOf(kafka, properties, topicProperties),
      events: {
        outcomes: meter.outcomes,
        onRefused: (sent, error) => {
          meter.outcomes.failed += 1;
          // Later, as every other outcome: nobody expects an answer inside the call.
          queueMicrotask(() => {
            if (this.#ending === undefined) sent.failed(error);
          });
        },
        onHandedOver: (hasRoom) => {
          this.#full = !hasRoom;
          if (this.#unsent.length > 0) this.#handOver();
        },
        onSettled: () => {
          this.#patience?.refresh();
          const waits = this.#full || this.#unsent.length > 0;
          this.#full = false;
          if (waits) this.#handOver();
        },
      },
    });
    this.#producer = producer;
    this.#transport = transport;
    this.#release = meter.use(() => this.#queue);
    forwardEvents(kafka, producer, {
      name: meter.name,
      onStats: (stats) => {
        meter.note(stats);
      },
    });
    if (onAllBrokersDown !== undefined)
      producer.on('event.error', (error) => {
        if (codeOf(error) === ALL_BROKERS_DOWN) onAllBrokersDown();
      });
  }

  /** What its records may have for headers. */
  get headerValues(): HeaderValues {
    return this.#transport.headerValues;
  }

  get producerStats$(): Observable<ProducerStats> {
    return this.#meter.stats$;
  }

  connect(): Promise<void> {
    this.#connecting ??= this.#connect();
    return this.#connecting;
  }

  /** Takes a record; it goes out as soon as there is a connection and room for it. */
  send(sent: Sent): void {
    if (this.#ending !== undefined) return;
    this.#patience?.refresh();
    this.#unsent.push(this.#meter.timing(sent));
    if (!this.#connected || this.#full) return;
    if (this.#unsent.length >= AT_ONCE) this.#handOver();
    else
      this.#sending ??= setImmediate(() => {
        this.#handOver();
      });
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
    await connectProducer(this.#producer, this.#meter.name, this.#kafka.brokers, this.#connectTimeoutMs);
    this.#connected = true;
    if (this.#ending === undefined) this.#transport.start();
    this.#poll();
  }

  async #end(): Promise<void> {
    clearTimeout(this.#timer);
    clearImmediate(this.#sending);
    this.#unsent.clear();
    this.#transport.stop();
    this.#onEnd();
    await this.#connecting?.catch(() => undefined);
    if (this.#connected)
      await new Promise<void>((resolve) => {
        this.#producer.disconnect(this.#flushMs, () => {
          resolve();
        });
      });
    this.#transport.close();
    this.#release();
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
            `this Kafka was closed while records of the ${this.#meter.name} were still to come or to be acknowledged: end their source first.`,
          ),
        );
    }
    await this.end();
  }

  get #queue(): SendQueue {
    let sendQueueBytes = this.#transport.pendingBytes;
    this.#unsent.forEach(({ record }) => {
      sendQueueBytes += sizeOf(record);
    });
    const inFlight = this.#transport.pending;
    return { sendQueueLength: inFlight + this.#unsent.length, sendQueueBytes, inFlight };
  }

  #handOver(): void {
    clearImmediate(this.#sending);
    this.#sending = undefined;
    if (this.#ending !== undefined || !this.#connected || this.#full) return;
    this.#full = !this.#transport.handOver(this.#unsent);
    if (!this.#pollsOften) this.#schedulePoll();
  }

  #poll(): void {
    if (this.#ending !== undefined) return;
    this.#transport.poll();
    this.#full = false;
    this.#handOver();
    this.#schedulePoll();
  }

  #schedulePoll(): void {
    clearTimeout(this.#timer);
    this.#pollsOften = this.#transport.pending > 0 || this.#unsent.length > 0;
    this.#timer = setTimeout(
      () => {
        this.#poll();
      },
      this.#pollsOften ? this.#transport.pollMs : IDLE_POLL_MS,
    );
    if (!this.#pollsOften) this.#timer.unref();
  }
}

function settingsOf(kafka: Kafka, properties: Properties, topicProperties: Properties): Pick<Opening, 'make' | 'limits'> {
  const settings: Properties = {
    'enable.idempotence': true,
    'linger.ms': 5,
    ...kafka.properties,
    ...properties,
  };
  return {
    make: (reports) => makeProducer({ ...settings, ...reports }, { ...kafka.topicProperties, ...topicProperties }),
    limits: limitsOf(settings),
  };
}
