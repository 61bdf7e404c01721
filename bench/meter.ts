import { readFileSync } from 'node:fs';
import { percentile } from './figures.js';
import { sentAt } from './payload.js';
import type { Measured, Message, Task } from './task.js';

/**
 * Counts records between two points in time.
 *
 * The clock starts when the client has its partitions, not with the first record: by then some clients have fetched and unpacked megabytes.
 * For who only writes it starts when a first record was acknowledged: not all know before when they are connected.
 */
export class Meter {
  readonly #records: number;
  readonly #warmUp: number;
  readonly #latencies: Float64Array | undefined;
  #seen = 0;
  #bytes = 0;
  #started: number | undefined;
  #cpu: NodeJS.CpuUsage | undefined;
  #measured: Measured | undefined;
  #reached: () => void = () => undefined;
  /** Resolves when all records were counted. */
  readonly reached = new Promise<void>((resolve) => (this.#reached = resolve));

  constructor({ records, warmUp }: Task) {
    this.#records = records;
    this.#warmUp = warmUp ?? 0;
    this.#latencies = warmUp === undefined ? undefined : new Float64Array(records);
  }

  /** Starts the clock, unless it runs already. */
  start(): void {
    if (this.#started !== undefined) return;
    this.#started = performance.now();
    this.#cpu = process.cpuUsage();
    process.send?.({ type: 'ready' } satisfies Message);
  }

  /** Touches a record that was read and counts it; answers whether it was the last one. */
  record(key: Buffer | null | undefined, value: Buffer | null | undefined): boolean {
    this.#bytes += (key?.length ?? 0) + (value?.length ?? 0);
    if (this.#latencies !== undefined) this.#latencies[this.#seen] = Number(process.hrtime.bigint() - sentAt(value as Buffer)) / 1e6;
    return this.count(1);
  }

  /** Counts records that are through; answers whether those were the last ones. */
  count(records: number): boolean {
    this.#seen += records;
    if (this.#seen < this.#records) return false;
    this.#reached();
    return true;
  }

  /** Stops the clock. */
  stop(): void {
    if (this.#started === undefined) throw new Error('the clock was never started');
    const seconds = (performance.now() - this.#started) / 1_000;
    const { user, system } = process.cpuUsage(this.#cpu);
    const latencies = this.#latencies?.subarray(this.#warmUp, this.#seen).toSorted();
    this.#measured = {
      records: this.#seen,
      seconds,
      cpuMicros: user + system,
      peakRssBytes: peakRssBytes(),
      ...(latencies === undefined ? {} : { latency: { p50: percentile(latencies, 0.5), p99: percentile(latencies, 0.99) } }),
    };
  }

  get measured(): Measured {
    if (this.#measured === undefined) throw new Error('the clock was never stopped');
    return this.#measured;
  }

  /** How many bytes were touched: whoever reads must have looked at them. */
  get bytes(): number {
    return this.#bytes;
  }
}

/** Of this process alone: what `getrusage` says begins with what the parent had when it was forked. */
function peakRssBytes(): number {
  const { maxRSS } = process.resourceUsage();
  if (process.platform !== 'linux') return maxRSS * 1_024;
  const [, kibibytes] = /^VmHWM:\s*(\d+) kB$/m.exec(readFileSync('/proc/self/status', 'utf8')) ?? [];
  return Number(kibibytes ?? maxRSS) * 1_024;
}
