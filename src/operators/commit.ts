import type { MonoTypeOperatorFunction, Subscriber } from 'rxjs';
import { Observable, Subscription } from 'rxjs';
import { checkOptions } from '../options.js';
import type { Journal, Positioned } from '../position.js';
import { LANE } from '../position.js';

export interface CommitOptions<T> {
  /**
   * Says that the pipeline keeps the order of each partition, so that a record which arrives here finishes all before it. Default `false`.
   * Needed after operators that drop records without a word (`filter`, `distinctUntilChanged`, `throttleTime`): what they drop stays open otherwise.
   * Wrong after operators that reorder (`mergeMap`): a crash would then skip records.
   */
  readonly ordered?: boolean;
  /**
   * When a value goes on. `'passed'` (default): at once, and its record is finished when the downstream's `next` returns.
   * `'durable'`: once the record is remembered on disk, so that whatever happens downstream happens at most once.
   */
  readonly emit?: 'passed' | 'durable';
  /** A word that is kept with the checkpoint of the value's partition. Default: what was there before. */
  readonly metadata?: string | ((value: T) => string);
  /** Writes at most this often. Default 0: as soon as the last write is done. A crash repeats what was not written; out of credit it writes all the same. */
  readonly everyMs?: number;
  /** With `everyMs`: writes earlier, when this many records are finished. Default: unbounded. */
  readonly everyRecords?: number;
}

const OPTIONS = { ordered: 'boolean', emit: ['passed', 'durable'], metadata: 'any', everyMs: 'count', everyRecords: 'positive' } as const;

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
 * result    --a--b-----c-----|
 * on disk   -----a--b-----c
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
export function commit<T extends Positioned | readonly Positioned[]>(options: CommitOptions<T> = {}): MonoTypeOperatorFunction<T> {
  checkOptions('commit', options, OPTIONS);
  return (source) =>
    new Observable<T>((subscriber) => {
      const committing = new Committing(subscriber, options);
      subscriber.add(committing.attachments);
      subscriber.add(
        source.subscribe({
          next: (value) => {
            committing.next(value);
          },
          error: (error: unknown) => {
            subscriber.error(error);
          },
          complete: () => {
            committing.sourceCompleted();
          },
        }),
      );
    });
}

/** The state of one subscription. */
class Committing<T extends Positioned | readonly Positioned[]> {
  readonly #subscriber: Subscriber<T>;
  readonly #options: CommitOptions<T>;
  readonly #journals = new Map<Journal, JournalState>();
  #last: JournalState | undefined;
  /** Values that wait for the disk, in the order in which they came. */
  readonly #waiting: { readonly value: T; readonly journal: JournalState | undefined; readonly ticket: number }[] = [];
  #completed = false;
  readonly attachments = new Subscription();

  constructor(subscriber: Subscriber<T>, options: CommitOptions<T>) {
    this.#subscriber = subscriber;
    this.#options = options;
  }

  next(value: T): void {
    if (this.#options.emit === 'durable') {
      const journal = this.#finish(value);
      this.#waiting.push({ value, journal, ticket: journal?.journal.ticket ?? 0 });
      this.#emitDurable();
    } else {
      // Attached first: a source that ends inside this very `next` must know that somebody is here to finish the record.
      this.#attachTo(value);
      this.#subscriber.next(value);
      this.#finish(value);
    }
  }

  sourceCompleted(): void {
    this.#completed = true;
    this.#completeWhenDurable();
  }

  #attachTo(value: T): void {
    const first = Array.isArray(value) ? (value as readonly Positioned[])[0] : (value as Positioned);
    if (first !== undefined) this.#state(first[LANE].journal);
  }

  #finish(value: T): JournalState | undefined {
    const { metadata } = this.#options;
    const word = typeof metadata === 'function' ? metadata(value) : metadata;
    if (!Array.isArray(value)) return this.#finishOne(value as Positioned, word);
    let state: JournalState | undefined;
    for (const positioned of value as readonly Positioned[]) state = this.#finishOne(positioned, word);
    return state;
  }

  #finishOne(positioned: Positioned, word: string | undefined): JournalState {
    const lane = positioned[LANE];
    const state = this.#state(lane.journal);
    if (word !== undefined) lane.metadata = word;
    if (this.#options.ordered === true) lane.finishThrough(positioned.offset);
    else lane.finish(positioned.offset);
    return state;
  }

  /** Almost always the same journal as for the value before. */
  #state(journal: Journal): JournalState {
    if (this.#last?.journal === journal) return this.#last;
    let state = this.#journals.get(journal);
    if (state === undefined) {
      state = { journal, durable: -1 };
      this.#journals.set(journal, state);
      this.#attach(state);
    }
    return (this.#last = state);
  }

  #attach(state: JournalState): void {
    const { everyMs, everyRecords = Infinity } = this.#options;
    this.attachments.add(state.journal.attach('commit', everyMs === undefined ? undefined : { everyMs, everyRecords }));
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
    for (let first = this.#waiting[0]; first !== undefined; first = this.#waiting[0]) {
      if (first.journal !== undefined && first.journal.durable < first.ticket) return;
      this.#waiting.shift();
      this.#subscriber.next(first.value);
    }
  }

  #completeWhenDurable(): void {
    if (!this.#completed || this.#waiting.length > 0) return;
    for (const { journal, durable } of this.#journals.values()) if (durable < journal.ticket) return;
    this.#subscriber.complete();
  }
}

interface JournalState {
  readonly journal: Journal;
  durable: number;
}
