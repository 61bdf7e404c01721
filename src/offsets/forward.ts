import { StoreFailedError } from '../errors.js';
import type { Checkpoint } from './store.js';

/** Writing only moves a frontier forward: one that would go back shows that the writer is mistaken. */
export function assertForward(before: number | undefined, next: Checkpoint): void {
  if (before === undefined || before <= next.frontier) return;
  throw new StoreFailedError(
    `the frontier of ${next.topic}/${next.partition} would go back from ${before} to ${next.frontier}; nothing was written. Only a reset goes back.`,
  );
}
