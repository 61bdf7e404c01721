import { cpuMicros, seconds, timesMore } from './costs.js';
import type { CaseResult, Comparison } from './results.js';
import type { Compares } from './scenarios.js';

/** What a record of one case costs against one of another. The rounds must have gone through both. */
export function compared(cases: readonly CaseResult[], { of, against }: Compares): Comparison {
  const rowsOf = (wanted: string): CaseResult['rows'] => cases.find(({ name }) => name === wanted)?.rows ?? [];
  const others = new Map(rowsOf(against).map(({ name, runs }) => [name, runs]));
  const rows = rowsOf(of).flatMap(({ name, runs }) => {
    const base = others.get(name);
    return base === undefined ? [] : [{ name, cpu: timesMore(cpuMicros, runs, base), time: timesMore(seconds, runs, base) }];
  });
  return { of, against, rows };
}
