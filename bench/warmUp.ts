import type { Account } from './task.js';

/** As long as it takes until a JVM has compiled what it does a million times a second. */
const MAX_MS = 30_000;
const WITHOUT_GAIN = 2;

/** A broker that has not done such work for a while is slow at it, and gets faster for many seconds: goes on until runs are no faster than those before. */
export async function warmUp(run: (number: number) => Promise<Pick<Account, 'seconds'>>): Promise<void> {
  const end = performance.now() + MAX_MS;
  let fastest = Infinity;
  for (let number = 0, idle = 0; idle < WITHOUT_GAIN && performance.now() < end; number += 1) {
    const { seconds } = await run(number);
    idle = seconds < fastest ? 0 : idle + 1;
    fastest = Math.min(fastest, seconds);
  }
}
