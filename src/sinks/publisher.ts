import type { Observable, SchedulerLike } from 'rxjs';
import { asyncScheduler, endWith, ignoreElements, map, takeUntil, timer } from 'rxjs';
import { ClosedError, InvalidRecordError, KafkaRxError, OptionError } from '../errors.js';
import type { Client, Kafka, Properties } from '../kafka.js';
import { checkOptions, timerMs } from '../options.js';
import type { ProducerHeaders, ProducerRecord } from '../record.js';
import { TOPIC_NAME, isTopicName } from '../topicName.js';
import { Dispatcher } from './dispatcher.js';
import { MOST_HEADERS, frameBytes } from './frame.js';
import { KafkaOutlet } from './kafkaOutlet.js';
import { outgoing } from './outgoing.js';
import type { ProducerMeter } from './producerMeter.js';
import { meterOf } from './producerMeter.js';
import type { PublishOutcome, Tell } from './publishOutcome.js';
import type { PublisherState, PublisherStats, Rejection } from './publisherStats.js';
import { SpillDirectory } from './spillDirectory.js';

export interface PublisherOptions {
  /** Where messages go that name no topic of their own. */
  readonly topic: string;
  /**
   * The directory that keeps what Kafka does not take, on a local disk. It is made if it is not there, and belongs to one publisher at a time.
   * What lies in it is not encrypted; only this user can read it.
   */
  readonly spill: string;
  /**
   * How many messages may be in memory, on their way to Kafka or to the disk. Default 10,000. From half of it on, new ones go to the disk also
   * while Kafka is there; when it is full, `send` rejects them. Too low, and a burst goes by the disk; too high, and a crash loses more.
   */
  readonly maxQueued?: number;
  /** The same in bytes. Default 32 MiB. */
  readonly maxQueuedBytes?: number;
  /** What is larger is rejected. Default 1,000,000 bytes, which is what brokers take unless told otherwise; raise both, or they refuse it. */
  readonly maxMessageBytes?: number;
  /** How many bytes the files may take. Default 1 GiB. What comes when it is used up is dropped; what is there stays. */
  readonly maxSpillBytes?: number;
  /** Messages that were on disk for longer are dropped. Default 7 days. Too short, and a long weekend without Kafka loses some. */
  readonly maxSpillAgeMs?: number;
  /** How often a delivery is tried again before the message goes to the disk. Default 2; with 0 every failure goes there at once. */
  readonly retries?: number;
  /** How long one try may take. Default 5,000 ms. Too short, and a slow broker gets messages twice; too long, and a crash loses more. */
  readonly attemptTimeoutMs?: number;
  /** Waits between tries and between probes double from 100 ms up to this, half of it by chance. Default 5,000 ms: so late may a return of Kafka be noticed. */
  readonly maxBackoffMs?: number;
  /** How long a broker may take to answer a probe. Default 5,000 ms. Too short, and a slow network is taken for none. */
  readonly probeTimeoutMs?: number;
  /**
   * `'none'` (default): when Kafka is back, new messages go straight to it, and overtake those on disk. `'key'`: what is on disk goes first, and messages with the
   * same topic and key arrive in the order of `send`. Then of each key one message is on its way at a time, so one key is as fast as
   * Kafka acknowledges; messages without a key have no order.
   */
  readonly order?: 'none' | 'key';
  /** How often `stats$` emits. Default 1,000 ms. */
  readonly statsEveryMs?: number;
  /** How long `close()` waits for Kafka before it brings the rest to the disk. Default 5,000 ms. */
  readonly closeTimeoutMs?: number;
  /** Keeps the time. Default `asyncScheduler`. */
  readonly scheduler?: SchedulerLike;
  /** More settings for this sink's client, under librdkafka's names. Default: none. */
  readonly properties?: Properties;
  /** More topic settings, under librdkafka's names. Default: none. */
  readonly topicProperties?: Properties;
}

export interface SendOptions {
  /** Default: the publisher's. */
  readonly topic?: string;
  readonly headers?: ProducerHeaders;
  /** Is told once what became of the message: before `send` returns if it is rejected, else later. */
  readonly onOutcome?: (outcome: PublishOutcome) => void;
}

/** Whether a message was taken. If not, nothing will be done about it. */
export type SendResult = { readonly accepted: true } | { readonly accepted: false; readonly reason: Rejection; readonly error: Error };

