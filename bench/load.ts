import { cpus, loadavg } from 'node:os';

/** Of the processors, busy in the last minute with something else. Compiling this bench stays below it. */
const BOUND_PER_CPU = 0.4;

export interface Load {
  readonly average: number;
  readonly bound: number;
}

/** What the machine had to do in the last minute, before the bench; figures of a busy machine say little, and ratios only a bit more. */
export function load(): Load {
  return { average: loadavg()[0] as number, bound: BOUND_PER_CPU * cpus().length };
}
