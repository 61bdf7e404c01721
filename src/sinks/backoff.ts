const FIRST_MS = 100;
const FACTOR = 2;

/**
 * How long to wait before doing something again that failed for the `attempt`th time, from 1 up.
 *
 * It doubles, up to `maxMs`; half of it is left to chance, so that many publishers do not come back to a broker in the same moment.
 */
export function backoffMs(attempt: number, maxMs: number): number {
  return Math.min(FIRST_MS * FACTOR ** (attempt - 1), maxMs) * (0.5 + Math.random() / 2);
}
