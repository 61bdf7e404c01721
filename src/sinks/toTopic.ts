import type { OperatorFunction } from 'rxjs';
import { Observable } from 'rxjs';
import { OptionError } from '../errors.js';
import type { Kafka, Properties } from '../kafka.js';
import { listen } from '../listen.js';
import { checkOptions } from '../options.js';
import { TOPIC_NAME, isTopicName } from '../topicName.js';
import type { Delivery, KafkaRecord, ProducerRecord } from '../record.js';
import { InOrder } from './inOrder.js';
import { forward, outgoing } from './outgoing.js';
import { ProducerClient } from './producer.js';
import { meterOf } from './producerMeter.js';
import type { ProducerStats } from './producerStats.js';
import type { Awaited, Waiting } from './recordsOf.js';
import { OneRecord, SomeRecords } from './recordsOf.js';

/** What one input becomes: one record, several, or none. */
export type Outgoings = ProducerRecord | readonly ProducerRecord[] | null | undefined;

/** How a sink's client writes. */
export interface ProducerSettings {
  /** When a record counts as written: by all replicas that are in sync, by the leader alone (`1`), or unasked (`0`). Default `'all'`; others lose records when a broker dies. */
  readonly acks?: 'all' | 0 | 1;
  /** How batches are compressed on their way and in the log. Default: as the topic's `compression.type` says. */
  readonly compression?: 'none' | 'gzip' | 'snappy' | 'lz4' | 'zstd';
  /** For how long a record may wait for others to share a batch with. Default 5 ms. More makes batches larger, a steady high rate cheaper, and records that come alone later. */
  readonly lingerMs?: number;
  /** For how long a record may stay unacknowledged, brokers being away included, before the stream errors. Default 300,000 ms. */
  readonly messageTimeoutMs?: number;
  /** More settings for this sink's client, under librdkafka's names. Default: none. */
  readonly properties?: Properties;
  /** More topic settings, under librdkafka's names: `acks`, `message.timeout.ms`, `compression.codec`. Default: none. */
  readonly topicProperties?: Properties;
  /**
   * Called with the statistics of each subscription every `statsEveryMs`, and once more when it ends. Default: none. What it throws is an `error`
   * event, and changes nothing for the records.
   */
  readonly onStats?: (stats: ProducerStats) => void;
  /** How often statistics are sampled while somebody listens. Default 1,000 ms. */
  readonly statsEveryMs?: number;
}

export interface ToTopicOptions<T, R = T> extends ProducerSettings {
  /** What to pass on instead of the input, once the fate of its records is known: gets where each was written, in the order of the records. */
  readonly result?: (input: T, deliveries: readonly Delivery[]) => R;
  /**
   * What a record that is not acknowledged does: it errors the stream (`'error'`, the default), or its input goes on all the same, and `result`
   * finds the `error` in its delivery (`'result'`). With that, a `commit()` downstream counts what was not written as done, unless you see to it.
   */
  readonly failures?: 'error' | 'result';
}

/** @internal */
export const SETTINGS = {
  acks: ['all', 0, 1],
  compression: ['none', 'gzip', 'snappy', 'lz4', 'zstd'],
  lingerMs: 'count',
  messageTimeoutMs: 'positive',
  properties: 'object',
  topicProperties: 'object',
  onStats: 'function',
  statsEveryMs: 'positive',
} as const;

const OPTIONS = { ...SETTINGS, result: 'function', failures: ['error', 'result'] } as const;

/**
 * Writes records to Kafka, and passes each input on when all of its records are acknowledged.
 *
 * Inputs go on in the order in which they came. Each partition is written in that order too, without duplicates by retries (the producer is
 * idempotent). Equal keys meet those of Java's producers; records without a key are spread.
 *
 * ```text
 * inputs    --a--b-----c--|
 *           toTopic(kafka, 'out')     an acknowledgement takes three frames
 * result    -----a--b-----c|
 * ```
 *
 * It holds what it was given until it is acknowledged: below a Kafka source that is bounded by the source's `maxInFlight`. An error of the
 * source goes on at once; what is not acknowledged by then does not, though it may be written. Closing the `Kafka` lets a stream that is
 * about to end do so; one that does not gets a `ClosedError`.
 *
 * A broker that is away is waited for, up to `messageTimeoutMs`; a full queue keeps what comes waiting, in order. With the addon records go to the
 * client by the window, at the latest at the end of the turn of the event loop that brought them, and headers may be null or any bytes; without it
 * they go one by one, and headers must be text.
 *
 * @param topic Where to write, or a function of the input; a record's own `topic` goes first.
 * @param to One record, several, or none for an input. Default: the input's own key, value and headers.
 * @returns The inputs. Errors with `DeliveryError`, or the class of it that says more (`RecordTooLargeError`, `UnknownDestinationError`,
 * `NotAuthorizedError`, `DeliveryTimeoutError`, `ProducerFencedError`), when a record is not acknowledged, `InvalidRecordError` when it
 * cannot be written as it is, `BrokerUnavailableError`, `ClientUnavailableError` for settings that the client does not take, `ClosedError`, or with what `to` or `result` throw.
 * @throws {OptionError} at once, for a wrong or unknown option.
 *
 * @example
 * ```ts
 * orders$.pipe(
 *   toTopic(kafka, 'invoices', (order) => ({ key: order.key, value: JSON.stringify({ total: 3 }) })),
 *   commit(),
 * );
 * ```
 */
