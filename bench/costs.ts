import { median } from './figures.js';
import type { Figure } from './scenarios.js';
import type { Measured } from './task.js';

/** What a run took; less is better. */
export type Cost = (run: Measured) => number;

export const seconds: Cost = (run) => run.seconds / run.records;
export const cpuMicros: Cost = (run) => run.cpuMicros / run.records;
export const p50: Cost = ({ latency }) => latency?.p50 ?? NaN;
export const p99: Cost = ({ latency }) => latency?.p99 ?? NaN;

/** What contenders are compared by. */
export const COST_OF: Readonly<Record<Figure, Cost>> = { recordsPerSecond: seconds, latency: p50, cpuMicrosPerRecord: cpuMicros };

/** How many times more `runs` cost than `others`: the median of the ratios within a round, for what disturbs a round disturbs both. */
export function timesMore(cost: Cost, runs: readonly Measured[], others: readonly Measured[]): number {
  return median(runs.map((run, round) => cost(run) / cost(others[round] as Measured)));
}
