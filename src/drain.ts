import type { Observable } from 'rxjs';
import { DrainTimeoutError } from './errors.js';
import { checkOptions, timerMs } from './options.js';

export interface DrainOptions {
  /** Give the same signal to the source: it ends the stream gracefully, and `drain` waits for that. Default: none. */
  readonly signal?: AbortSignal;
  /** How long to wait after the signal before the stream is cut off. Default 30,000 ms. What is not finished by then comes again. */
  readonly timeoutMs?: number;
}

const DEFAULT_TIMEOUT_MS = 30_000;

/**
 * Runs a stream to its end: resolves when its work and its commits are finished, and rejects with its error.
 *
 * After `signal` aborts it waits at most `timeoutMs`, then unsubscribes and rejects. Values are dropped, and a stream without any resolves.
 *
 * @throws {DrainTimeoutError} by rejection, when the time is over.
 *
 * @example
 * ```ts
 * const stop = new AbortController();
 * process.once('SIGTERM', () => stop.abort());
 * await drain(fromTopic(kafka, 'orders', { group, offsets, signal: stop.signal }).pipe(work, commit()), { signal: stop.signal });
 * ```
 */
export function drain(stream$: Observable<unknown>, options: DrainOptions = {}): Promise<void> {
  checkOptions('drain', options, { signal: 'signal', timeoutMs: 'count' });
  const { signal, timeoutMs = DEFAULT_TIMEOUT_MS } = options;
  return new Promise((resolve, reject) => {
    let timeout: ReturnType<typeof setTimeout> | undefined;
    const settle = (action: () => void): void => {
      clearTimeout(timeout);
      signal?.removeEventListener('abort', onAbort);
      action();
    };
    const onAbort = (): void => {
      timeout = setTimeout(() => {
        subscription.unsubscribe();
        settle(() => {
          reject(
            new DrainTimeoutError(
              `the stream did not end within ${timeoutMs} ms after its signal: give the signal to the source too, or raise \`timeoutMs\`.`,
            ),
          );
        });
      }, timerMs(timeoutMs));
    };
    const subscription = stream$.subscribe({
      error: (error: unknown) => {
        settle(() => {
          reject(error);
        });
      },
      complete: () => {
        settle(resolve);
      },
    });
    if (subscription.closed) return;
    if (signal?.aborted === true) onAbort();
    else signal?.addEventListener('abort', onAbort, { once: true });
  });
}
