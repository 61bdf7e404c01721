import type { ObservableInput, OperatorFunction, Subscriber } from 'rxjs';
import { Observable, from } from 'rxjs';
import { OptionError } from '../errors.js';
import type { OnFailure } from '../failures.js';
import { Failures } from '../failures.js';
import { listen } from '../listen.js';
import { checkOptions } from '../options.js';
import { Parts } from '../parts.js';
import type { Lane, Positioned } from '../position.js';
import { LANE } from '../position.js';
import type { KafkaRecord } from '../record.js';
import type { Order, Turn } from '../turns.js';
import { Turns } from '../turns.js';

export interface ProcessRecordOptions<R extends Positioned> {
  /**
   * How many records are worked on at the same time. Default 16. More than work that waits (for a database, a service) can bear harms that; up
   * to an eighth of it is kept for partitions that have nothing under way.
   */
  readonly concurrency?: number;
  /**
   * What waits for what. `'key'` (default): a record waits until those before it with the same key, byte by byte, are done; records without a
   * key wait for none. `'partition'`: one at a time in each partition. `'none'`: no order.
   */
  readonly order?: Order;
  /**
   * What becomes of a record whose work fails: an operator that takes failed records, such as `deadLetter(…)`. The record is finished when
   * that has passed it on; the next one of its key goes on meanwhile. Default: the error ends the stream, and the record comes again.
   */
  readonly onError?: OnFailure<R>;
}

const OPTIONS = { concurrency: 'positive', order: ['key', 'partition', 'none'], onError: 'function' } as const;
const DEFAULT_CONCURRENCY = 16;

/** The record that becomes of what the work on a `KafkaRecord<V, K>` gives. */
export type Processed<V, K, O> =
  Extract<O, Positioned> | ([Exclude<O, Positioned>] extends [never] ? never : KafkaRecord<ValueOf<Exclude<O, Positioned>, V>, K>);

/** What is nothing leaves the value as it was. */
// eslint-disable-next-line @typescript-eslint/no-invalid-void-type
type ValueOf<O, V> = O extends void | undefined ? V : O;

/**
 * Works on several records at a time, and keeps the order that matters.
 *
 * Each value that `project` gives goes on in the record's place: as its new value, or, if it is a record itself, as the record. `undefined`,
 * as of an `async` function that returns nothing, leaves the record as it was. A record is finished when everything that it became is finished
 * and no more can come; one that became nothing is finished at once.
 *
 * ```text
 * records   --a--b--c--------|     a and b have the same key
 *           processRecord(work)    work takes four frames
 * result    ------A---B-C----|
 * ```
 *
 * A record waits here for those before it, and counts as in flight: no more than the source's `maxInFlight` do. A partition or a key that is
 * slow holds up no other as long as there are places and credits left.
 *
 * @param project The work: gives a promise, an Observable, or anything else that `from` takes.
 * @returns The results, in the order in which the work is done. Errors with what `project` throws, or its result errors with, unless `onError` says otherwise.
 * @throws {OptionError} for a wrong or unknown option.
 *
 * @example
 * ```ts
 * orders$.pipe(
 *   processRecord((order) => charge(order.value), { concurrency: 16, order: 'key' }),
 *   toTopic(kafka, 'invoices', (paid) => ({ key: paid.key, value: paid.value })),
 *   commit(),
 * );
 * ```
 */
export function processRecord<V, K, O>(
  project: (record: KafkaRecord<V, K>) => ObservableInput<O>,
  options: ProcessRecordOptions<NoInfer<KafkaRecord<V, K>>> = {},
): OperatorFunction<KafkaRecord<V, K>, Processed<V, K, O>> {
  checkOptions('processRecord', options, OPTIONS);
  if (typeof project !== 'function') throw new OptionError('processRecord: the first argument is a function of the record.');
  return (source) =>
    new Observable((subscriber) => {
      const processing = new Processing(subscriber, project, options);
      listen(source, subscriber, {
        next: (record) => {
          processing.next(record);
        },
        complete: () => {
          processing.sourceCompleted();
        },
      });
    });
}

