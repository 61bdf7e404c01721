import type { MonoTypeOperatorFunction, Subscriber } from 'rxjs';
import { Observable, Subscription } from 'rxjs';
import { assertPositioned } from '../assertPositioned.js';
import type { KafkaRxError } from '../errors.js';
import { FencedError, OptionError } from '../errors.js';
import { Fifo } from '../fifo.js';
import { listen } from '../listen.js';
import { checkOptions } from '../options.js';
import type { Journal, Lane, LostPosition, Positioned } from '../position.js';
import { LANE, bare } from '../position.js';
import type { ApplyState } from '../state.js';

export interface CommitOptions<T> {
  /**
   * Says that the pipeline keeps the order of each partition, so that a record which arrives here finishes all before it. Default `false`.
   * Needed after operators that drop records without a word (`filter`, `distinctUntilChanged`, `throttleTime`): what they drop stays open otherwise.
   * Wrong after operators that reorder (`mergeMap`): a crash would then skip records.
   */
  readonly ordered?: boolean;
  /**
   * When a value goes on. `'passed'` (default): at once, and its record is finished when the downstream's `next` returns.
   * `'durable'`: once the record is remembered on disk, so that whatever happens downstream happens at most once; a value whose partition
   * was lost before that does not go on, it comes again.
   */
  readonly emit?: 'passed' | 'durable';
  /**
   * Changes the user's own state in the transaction that remembers the values' records: after any crash the state is what exactly the finished
   * records made of it. Gets all values that go into one transaction, in the order in which they came here;
   * those that one record became, when the last of them has come. Synchronous, and without other
   * effects, for a transaction may be rolled back. What it throws errors the stream, and nothing of the transaction happened. Default: none.
   * The state is read through the store: `offsets.state(name)`.
   */
  readonly apply?: ApplyState<T>;
  /** A word that is kept with the checkpoint of the value's partition. Default: what was there before. */
  readonly metadata?: string | ((value: T) => string);
  /**
   * Writes at most this often. Default 0: as soon as the last write is done; after one of many records or runs a little later (10 ms, or 4 ms where
   * values wait for it, and 0.5 ms for each thousand runs), so that others join. A crash repeats what was not written; out of credit it writes all the same.
   */
  readonly everyMs?: number;
  /** With `everyMs`: writes earlier, when this many records are finished. Default: unbounded. */
  readonly everyRecords?: number;
}

const OPTIONS = {
  ordered: 'boolean',
  emit: ['passed', 'durable'],
  apply: 'function',
  metadata: 'any',
  everyMs: 'count',
  everyRecords: 'positive',
} as const;

/**
 * Remembers which records are finished, and passes its values on unchanged.
 *
 * A record counts as finished when it, or an array that holds it, has reached `commit()` and the downstream has returned from `next`. What is
 * remembered is exact: whatever order the work finished in, a crash repeats unfinished records only, and skips none. It completes after the
 * last write is on disk.
 *
 * ```text
 * values    --a--b-----c--|
 *           commit()             a write takes three frames
 * result    --a--b-----c--|
 * on disk   -----1--2-----3      the first offset that is not finished
 * ```
 *
 * Put the work above it: an error above `commit()` leaves its record unfinished, one thrown in the final subscriber does not.
 *
 * @returns The same values. Errors with the store's error when a write fails.
 * @throws {OptionError} for a wrong or unknown option.
 *
 * @example
 * ```ts
 * fromTopic(kafka, 'orders', { group: 'billing', offsets }).pipe(
 *   mergeMap((order) => from(charge(order)).pipe(map(() => order)), 16),
 *   commit(),
 * );
 * ```
 */
export function commit<T extends Positioned | readonly Positioned[] | LostPosition>(
  options?: CommitOptions<T>,
): MonoTypeOperatorFunction<T>;
export function commit<T extends Positioned | readonly Positioned[]>(options: CommitOptions<T> = {}): MonoTypeOperatorFunction<T> {
  checkOptions('commit', options, OPTIONS);
  return (source) =>
    new Observable<T>((subscriber) => {
      const committing = new Committing(subscriber, options);
      subscriber.add(committing.attachments);
      listen(source, subscriber, {
        next: (value) => {
          committing.next(value);
        },
        complete: () => {
          committing.sourceCompleted();
        },
      });
    });
}