export function toTopic<T extends KafkaRecord<Buffer | string | null, Buffer | string | null>>(
  kafka: Kafka,
  topic: string | ((input: T) => string),
): OperatorFunction<T, T>;
export function toTopic<T, R = T>(
  kafka: Kafka,
  topic: string | ((input: T) => string),
  to: (input: T) => Outgoings,
  options?: ToTopicOptions<T, R>,
): OperatorFunction<T, R>;
export function toTopic<T, R = T>(
  kafka: Kafka,
  topic: string | ((input: T) => string),
  to: (input: T) => Outgoings = forward as unknown as (input: T) => Outgoings,
  options: ToTopicOptions<T, R> = {},
): OperatorFunction<T, R> {
  checkOptions('toTopic', options, OPTIONS);
  if (typeof topic !== 'function' && !isTopicName(topic)) {
    throw new OptionError(`toTopic: the second argument is a topic (${TOPIC_NAME}), or a function of the input that names one.`);
  }
  if (typeof to !== 'function') throw new OptionError('toTopic: the third argument is a function of the input that gives what to write.');
  const topicOf = typeof topic === 'function' ? topic : (): string => topic;
  const { result = (input: T): R => input as unknown as R } = options;
  return (source) =>
    new Observable<R>((subscriber) => {
      const meter = meterOf(kafka, 'producer', options);
      const producer = new ProducerClient(kafka, {
        meter,
        ...clientSettings(options),
        onClosed: (error) => {
          subscriber.error(error);
        },
      });
      let unregister = (): void => undefined;
      subscriber.add(() => {
        meter.stop();
        void producer.end().then(() => {
          unregister();
        });
      });
      unregister = kafka.register(producer);
      meter.start();
      // Unsubscribed from before it had begun: a client that connects now would be let go of by nobody.
      if (subscriber.closed) return;
      const inputs = new InOrder<T, readonly Delivery[], R>(subscriber, result);
      const waiting: Waiting<T> = {
        wantsDeliveries: options.result !== undefined,
        failures: options.failures ?? 'error',
        settle: (entry, deliveries) => {
          inputs.settle(entry, deliveries);
        },
        fail: (error) => {
          subscriber.error(error);
        },
      };
      producer.connect().catch((error: unknown) => {
        subscriber.error(error);
      });
      listen(source, subscriber, {
        next: (input) => {
          const made = to(input) ?? [];
          const { headerValues } = producer;
          const entry = Array.isArray(made)
            ? new SomeRecords(
                input,
                (made as readonly ProducerRecord[]).map((record) => outgoing(record, input, topicOf, headerValues)),
                waiting,
              )
            : new OneRecord(input, outgoing(made as ProducerRecord, input, topicOf, headerValues), waiting);
          inputs.add<Awaited<T>>(entry);
          if (entry instanceof OneRecord) producer.send(entry);
          else if (entry.sents.length === 0) inputs.settle(entry, []);
          else for (const sent of entry.sents) producer.send(sent);
        },
        complete: () => {
          inputs.complete();
        },
      });
    });
}

/** The options that are settings of the client, under librdkafka's names. */
function clientSettings({ acks, compression, lingerMs, messageTimeoutMs, properties, topicProperties }: ProducerSettings) {
  return {
    properties: {
      ...(lingerMs === undefined ? {} : { 'linger.ms': lingerMs }),
      // The client refuses to be idempotent with less.
      ...(acks === undefined || acks === 'all' ? {} : { 'enable.idempotence': false }),
      ...properties,
    },
    topicProperties: {
      ...(acks === undefined ? {} : { acks }),
      ...(compression === undefined ? {} : { 'compression.codec': compression }),
      ...(messageTimeoutMs === undefined ? {} : { 'message.timeout.ms': messageTimeoutMs }),
      ...topicProperties,
    },
  };
}
