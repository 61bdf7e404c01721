import type { Subscriber } from 'rxjs';
import { Observable, Subscription } from 'rxjs';

/** What an operator does with a source's values, and when there are no more. */
export interface Listener<T> {
  readonly next: (value: T) => void;
  readonly complete: () => void;
  /** When the source fails, in place of failing too. */
  readonly error?: (error: unknown) => void;
}

/**
 * Subscribes an operator to a source for as long as its own subscriber is there; what fails, the source or `next`, is the subscriber's error.
 *
 * A source that emits while it is being subscribed to, for ever perhaps, stops as well: plain `subscribe` returns too late to stop that.
 */
export function listen<T>(source: Observable<T>, subscriber: Subscriber<unknown>, { next, complete, error }: Listener<T>): void {
  let listening: Subscription = Subscription.EMPTY;
  const fail = (problem: unknown): void => {
    // First: what comes while it fails would be taken for passed on.
    listening.unsubscribe();
    subscriber.error(problem);
  };
  new Observable<T>((upstream) => {
    listening = upstream;
    subscriber.add(upstream);
    source.subscribe(upstream);
  }).subscribe({
    next: (value) => {
      try {
        next(value);
      } catch (problem) {
        // Left alone it would end the process: here is where it belongs.
        fail(problem);
      }
    },
    error: error ?? fail,
    complete,
  });
}
