import type { Checkpoint } from '../index.js';
import type { Ledger } from './ledger.js';

/** What is on disk at two moments. */
export interface Remembered {
  readonly atKill: readonly Checkpoint[];
  readonly atEnd: readonly Checkpoint[];
}

/** The ledger, as text. */
export function statement(ledger: Ledger, { atKill, atEnd }: Remembered): string {
  const { produced, processed, repeated, lost } = ledger.totals;
  const counts = [
    ['produced', produced, 'orders that the cluster has acknowledged'],
    ['processed', processed, 'have an invoice in the log'],
    ['repeated', repeated, 'have two: written, but not yet committed, when the worker was killed'],
    ['lost', lost, 'have none'],
  ] as const;
  const partitions = ledger.shares.map(({ partition, orders, end }) => {
    const kill = atKill.find((at) => at.partition === partition);
    const last = atEnd.find((at) => at.partition === partition);
    return [partition, orders, end, kill?.frontier ?? 0, kill === undefined ? 0 : beyond(kill), last?.frontier ?? 0].map(grouped);
  });
  const head = ['partition', 'orders', 'orders end at', 'frontier at the kill', 'finished beyond it', 'frontier at the end'];
  return [
    '',
    ...counts.map(([name, count, meaning]) => `  ${name.padEnd(9)}  ${grouped(count).padStart(7)}  ${meaning}`),
    '',
    ...aligned([head, ...partitions]),
    '',
  ]
    .map((line) => `${line}\n`)
    .join('');
}

/** How many records are finished beyond the frontier. */
export function beyond({ runs }: Checkpoint): number {
  return runs.reduce((sum, bound, i) => (i % 2 === 0 ? sum - bound : sum + bound), 0);
}

export function grouped(number: number): string {
  return number.toLocaleString('en-US');
}

function aligned(rows: readonly (readonly string[])[]): string[] {
  const width = (column: number): number => Math.max(...rows.map((row) => row[column]?.length ?? 0));
  return rows.map((row) => `  ${row.map((cell, column) => cell.padStart(width(column))).join('  ')}`);
}