/** The state of one subscription. */
class Processing<V, K, O> {
  readonly #subscriber: Subscriber<Processed<V, K, O>>;
  readonly #project: (record: KafkaRecord<V, K>) => ObservableInput<O>;
  readonly #failures: Failures<KafkaRecord<V, K>> | undefined;
  readonly #turns: Turns<KafkaRecord<V, K>>;
  #completed = false;

  constructor(
    subscriber: Subscriber<Processed<V, K, O>>,
    project: (record: KafkaRecord<V, K>) => ObservableInput<O>,
    { concurrency = DEFAULT_CONCURRENCY, order = 'key', onError }: ProcessRecordOptions<KafkaRecord<V, K>>,
  ) {
    this.#subscriber = subscriber;
    this.#project = project;
    this.#failures = onError === undefined ? undefined : new Failures(subscriber, onError);
    this.#turns = new Turns({
      concurrency,
      order,
      start: (turn) => {
        this.#start(turn);
      },
    });
  }

  next(record: KafkaRecord<V, K>): void {
    this.#turns.add(record);
  }

  sourceCompleted(): void {
    this.#completed = true;
    this.#completeWhenDone();
  }

  #start(turn: Turn<KafkaRecord<V, K>>): void {
    if (this.#subscriber.closed) return;
    const { record } = turn;
    let result;
    try {
      result = this.#project(record);
      if (!isPromiseLike(result)) result = from(result);
    } catch (error) {
      this.#failed(record, error);
      this.#end(turn);
      return;
    }
    if (isPromiseLike(result)) this.#await(turn, result);
    else this.#subscribe(turn, result);
  }

  /** One result: the record's own lane will do. */
  #await(turn: Turn<KafkaRecord<V, K>>, result: PromiseLike<O>): void {
    const { record } = turn;
    result.then(
      (output) => {
        if (this.#subscriber.closed) return;
        this.#subscriber.next(inPlaceOf(record, record[LANE], output));
        this.#end(turn);
      },
      (error: unknown) => {
        if (this.#subscriber.closed) return;
        this.#failed(record, error);
        this.#end(turn);
      },
    );
  }

  #subscribe(turn: Turn<KafkaRecord<V, K>>, results$: Observable<O>): void {
    const { record } = turn;
    const parts = new Parts(record[LANE], record.offset);
    listen(results$, this.#subscriber, {
      next: (output) => {
        this.#subscriber.next(inPlaceOf(record, parts.add(), output));
      },
      error: (error) => {
        this.#failed({ ...record, [LANE]: parts.add() }, error);
        parts.complete();
        this.#end(turn);
      },
      complete: () => {
        parts.complete();
        this.#end(turn);
      },
    });
  }

  #failed(record: KafkaRecord<V, K>, error: unknown): void {
    if (this.#failures === undefined) this.#subscriber.error(error);
    else this.#failures.add({ record, error });
  }

  #end(turn: Turn<KafkaRecord<V, K>>): void {
    if (this.#subscriber.closed) return;
    this.#turns.end(turn);
    this.#completeWhenDone();
  }

  #completeWhenDone(): void {
    if (!this.#completed || this.#turns.size > 0 || this.#subscriber.closed) return;
    if (this.#failures === undefined) this.#subscriber.complete();
    else this.#failures.complete();
  }
}

function inPlaceOf<V, K, O>(record: KafkaRecord<V, K>, lane: Lane, output: O): Processed<V, K, O> {
  if (output === undefined) return (lane === record[LANE] ? record : { ...record, [LANE]: lane }) as Processed<V, K, O>;
  if (isPositioned(output)) return { ...output, offset: record.offset, [LANE]: lane } as Processed<V, K, O>;
  return { ...record, value: output, [LANE]: lane } as Processed<V, K, O>;
}

function isPositioned(value: unknown): value is Positioned {
  return typeof value === 'object' && value !== null && LANE in value;
}

function isPromiseLike<T>(value: ObservableInput<T>): value is PromiseLike<T> {
  return typeof (value as Partial<PromiseLike<T>> | undefined)?.then === 'function';
}