/** The state of one subscription. */
class Committing<T extends Positioned | readonly Positioned[]> {
  readonly #subscriber: Subscriber<T>;
  readonly #options: CommitOptions<T>;
  readonly #journals = new Map<Journal, JournalState>();
  #last: JournalState | undefined;
  /** Values that wait for the disk, in the order in which they came. */
  readonly #waiting = new Fifo<Waiting<T>>();
  #completed = false;
  readonly attachments = new Subscription();

  constructor(subscriber: Subscriber<T>, options: CommitOptions<T>) {
    this.#subscriber = subscriber;
    this.#options = options;
  }

  next(value: T): void {
    assertPositioned('commit', value);
    const { metadata, emit } = this.#options;
    const word = typeof metadata === 'function' ? metadata(value) : metadata;
    if (emit === 'durable') {
      // What was lost before it was finished here comes again elsewhere: it does not go on.
      const live = Array.isArray(value) ? (value as readonly Positioned[]).every(isLive) : isLive(value as Positioned);
      this.#finish(value, word);
      if (live) this.#waiting.push(waiting(value));
      this.#emitDurable();
    } else {
      // Attached first: a source that ends inside this very `next` must know that somebody is here to finish the record.
      this.#attachTo(value);
      this.#subscriber.next(value);
      this.#finish(value, word);
    }
  }

  sourceCompleted(): void {
    this.#completed = true;
    // What other operators finish from now on is not ours to wait for.
    for (const state of this.#journals.values()) state.goal = state.journal.ticket;
    this.#emitDurable();
    this.#completeWhenDurable();
  }

  #attachTo(value: T): void {
    if (!Array.isArray(value)) {
      this.#state((value as Positioned)[LANE].journal);
      return;
    }
    for (const { [LANE]: lane } of value as readonly Positioned[]) this.#state(lane.journal);
  }

  #finish(value: T, word: string | undefined): void {
    if (Array.isArray(value)) this.#finishTogether(value as T & readonly Positioned[], value as readonly Positioned[], word);
    else if (this.#options.apply !== undefined) this.#finishTogether(value, [value as Positioned], word);
    else this.#finishOne(value as Positioned, word);
  }

