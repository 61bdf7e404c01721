import { asyncScheduler } from 'rxjs';

/** A promise of virtual time: it settles after so many milliseconds. */
export function later<T>(ms: number, settled: { readonly value: T } | { readonly error: unknown }): Promise<T> {
  const promise: Pick<Promise<T>, 'then'> = {
    then: (onValue, onError) => {
      asyncScheduler.schedule(() => {
        if ('value' in settled) onValue?.(settled.value);
        else onError?.(settled.error);
      }, ms);
      return promise as never;
    },
  };
  return promise as Promise<T>;
}
