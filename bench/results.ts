import type { Absent } from './absent.js';
import { COST_OF, cpuMicros, p99, timesMore } from './costs.js';
import { median } from './figures.js';
import type { Case, Compares, Figure } from './scenarios.js';
import type { Account, Measured } from './task.js';

export interface Machine {
  readonly cpu: string;
  readonly memoryGiB: number;
  readonly system: string;
  readonly node: string;
  readonly broker: string;
  /** Of kafka-rx. */
  readonly commit: string;
  readonly date: string;
  /** The load average before the bench, if it was above the bound and the bench was told to go on. */
  readonly loaded: number | null;
}

/** One contender in one case: medians, and what they are of. */
export interface Row {
  readonly name: string;
  readonly version: string;
  readonly node: string;
  readonly settings: object;
  readonly recordsPerSecond: number;
  readonly cpuMicrosPerRecord: number;
  readonly peakRssMiB: number;
  readonly latency?: { readonly p50: number; readonly p99: number };
  /** How many times better the first contender is: the median of the ratios within a round. */
  readonly ratio: number;
  /** The same of p99, where `ratio` is of p50; results of earlier versions lack it. */
  readonly p99Ratio?: number;
  readonly runs: readonly Measured[];
}

export interface CaseResult extends Case {
  /** How many times smaller the records were on the wire than in memory, where they were compressed. */
  readonly compressed: number | null;
  readonly rows: readonly Row[];
  readonly absent: readonly Absent[];
}

/** One case against another, of each contender that was through with both. */
export interface Comparison extends Compares {
  /** How many times more a record costs: medians of the ratios within a round. */
  readonly rows: readonly { readonly name: string; readonly cpu: number; readonly time: number }[];
}

export interface Result {
  readonly scenario: string;
  readonly title: string;
  readonly figure: Figure;
  readonly rounds: number;
  readonly machine: Machine;
  readonly cases: readonly CaseResult[];
  /** Only where rounds went through all cases. */
  readonly compared?: Comparison;
}

/** The first of `accounts` is what the others are compared with, round by round. */
export function rows(figure: Figure, accounts: ReadonlyMap<string, readonly Account[]>): Row[] {
  let first: readonly Account[] | undefined;
  return [...accounts].map(([name, runs]) => {
    first ??= runs;
    const [{ version, node, settings }] = runs as [Account];
    const latencies = runs.map(({ latency }) => latency).filter((latency) => latency !== undefined);
    return {
      name,
      version,
      node,
      settings,
      recordsPerSecond: median(runs.map(({ records, seconds }) => records / seconds)),
      cpuMicrosPerRecord: median(runs.map(cpuMicros)),
      peakRssMiB: median(runs.map(({ peakRssBytes }) => peakRssBytes / 1_048_576)),
      ...(latencies.length === 0
        ? {}
        : { latency: { p50: median(latencies.map(({ p50 }) => p50)), p99: median(latencies.map(({ p99 }) => p99)) } }),
      ratio: timesMore(COST_OF[figure], runs, first),
      ...(figure === 'latency' ? { p99Ratio: timesMore(p99, runs, first) } : {}),
      runs: runs.map(({ records, seconds, cpuMicros: micros, peakRssBytes, latency }) => {
        return { records, seconds, cpuMicros: micros, peakRssBytes, ...(latency === undefined ? {} : { latency }) };
      }),
    };
  });
}