const OPTIONS = {
  topic: 'text',
  spill: 'text',
  maxQueued: 'positive',
  maxQueuedBytes: 'positive',
  maxMessageBytes: 'positive',
  maxSpillBytes: 'positive',
  maxSpillAgeMs: 'positive',
  retries: 'count',
  attemptTimeoutMs: 'positive',
  maxBackoffMs: 'positive',
  probeTimeoutMs: 'positive',
  order: ['none', 'key'],
  statsEveryMs: 'positive',
  closeTimeoutMs: 'count',
  scheduler: 'object',
  properties: 'object',
  topicProperties: 'object',
} as const;
const MIB = 1_024 * 1_024;
const WEEK_MS = 7 * 24 * 60 * 60 * 1_000;
const ACCEPTED: SendResult = { accepted: true };

/**
 * A producer for those who must never wait: `send` returns at once, and what Kafka does not take goes to the disk until it does.
 *
 * Nothing that was reported as `'disk'` is lost in a crash, at whatever moment: it comes again when the next publisher opens the directory.
 * It may then come twice, as may what is tried again. What is only in memory is lost with the process: that is the price of not waiting.
 * Messages to a topic that does not exist stay on disk until it does, or until they are too old; an `'error'` event names it, and others pass them.
 *
 * ```text
 * Kafka      up---------away-----------up------------
 * send       a--b-----c---d----e----f----g-----------
 * outcomes   --a--b--------c----d----e-----g--f------     c, d and e by the disk; f comes from there
 * state      kafka------spilling-------replaying--kafka
 * ```
 *
 * Reads what earlier runs have left, and connects, at once. `kafka.close()` closes it too.
 *
 * @throws {OptionError} for a wrong, missing or unknown option, `StoreUnavailableError` if the directory cannot be used, `StoreLockedError` if
 * another publisher has it, `ClientUnavailableError` for settings that the client does not take, `ClosedError` if the `Kafka` was closed. Nothing throws later:
 * what goes wrong then is an outcome, and an `'error'` on `kafka.events$`, once until it goes well again.
 *
 * @example
 * ```ts
 * const metrics = publisher(kafka, { topic: 'orders', spill: './spill' });
 * metrics.send('cpu', JSON.stringify({ load: 0.3 }));
 * metrics.outcomes$.subscribe(({ where, topic }) => console.log(where, topic));
 * await metrics.close();
 * ```
 */
export function publisher(kafka: Kafka, options: PublisherOptions): Publisher {
  return new Publisher(kafka, options);
}

/** What {@link publisher} makes. */
export class Publisher implements AsyncDisposable {
  readonly #topic: string;
  readonly #maxMessageBytes: number;
  readonly #statsEveryMs: number;
  readonly #scheduler: SchedulerLike;
  readonly #dispatcher: Dispatcher;
  readonly #outlet: KafkaOutlet;
  readonly #spill: SpillDirectory;
  readonly #meter: ProducerMeter;
  readonly #unregister: () => void;
  #closing: Promise<void> | undefined;

