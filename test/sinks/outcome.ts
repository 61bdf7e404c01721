import type { Observable } from 'rxjs';
import { lastValueFrom, toArray } from 'rxjs';

/** Everything that a stream emits before it completes. */
export function collect<T>(stream$: Observable<T>): Promise<T[]> {
  return lastValueFrom(stream$.pipe(toArray()), { defaultValue: [] });
}

/** What a stream errors with. */
export function failure(stream$: Observable<unknown>): Promise<unknown> {
  return stream$
    .forEach(() => undefined)
    .then(
      () => {
        throw new Error('the stream was expected to error, and completed.');
      },
      (error: unknown) => error,
    );
}
