import type { Observable } from 'rxjs';
import { EMPTY, Subject, defer, from, merge, mergeMap } from 'rxjs';

let ids = 0;

/** A number that nobody else in the process has. */
export function nextId(): number {
  ids += 1;
  return ids;
}

/** The statistics of all that is open, and of what is opened later, as one stream. Nothing is sampled while nobody listens. */
export class StatsHub<S> {
  readonly #open = new Set<Observable<S>>();
  readonly #opened$ = new Subject<Observable<S>>();

  /** Hot. Errors never, and completes when the hub is closed and all that was open has ended. */
  readonly stats$: Observable<S> = defer(() => merge(from([...this.#open]), this.#opened$)).pipe(mergeMap((stats$) => stats$));

  /** Takes part until the returned function is called, or it completes. */
  add(stats$: Observable<S> = EMPTY): () => void {
    this.#open.add(stats$);
    this.#opened$.next(stats$);
    return () => {
      this.#open.delete(stats$);
    };
  }

  close(): void {
    this.#opened$.complete();
  }
}