  /** @internal */
  constructor(kafka: Kafka, options: PublisherOptions) {
    checkOptions('publisher', options, OPTIONS, ['topic', 'spill']);
    if (!isTopicName(options.topic)) throw new OptionError(`publisher: \`topic\` is a topic: ${TOPIC_NAME}.`);
    const { scheduler = asyncScheduler, maxMessageBytes = 1_000_000, attemptTimeoutMs = 5_000 } = options;
    this.#topic = options.topic;
    this.#maxMessageBytes = maxMessageBytes;
    this.#statsEveryMs = timerMs(options.statsEveryMs ?? 1_000);
    this.#scheduler = scheduler;
    const meter = (this.#meter = meterOf(kafka, 'publisher', { statsEveryMs: options.statsEveryMs }));
    const client: Client = { kind: 'sink', producerStats$: meter.stats$, close: () => this.close() };
    this.#unregister = kafka.register(client);
    const onTrouble = (error: Error): void => {
      kafka.emit({ type: 'error', client: 'publisher', error });
    };
    let outlet: KafkaOutlet | undefined;
    try {
      this.#outlet = outlet = new KafkaOutlet(kafka, {
        meter,
        properties: options.properties ?? {},
        topicProperties: { 'message.timeout.ms': Math.ceil(timerMs(attemptTimeoutMs)), ...options.topicProperties },
        probeTimeoutMs: Math.ceil(timerMs(options.probeTimeoutMs ?? 5_000)),
        onAllBrokersDown: () => {
          this.#dispatcher.suspect();
        },
      });
      this.#spill = new SpillDirectory(options.spill, {
        quotaBytes: options.maxSpillBytes ?? 1_024 * MIB,
        now: () => scheduler.now(),
        onDamage: (error) => {
          this.#dispatcher.damaged(error);
        },
      });
    } catch (error) {
      this.#unregister();
      meter.stop();
      void outlet?.close();
      throw error;
    }
    this.#dispatcher = new Dispatcher(this.#outlet, this.#spill, {
      maxQueued: options.maxQueued ?? 10_000,
      maxQueuedBytes: options.maxQueuedBytes ?? 32 * MIB,
      retries: options.retries ?? 2,
      maxBackoffMs: timerMs(options.maxBackoffMs ?? 5_000),
      maxSpillAgeMs: options.maxSpillAgeMs ?? WEEK_MS,
      order: options.order ?? 'none',
      closeTimeoutMs: timerMs(options.closeTimeoutMs ?? 5_000),
      spillPath: options.spill,
      scheduler,
      onTrouble,
    });
    this.#dispatcher.start();
  }

  /** What became of every message, replayed ones included. Hot; never errors, and completes at `close()`. */
  get outcomes$(): Observable<PublishOutcome> {
    return this.#dispatcher.outcomes$;
  }

  /** Where messages go, now and at every change. Completes at `close()`. */
  get state$(): Observable<PublisherState> {
    return this.#dispatcher.state$;
  }

  /** `stats()`, at once and every `statsEveryMs`. Completes at `close()`. */
  get stats$(): Observable<PublisherStats> {
    return timer(0, this.#statsEveryMs, this.#scheduler).pipe(
      map(() => this.stats()),
      takeUntil(this.state$.pipe(ignoreElements(), endWith(undefined))),
    );
  }

  /** Counts since the start or the last `resetStats()`, and what is held now. */
  stats(): PublisherStats {
    return this.#dispatcher.stats();
  }

  /** Begins to count anew. What is held does not change. */
  resetStats(): void {
    this.#dispatcher.resetStats();
  }

  /**
   * Takes a message, or says why not; never waits and never throws.
   *
   * Its buffers are not copied: they must not be changed before its outcome is known. Its timestamp is now, also when it arrives much later.
   */
  send(key: Buffer | string | null, value: Buffer | string | null, options: SendOptions = {}): SendResult {
    const { topic, headers, onOutcome } = options;
    return this.offer({ key, value, ...(topic === undefined ? {} : { topic }), ...(headers === undefined ? {} : { headers }) }, onOutcome);
  }

  /** @internal */
  offer(record: ProducerRecord, tell: Tell | undefined): SendResult {
    let made;
    try {
      made = outgoing(record, this.#topic, (topic) => topic, this.#outlet.headerValues);
    } catch (error) {
      return this.#reject('invalid', undefined, null, error as Error, tell);
    }
    const { topic, key, headers } = made;
    if (headers.length > MOST_HEADERS) {
      const message = `a message to ${topic} has ${headers.length} headers: ${MOST_HEADERS} are what fits onto the disk.`;
      return this.#reject('invalid', topic, key, new InvalidRecordError(message), tell);
    }
    const bytes = frameBytes(made);
    if (bytes > this.#maxMessageBytes) {
      const message = `a message to ${topic} is too large: ${bytes} bytes, ${this.#maxMessageBytes} are allowed. Make it smaller, or raise \`maxMessageBytes\`.`;
      return this.#reject('too-large', topic, key, new InvalidRecordError(message), tell);
    }
    const reason = this.#dispatcher.accept({ ...made, timestamp: made.timestamp ?? this.#scheduler.now() }, tell);
    if (reason === undefined) return ACCEPTED;
    const error =
      reason === 'closed'
        ? new ClosedError('this publisher was closed: make a new one to send more.')
        : new KafkaRxError(
            `a message to ${topic} was not taken: ${this.stats().queued.messages} wait for Kafka or for the disk. Send slower, or raise \`maxQueued\` or \`maxQueuedBytes\`.`,
            { code: 'QUEUE_FULL', retriable: true },
          );
    return this.#reject(reason, topic, key, error, tell);
  }

  /**
   * Waits for what is on its way, for `closeTimeoutMs` at most, and brings the rest to the disk. Then the directory is free for the next one.
   *
   * Calling it again gives the same promise; it never rejects.
   */
  close(): Promise<void> {
    this.#closing ??= (async () => {
      await new Promise<void>((resolve) => {
        this.#dispatcher.close(resolve);
      });
      this.#meter.stop();
      await this.#outlet.close();
      await this.#spill.close();
      this.#unregister();
    })();
    return this.#closing;
  }

  [Symbol.asyncDispose](): Promise<void> {
    return this.close();
  }

  #reject(reason: Rejection, topic: string | undefined, key: Buffer | null, error: Error, tell: Tell | undefined): SendResult {
    this.#dispatcher.reject(reason, { topic, key }, error, tell);
    return { accepted: false, reason, error };
  }
}