  /** In one transaction, and with what they change in the state. */
  #finishTogether(value: T, all: readonly Positioned[], word: string | undefined): void {
    const journals = new Set(all.map(({ [LANE]: lane }) => lane.journal));
    for (const journal of journals) journal.hold();
    const problem = this.#stage(value, all, [...journals]);
    if (problem === undefined) for (const positioned of all) this.#finishOne(positioned, word);
    else this.#subscriber.error(problem);
    for (const journal of journals) journal.resume();
  }

  /** Why the value cannot be applied to the state, if it cannot. */
  #stage(value: T, all: readonly Positioned[], [journal, ...others]: readonly Journal[]): KafkaRxError | undefined {
    const { apply } = this.#options;
    if (apply === undefined || journal === undefined) return undefined;
    if (others.length > 0) return new OptionError('commit: `apply` cannot be atomic for an array of records from two sources.');
    if (Array.isArray(value) && all.some(isPart)) {
      return new OptionError(
        'commit: `apply` cannot be atomic for an array with some of the values that one record became: commit them before they are collected.',
      );
    }
    const lost = all.filter((positioned) => !isLive(positioned));
    const stage = (): void => {
      journal.stage(value, apply);
    };
    if (lost.length === 0) all[0]?.[LANE].beforeFinish(stage);
    // What was lost is finished, and applied, by whoever has it now; but an array is applied as a whole or not at all.
    else if (lost.length < all.length) return partlyLost(lost);
    return undefined;
  }

  #finishOne(positioned: Positioned, word: string | undefined): void {
    const lane = positioned[LANE];
    this.#state(lane.journal);
    if (word !== undefined) lane.metadata = word;
    if (this.#options.ordered === true) lane.finishThrough(positioned.offset);
    else lane.finish(positioned.offset);
  }

  /** Almost always the same journal as for the value before. */
  #state(journal: Journal): JournalState {
    if (this.#last?.journal === journal) return this.#last;
    let state = this.#journals.get(journal);
    if (state === undefined) {
      state = { journal, durable: -1, goal: Infinity };
      this.#journals.set(journal, state);
      this.#attach(state);
    }
    return (this.#last = state);
  }

  #attach(state: JournalState): void {
    const { emit, everyMs, everyRecords = Infinity } = this.#options;
    const pace = everyMs === undefined ? undefined : { everyMs, everyRecords };
    this.attachments.add(state.journal.attach(emit === 'durable' ? 'durable' : 'commit', pace));
    this.attachments.add(
      state.journal.durable$.subscribe({
        next: (durable) => {
          state.durable = Math.max(state.durable, durable);
          this.#emitDurable();
          this.#completeWhenDurable();
        },
        error: (error: unknown) => {
          this.#subscriber.error(error);
        },
      }),
    );
  }

  #emitDurable(): void {
    for (let first = this.#waiting.peek(); first !== undefined; first = this.#waiting.peek()) {
      if (!this.#isDecided(first) || !first.more.every((need) => this.#isDecided(need))) return;
      // Taken out before it goes on: that may bring the next value, or the end, in the same call.
      this.#waiting.shift();
      if (isRemembered(first) && first.more.every(isRemembered)) this.#subscriber.next(first.value);
    }
  }

  /** Whether the write that it waits for has ended. */
  #isDecided({ lane, ticket }: Need): boolean {
    if (lane === undefined) return true;
    // What else its record became is not finished yet, and may never be.
    if (ticket === Infinity) return this.#completed || !lane.live;
    return this.#state(lane.journal).durable >= ticket;
  }

  #completeWhenDurable(): void {
    if (!this.#completed || this.#waiting.length > 0) return;
    for (const { durable, goal } of this.#journals.values()) if (durable < goal) return;
    this.#subscriber.complete();
  }
}

interface JournalState {
  readonly journal: Journal;
  durable: number;
  /** The ticket to wait for at the end. */
  goal: number;
}

/** What has to be on disk before a value goes on. */
interface Need {
  readonly lane: Lane | undefined;
  readonly ticket: number;
}

interface Waiting<T> extends Need {
  readonly value: T;
  /** The needs of an array's lanes. */
  readonly more: readonly Need[];
}

function waiting<T extends Positioned | readonly Positioned[]>(value: T): Waiting<T> {
  if (!Array.isArray(value) && !isPart(value as Positioned)) {
    const lane = (value as Positioned)[LANE];
    return { value, lane, ticket: lane.ticket, more: NOTHING };
  }
  const all = Array.isArray(value) ? (value as readonly Positioned[]) : [value as Positioned];
  const lanes = new Set(all.map(({ [LANE]: lane }) => lane));
  return { value, lane: undefined, ticket: 0, more: [...lanes].map(needOf) };
}

/** The ticket of one of several values that a record became is not known before the record is finished. */
function needOf(lane: Lane): Need {
  if (lane.whole === lane) return { lane, ticket: lane.ticket };
  return {
    lane,
    get ticket() {
      return lane.ticket;
    },
  };
}

const NOTHING: readonly Need[] = [];

function partlyLost(lost: readonly Positioned[]): FencedError {
  const partitions = lost.map(({ [LANE]: lane }) => bare(lane));
  return new FencedError(
    'commit: an array of records was to be applied to the state, but some of its partitions were lost meanwhile; nothing of it was applied.',
    partitions,
  );
}

/** Whether it is one of several values that a record became. */
function isPart({ [LANE]: lane }: Positioned): boolean {
  return lane.whole !== lane;
}

function isLive({ [LANE]: lane }: Positioned): boolean {
  return lane.live;
}

/** The write may have passed over a partition that was lost meanwhile. */
function isRemembered({ lane, ticket }: Need): boolean {
  return lane === undefined || lane.durable >= ticket;
}
