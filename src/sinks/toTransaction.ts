import type { MonoTypeOperatorFunction, Subscriber } from 'rxjs';
import { Observable, Subscription } from 'rxjs';
import { assertPositioned } from '../assertPositioned.js';
import { ClosedError, OptionError } from '../errors.js';
import type { Client, Kafka, Properties } from '../kafka.js';
import { listen } from '../listen.js';
import { checkOptions } from '../options.js';
import type { Journal, Positioned } from '../position.js';
import { LANE } from '../position.js';
import type { KafkaRecord, ProducerRecord } from '../record.js';
import { TOPIC_NAME, isTopicName } from '../topicName.js';
import type { Outgoing } from './outgoing.js';
import { forward, outgoing } from './outgoing.js';
import type { ProducerMeter } from './producerMeter.js';
import { meterOf } from './producerMeter.js';
import type { ProducerStats } from './producerStats.js';
import type { Outgoings } from './toTopic.js';
import { TransactionalProducer } from './transactionalProducer.js';
import { Transactions } from './transactions.js';

export interface ToTransactionOptions {
  /**
   * The name under which brokers know this writer, from one run to the next: stable, and another one for each instance that runs at the same
   * time, as `billing-${slot}`. One that starts ends what the last one with its name left open, and fences it if it still lives; two at the
   * same time put each other out. Only speed hangs on it, that no record is doubled or lost is ensured by the group: under a new name what the
   * last run left open ends by `transaction.timeout.ms`, and holds up readers and the next owner of its partitions until then.
   */
  readonly transactionalId: string;
  /** How long finished inputs may wait for others before their transaction begins. Default 100 ms. Readers see them so much later; shorter costs more transactions. */
  readonly everyMs?: number;
  /** Begins a transaction earlier, when so many inputs are finished. Default: unbounded, which is as many as the source's `maxInFlight`. */
  readonly everyRecords?: number;
  /** More settings for this sink's client, under librdkafka's names. Default: none; `transaction.timeout.ms` is 10,000. */
  readonly properties?: Properties;
  /** More topic settings, under librdkafka's names: `compression.codec`. Default: none. */
  readonly topicProperties?: Properties;
  /**
   * Called with the statistics of each subscription every `statsEveryMs`, and once more when it ends. Default: none. What it throws is an `error`
   * event, and changes nothing for the records.
   */
  readonly onStats?: (stats: ProducerStats) => void;
  /** How often statistics are sampled while somebody listens. Default 1,000 ms. */
  readonly statsEveryMs?: number;
}

const OPTIONS = {
  transactionalId: 'text',
  everyMs: 'count',
  everyRecords: 'positive',
  properties: 'object',
  topicProperties: 'object',
  onStats: 'function',
  statsEveryMs: 'positive',
} as const;
const DEFAULT_EVERY_MS = 100;
/** How long a closed client waits for inputs before it gives up its stream. */
const CLOSE_TIMEOUT_MS = 5_000;

/**
 * Writes records to Kafka exactly once: in one transaction with the offsets of the records that they were made of.
 *
 * It stands last, in place of `commit()`, below a source with `groupOffsets(kafka)`. Readers with `read_committed` see what became of each
 * input once, whatever crashes, freezes or moves to another member; others see aborted transactions too. A transaction holds exactly what became
 * of the records between the group's old offset and its new one: what is ready ahead of an older record waits for that one, and counts as in
 * flight. What is dropped on the way (`filterValue`) is covered as well; what `release()` lets go is not, and nothing after it in its partition.
 *
 * ```text
 * inputs    --a--b-----c--|
 *           toTransaction(kafka, 'out', …)     a transaction begins every 5 frames and takes two
 * result    ---------(ab)-----c|
 * ```
 *
 * Inputs go on when their transaction is committed, in the order in which they came to it. A transaction that fails is aborted and tried again, and
 * an `error` event says why; where its end is unknown, what the group has committed decides. Partitions are given away only when it is decided what
 * becomes of the transaction with their offsets.
 *
 * @param topic Where to write, or a function of the input; a record's own `topic` goes first.
 * @param to One record, several, or none for an input. Default: the input's own key, value and headers.
 * @returns The inputs. Errors with `FencedError` when another instance took its `transactionalId`, `DeliveryError` when a record is refused (nothing
 * of its transaction is then visible, and its inputs come again), `InvalidRecordError`, `BrokerUnavailableError`, `BrokerError` when the id is, `ClosedError`,
 * with what `to` throws, with why the last transaction failed where the source has ended and `drainTimeoutMs` was not enough to
 * commit what was left (it comes again), or with an `OptionError` at the first record of a source that keeps its offsets elsewhere (`openOffsets`, `memoryOffsets`).
 * @throws {OptionError} at once, for a wrong, missing or unknown option.
 *
 * @example
 * ```ts
 * fromTopic(kafka, 'orders', { group: 'billing', offsets: groupOffsets(kafka) }).pipe(
 *   processRecord((order) => charge(order.value)),
 *   toTransaction(kafka, 'invoices', (paid) => ({ key: paid.key, value: paid.value }), { transactionalId: 'billing-1' }),
 * );
 * ```
 */
