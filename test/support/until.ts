import { setTimeout as delay } from 'node:timers/promises';

const POLL_MS = 2;

/** Resolves when it is so; a test that waits for ever has failed. */
export async function until(met: () => boolean | Promise<boolean>): Promise<void> {
  while (!(await met())) await delay(POLL_MS);
}
