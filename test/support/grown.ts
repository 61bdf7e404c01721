import { existsSync, statSync } from 'node:fs';
import { until } from './until.js';

/** After so long without a line there is nothing more to be done. */
const QUIET_MS = 10_000;

/**
 * Resolves when a log has that many bytes, or its writer is gone or has nothing more to write: the lives before may have left too little, for
 * what a planted mistake passes over leaves fewer lines, and a kill comes later on a fast machine.
 */
export async function grown(log: string, bytes: number, gone: () => boolean): Promise<void> {
  let [size, grewAt] = [0, performance.now()];
  await until(() => {
    const now = existsSync(log) ? statSync(log).size : 0;
    if (now > size) [size, grewAt] = [now, performance.now()];
    return gone() || size >= bytes || performance.now() - grewAt > QUIET_MS;
  });
}