export function toTransaction<T extends KafkaRecord<Buffer | string | null, Buffer | string | null>>(
  kafka: Kafka,
  topic: string | ((input: T) => string),
  options: ToTransactionOptions,
): MonoTypeOperatorFunction<T>;
export function toTransaction<T extends Positioned>(
  kafka: Kafka,
  topic: string | ((input: T) => string),
  to: (input: T) => Outgoings,
  options: ToTransactionOptions,
): MonoTypeOperatorFunction<T>;
export function toTransaction<T extends Positioned>(
  kafka: Kafka,
  topic: string | ((input: T) => string),
  ...rest: [ToTransactionOptions] | [(input: T) => Outgoings, ToTransactionOptions]
): MonoTypeOperatorFunction<T> {
  // Without a function the overload above takes records only.
  const forwards = forward as unknown as (input: T) => Outgoings;
  const [to, options] = rest.length === 1 ? [forwards, rest[0]] : rest;
  checkOptions('toTransaction', options, OPTIONS, ['transactionalId']);
  if (typeof topic !== 'function' && !isTopicName(topic)) {
    throw new OptionError(`toTransaction: the second argument is a topic (${TOPIC_NAME}), or a function of the input that names one.`);
  }
  if (typeof to !== 'function')
    throw new OptionError('toTransaction: the third argument is a function of the input that gives what to write.');
  const topicOf = typeof topic === 'function' ? topic : (): string => topic;
  const recordsOf = (input: T): Outgoing[] => {
    const made = to(input) ?? [];
    return (Array.isArray(made) ? (made as readonly ProducerRecord[]) : [made as ProducerRecord]).map((record) =>
      outgoing(record, input, topicOf, 'text'),
    );
  };
  return (source) =>
    new Observable((subscriber) => {
      const transacting = new Transacting(subscriber, kafka, recordsOf, options);
      const unregister = kafka.register(transacting);
      subscriber.add(() => {
        void transacting.end().then(unregister);
      });
      transacting.start();
      listen(source, subscriber, {
        next: (input) => {
          transacting.next(input);
        },
        complete: () => {
          transacting.sourceCompleted();
        },
      });
    });
}

/** The state of one subscription. */
class Transacting<T extends Positioned> implements Client {
  readonly kind = 'sink';
  readonly #subscriber: Subscriber<T>;
  readonly #recordsOf: (input: T) => readonly Outgoing[];
  readonly #options: ToTransactionOptions;
  readonly #transactions: Transactions<T>;
  readonly #meter: ProducerMeter;
  readonly #journals = new Map<Journal, JournalState>();
  readonly #attachments = new Subscription();
  #completed = false;
  #onEnd: () => void = () => undefined;
  #ended: Promise<void> | undefined;

