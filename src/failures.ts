import type { Observable, OperatorFunction, Subscriber } from 'rxjs';
import { Subject } from 'rxjs';
import { assertPositioned } from './assertPositioned.js';
import { listen } from './listen.js';
import type { Positioned } from './position.js';
import { LANE } from './position.js';

/** A record that could not be dealt with, and why. */
export interface Failure<R extends Positioned> {
  readonly record: R;
  readonly error: unknown;
  /** How many attempts were made, this one included: 1, unless `retryRecord` made more. */
  readonly attempts: number;
}

/**
 * What becomes of records that failed: an operator that takes each as a {@link Failure}, and passes on its record when that has been dealt
 * with. The record is finished then. What it does not pass on stays unfinished, and what it errors with errors the stream.
 */
export type OnFailure<R extends Positioned> = OperatorFunction<Failure<R>, Positioned>;

/** Hands failures to one `onError` operator per subscription, which is subscribed to at the first of them. */
export class Failures<R extends Positioned> {
  readonly #subscriber: Subscriber<never>;
  readonly #onFailure: OnFailure<R>;
  #failures$: Subject<Failure<R>> | undefined;
  #completing = false;
  #ended = false;

  constructor(subscriber: Subscriber<never>, onFailure: OnFailure<R>) {
    this.#subscriber = subscriber;
    this.#onFailure = onFailure;
  }

  add(failure: Failure<R>): void {
    if (this.#failures$ === undefined) this.#start((this.#failures$ = new Subject()));
    // Nobody is there to take it: it must not get lost without a word.
    if (this.#ended) this.#subscriber.error(failure.error);
    else this.#failures$.next(failure);
  }

  /** Completes the subscriber when all failures are dealt with. */
  complete(): void {
    this.#completing = true;
    if (this.#failures$ === undefined || this.#ended) this.#subscriber.complete();
    else this.#failures$.complete();
  }

  #start(failures$: Observable<Failure<R>>): void {
    listen(failures$.pipe(this.#onFailure), this.#subscriber, {
      next: (record) => {
        assertPositioned('onError', record);
        record[LANE].finish(record.offset);
      },
      complete: () => {
        this.#ended = true;
        if (this.#completing) this.#subscriber.complete();
      },
    });
  }
}
