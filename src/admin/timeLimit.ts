import { setTimeout as delay } from 'node:timers/promises';
import { TimedOutError } from '../errors.js';

/** How long to wait before a question is asked again. */
const PAUSE_MS = 50;

/** The time that one call has, with everything that it takes. */
export class TimeLimit {
  readonly #what: string;
  readonly #timeoutMs: number;
  readonly #end: number;

  constructor(what: string, timeoutMs: number) {
    this.#what = what;
    this.#timeoutMs = timeoutMs;
    this.#end = performance.now() + timeoutMs;
  }

  /** How many milliseconds are left, 1 at least. */
  get leftMs(): number {
    const left = Math.ceil(this.#end - performance.now());
    if (left <= 0) throw this.error();
    return left;
  }

  /** Rejects when the time is over before the work is done. The work goes on. */
  async race<T>(work: Promise<T>): Promise<T> {
    const settled = new AbortController();
    const over = delay(this.leftMs, undefined, { signal: settled.signal }).then(() => {
      throw this.error();
    });
    try {
      return await Promise.race([work, over]);
    } finally {
      over.catch(() => undefined);
      settled.abort();
    }
  }

  /** Does it again until it says that it is so. */
  async until(isSo: () => Promise<boolean>): Promise<void> {
    while (!(await isSo())) await delay(Math.min(PAUSE_MS, this.leftMs));
  }

  error(): TimedOutError {
    return new TimedOutError(
      `could not ${this.#what} within ${this.#timeoutMs} ms; it may still happen. Look whether it did, or raise \`timeoutMs\`.`,
    );
  }
}
