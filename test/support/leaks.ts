import { execFile } from 'node:child_process';
import { fileURLToPath } from 'node:url';
import { promisify } from 'node:util';

/** What the test tells the program that subscribes again and again. */
export interface CyclesOptions {
  readonly brokers: readonly string[];
  readonly topic: string;
  /** Where publishers may keep what they cannot deliver. */
  readonly folder: string;
  readonly cycles: number;
  /** How often it looks what it holds. */
  readonly samples: number;
  /** How long to wait for what was left to be closed. */
  readonly patienceMs: number;
  /** A leak that has to be found. */
  readonly planted: 'none' | 'a client for each cycle' | 'a subscriber now and then' | 'memory for each cycle';
}

/** What a process holds after so many cycles. */
export interface Sample {
  readonly cycles: number;
  /** How many of them lasted long enough to get something. */
  readonly emitted: number;
  readonly descriptors: number;
  readonly threads: number;
  readonly heapBytes: number;
  readonly rssBytes: number;
  /** Those of groups and of chosen partitions. Always 0 where Node.js cannot tell, before 20.13; so are subscribers. */
  readonly sessions: number;
  readonly subscribers: number;
}

export type Held = Exclude<keyof Sample, 'cycles' | 'emitted'>;

export async function cycling(options: CyclesOptions): Promise<readonly Sample[]> {
  const program = fileURLToPath(new URL('../../.build/test/programs/cycles.js', import.meta.url));
  const { stdout } = await promisify(execFile)(process.execPath, ['--expose-gc', program, JSON.stringify(options)], {
    // By default the allocator keeps free memory for each of many threads, and how much that is would be what the test sees.
    env: { ...process.env, MALLOC_ARENA_MAX: '1' },
  });
  return stdout
    .trim()
    .split('\n')
    .map((line) => JSON.parse(line) as Sample);
}

/**
 * By how much it grows with a cycle: the median of the slopes between any two samples of the second half, when all that is made once is there. One
 * odd sample does not move it.
 */
export function growth(samples: readonly Sample[], what: Held): number {
  const late = samples.slice(Math.floor(samples.length / 2));
  const slopes = late.flatMap((to, i) => late.slice(0, i).map((from) => (to[what] - from[what]) / (to.cycles - from.cycles)));
  return slopes.sort((a, b) => a - b)[Math.floor(slopes.length / 2)] as number;
}
