import type { ObservableInput, OperatorFunction, Subscriber } from 'rxjs';
import { Observable, from } from 'rxjs';
import type { OnFailure } from './failures.js';
import { Failures } from './failures.js';
import { listen } from './listen.js';
import { Parts } from './parts.js';
import type { Lane, Positioned } from './position.js';
import { LANE } from './position.js';
import { isPromiseLike } from './promiseLike.js';
import type { KafkaRecord } from './record.js';
import type { RetryPolicy } from './retries.js';
import { Retries } from './retries.js';
import type { Order, Turn } from './turns.js';
import { Turns } from './turns.js';

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

export const PROCESS_OPTIONS = { concurrency: 'positive', order: ['key', 'partition', 'none'], onError: 'function' } as const;
const DEFAULT_CONCURRENCY = 16;

/** The record that becomes of what the work on a `KafkaRecord<V, K>` gives. */
export type Processed<V, K, O> =
  Extract<O, Positioned> | ([Exclude<O, Positioned>] extends [never] ? never : KafkaRecord<ValueOf<Exclude<O, Positioned>, V>, K>);

/** What is nothing leaves the value as it was. */
// eslint-disable-next-line @typescript-eslint/no-invalid-void-type
type ValueOf<O, V> = O extends void | undefined ? V : O;

/** Which attempt the work on a record is. */
export interface Attempt {
  /** 1 for the first. */
  readonly attempt: number;
}

/** Records that never fail share it. */
const FIRST: Attempt = Object.freeze({ attempt: 1 });

export type Project<V, K, O> = (record: KafkaRecord<V, K>, attempt: Attempt) => ObservableInput<O>;

/** Works on several records at a time, in order; with a policy, what fails is tried again. */
export function processing<V, K, O>(
  project: Project<V, K, O>,
  options: ProcessRecordOptions<KafkaRecord<V, K>>,
  policy?: RetryPolicy,
): OperatorFunction<KafkaRecord<V, K>, Processed<V, K, O>> {
  return (source) =>
    new Observable((subscriber) => {
      const processing = new Processing(subscriber, { project, options, policy });
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

/** What is asked for. */
interface Settings<V, K, O> {
  readonly project: Project<V, K, O>;
  readonly options: ProcessRecordOptions<KafkaRecord<V, K>>;
  readonly policy: RetryPolicy | undefined;
}

/** The state of one subscription. */
class Processing<V, K, O> {
  readonly #subscriber: Subscriber<Processed<V, K, O>>;
  readonly #project: Project<V, K, O>;
  readonly #failures: Failures<KafkaRecord<V, K>> | undefined;
  readonly #turns: Turns<KafkaRecord<V, K>>;
  readonly #retries: Retries<KafkaRecord<V, K>> | undefined;
  #completed = false;

  constructor(subscriber: Subscriber<Processed<V, K, O>>, { project, options, policy }: Settings<V, K, O>) {
    const { concurrency = DEFAULT_CONCURRENCY, order = 'key', onError } = options;
    this.#subscriber = subscriber;
    this.#project = project;
    this.#failures = onError === undefined ? undefined : new Failures(subscriber, onError);
    const turns = (this.#turns = new Turns<KafkaRecord<V, K>>({
      concurrency,
      order,
      start: (turn) => {
        this.#start(turn);
      },
    }));
    if (policy === undefined) return;
    this.#retries = new Retries(policy, {
      pause: (turn) => {
        turns.pause(turn);
      },
      resume: (turn) => {
        turns.resume(turn);
        this.#completeWhenDone();
      },
    });
    subscriber.add(this.#retries.attachments);
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
    switch (this.#retries?.begin(turn)) {
      case 'later':
        return;
      case 'elsewhere':
        release(turn);
        this.#end(turn);
        return;
      default:
        this.#work(turn);
    }
  }

  #work(turn: Turn<KafkaRecord<V, K>>): void {
    turn.attempt += 1;
    const { attempt } = turn;
    let result;
    try {
      result = this.#project(turn.record, attempt === 1 ? FIRST : { attempt });
      if (!isPromiseLike(result)) result = from(result);
    } catch (error) {
      this.#failed(turn, error);
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
        this.#subscriber.next(inPlaceOf(record, turn.parts?.add() ?? record[LANE], output));
        this.#done(turn);
      },
      (error: unknown) => {
        this.#failed(turn, error);
      },
    );
  }

  #subscribe(turn: Turn<KafkaRecord<V, K>>, results$: Observable<O>): void {
    const { record } = turn;
    const parts = (turn.parts ??= new Parts(record[LANE], record.offset));
    listen(results$, this.#subscriber, {
      next: (output) => {
        this.#subscriber.next(inPlaceOf(record, parts.add(), output));
      },
      error: (error) => {
        this.#failed(turn, error);
      },
      complete: () => {
        this.#done(turn);
      },
    });
  }

  #failed(turn: Turn<KafkaRecord<V, K>>, error: unknown): void {
    if (this.#subscriber.closed) return;
    try {
      if (this.#retries?.takes(turn, error) === true) return;
    } catch (problem) {
      this.#subscriber.error(problem);
      return;
    }
    if (this.#failures === undefined) {
      this.#subscriber.error(error);
      return;
    }
    const { record, parts, attempt: attempts } = turn;
    this.#failures.add({ record: parts === undefined ? record : { ...record, [LANE]: parts.add() }, error, attempts });
    this.#done(turn);
  }

  /** No more comes of it. */
  #done(turn: Turn<KafkaRecord<V, K>>): void {
    if (this.#subscriber.closed) return;
    turn.parts?.complete();
    this.#end(turn);
  }

  #end(turn: Turn<KafkaRecord<V, K>>): void {
    this.#turns.end(turn);
    this.#completeWhenDone();
  }

  #completeWhenDone(): void {
    if (!this.#completed || this.#turns.size > 0 || this.#subscriber.closed) return;
    if (this.#failures === undefined) this.#subscriber.complete();
    else this.#failures.complete();
  }
}

/** It comes again as a whole. */
function release({ record, parts }: Turn<KafkaRecord<unknown, unknown>>): void {
  if (parts === undefined) record[LANE].release(record.offset);
  else parts.close({ released: true });
}

function inPlaceOf<V, K, O>(record: KafkaRecord<V, K>, lane: Lane, output: O): Processed<V, K, O> {
  if (output === undefined) return (lane === record[LANE] ? record : { ...record, [LANE]: lane }) as Processed<V, K, O>;
  if (isPositioned(output)) return { ...output, offset: record.offset, [LANE]: lane } as Processed<V, K, O>;
  return { ...record, value: output, [LANE]: lane } as Processed<V, K, O>;
}

function isPositioned(value: unknown): value is Positioned {
  return typeof value === 'object' && value !== null && LANE in value;
}