  constructor(subscriber: Subscriber<T>, kafka: Kafka, recordsOf: (input: T) => readonly Outgoing[], options: ToTransactionOptions) {
    const { transactionalId, properties = {}, topicProperties = {} } = options;
    this.#subscriber = subscriber;
    this.#recordsOf = recordsOf;
    this.#options = options;
    const meter = (this.#meter = meterOf(kafka, `producer ${transactionalId}`, options));
    this.#transactions = new Transactions({
      client: () => new TransactionalProducer(kafka, { transactionalId, meter, properties, topicProperties }),
      onCommitted: (inputs) => {
        for (const input of inputs) subscriber.next(input);
      },
      onError: (error) => {
        kafka.emit({ type: 'error', client: `producer ${transactionalId}`, error });
      },
    });
  }

  get producerStats$(): Observable<ProducerStats> {
    return this.#meter.stats$;
  }

  /** Takes the id over, which fences whoever had it. */
  start(): void {
    this.#meter.start();
    this.#transactions.open().catch((error: unknown) => {
      this.#subscriber.error(error);
    });
  }

  next(input: T): void {
    assertOne(input);
    // A source that emits while it is being subscribed to does not notice that nobody listens any more.
    if (this.#subscriber.closed) return;
    const { [LANE]: lane, offset } = input;
    this.#attachTo(lane.journal);
    const held = { input, lane, offset, records: lane.live ? this.#recordsOf(input) : [] };
    // First, for the record may be all that a transaction waits for.
    this.#transactions.hold(held);
    if (lane.finish(offset)) return;
    this.#transactions.drop(held);
    // What was lost comes again elsewhere.
    if (lane.live) throw finishedBefore(held);
  }

  sourceCompleted(): void {
    this.#completed = true;
    // What other operators finish from now on is not ours to wait for.
    for (const state of this.#journals.values()) state.goal = state.journal.ticket;
    this.#completeWhenCommitted();
  }

  /** Sends nothing more, and lets go of the client. */
  end(): Promise<void> {
    this.#onEnd();
    this.#attachments.unsubscribe();
    this.#ended ??= this.#transactions.close().finally(() => {
      this.#meter.stop();
    });
    return this.#ended;
  }

  /** Gives the stream time to end by itself: its source may be closing as well, with records in flight that are still to be committed. */
  async close(): Promise<void> {
    if (this.#ended === undefined) {
      await new Promise<void>((resolve) => {
        const patience = setTimeout(() => {
          this.#subscriber.error(
            new ClosedError(
              'this Kafka was closed while inputs of toTransaction were still to come or to be committed: end their source first.',
            ),
          );
          resolve();
        }, CLOSE_TIMEOUT_MS);
        this.#onEnd = () => {
          clearTimeout(patience);
          resolve();
        };
      });
    }
    await this.end();
  }

  #attachTo(journal: Journal): void {
    if (this.#journals.has(journal)) return;
    const { everyMs = DEFAULT_EVERY_MS, everyRecords = Infinity } = this.#options;
    const state = { journal, durable: -1, goal: Infinity };
    this.#journals.set(journal, state);
    // First: a source that cannot be used then knows that nobody is left to finish its records.
    this.#attachments.add(journal.attach('durable', { everyMs, everyRecords }));
    journal.commitThrough({ commit: (positions, member) => this.#transactions.commit(positions, member, journal) });
    this.#attachments.add(
      journal.durable$.subscribe({
        next: (durable) => {
          state.durable = Math.max(state.durable, durable);
          this.#completeWhenCommitted();
        },
        error: (error: unknown) => {
          this.#subscriber.error(error);
        },
      }),
    );
  }

  #completeWhenCommitted(): void {
    if (!this.#completed) return;
    for (const { durable, goal } of this.#journals.values()) if (durable < goal) return;
    // The source has left, and nobody commits what still waits.
    const { failure } = this.#transactions;
    if (failure === undefined) this.#subscriber.complete();
    else this.#subscriber.error(failure);
  }
}

interface JournalState {
  readonly journal: Journal;
  durable: number;
  /** The ticket to wait for at the end. */
  goal: number;
}

function assertOne(input: Positioned): void {
  if (Array.isArray(input)) {
    throw new OptionError(
      'toTransaction: an array of records is not taken, for they may belong into different transactions: give it the records, and let `to` answer none for some.',
    );
  }
  assertPositioned('toTransaction', input);
}

function finishedBefore({ lane: { topic, partition }, offset }: Pick<Held, 'lane' | 'offset'>): OptionError {
  return new OptionError(
    `toTransaction: the record at ${topic}/${partition}:${offset} was finished before: what it becomes now cannot be in the transaction that commits ` +
      'its offset. Let `to` answer several records, or use processRecord() where one record becomes several.',
  );
}

interface Held {
  readonly lane: Positioned[typeof LANE];
  readonly offset: number;
}
