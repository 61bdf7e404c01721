import type { Measured } from './measured.js';

/** The medians of a contender. */
export interface Row {
  readonly name: string;
  readonly recordsPerSecond: number;
  /** To the first contender's. */
  readonly ratio: number;
  readonly cpuMicrosPerRecord: number;
  readonly peakRssMiB: number;
}

export function summarize(runs: ReadonlyMap<string, readonly Measured[]>): Row[] {
  let first: number | undefined;
  return [...runs].map(([name, measured]) => {
    const recordsPerSecond = median(measured.map(({ records, seconds }) => records / seconds));
    first ??= recordsPerSecond;
    return {
      name,
      recordsPerSecond,
      ratio: recordsPerSecond / first,
      cpuMicrosPerRecord: median(measured.map(({ records, cpuMicros }) => cpuMicros / records)),
      peakRssMiB: median(measured.map(({ peakRssBytes }) => peakRssBytes / 1_048_576)),
    };
  });
}

export function table(rows: readonly Row[]): string {
  const cells = [
    ['', 'records/s', 'ratio', 'CPU µs/record', 'peak RSS MiB'],
    ...rows.map(({ name, recordsPerSecond, ratio, cpuMicrosPerRecord, peakRssMiB }) => [
      name,
      Math.round(recordsPerSecond).toLocaleString('en'),
      ratio.toFixed(2),
      cpuMicrosPerRecord.toFixed(2),
      peakRssMiB.toFixed(0),
    ]),
  ];
  const widths = (cells[0] as string[]).map((_, column) => Math.max(...cells.map((row) => (row[column] as string).length)));
  return cells
    .map((row) =>
      row.map((cell, column) => (column === 0 ? cell.padEnd(widths[0] as number) : cell.padStart(widths[column] as number))).join('  '),
    )
    .join('\n');
}

function median(figures: readonly number[]): number {
  const sorted = [...figures].sort((a, b) => a - b);
  const middle = sorted.length >> 1;
  return sorted.length % 2 === 1 ? (sorted[middle] as number) : ((sorted[middle - 1] as number) + (sorted[middle] as number)) / 2;
}
