import { millis, markdown, setting } from './tables.js';
import { whole } from './figures.js';
import type { CaseResult, Result, Row } from './results.js';

const START = '<!-- bench: written by `npm run bench -- --readme` -->';
const END = '<!-- /bench -->';

/** The README with the newest figures between its two marks. */
export function withFigures(readme: string, results: readonly Result[]): string {
  const [from, to] = [readme.indexOf(START), readme.indexOf(END)];
  if (from < 0 || to < from) throw new Error(`The README has no place for figures, between "${START}" and "${END}".`);
  return `${readme.slice(0, from)}${START}\n\n${figures(results)}\n\n${readme.slice(to)}`;
}

/** What one glance should show: a row per contender, a column for the case that says most of each scenario. */
function figures(results: readonly Result[]): string {
  const columns = [
    column(results, 'consume', '100 B, lz4', 'consume 100 B lz4, records/s', perSecond),
    column(results, 'consume', '1 KB, lz4', 'consume 1 KB lz4', perSecond),
    column(results, 'produce', '100 B, lz4', 'produce 100 B lz4', perSecond),
    column(results, 'transform', '100 B, lz4', 'consume, produce, commit', perSecond),
    column(
      results,
      'latency',
      '50 records/s',
      'p50 / p99 ms at 50/s',
      ({ latency }) => `${millis(latency?.p50)} / ${millis(latency?.p99)}`,
    ),
    column(results, 'consume', '100 B, lz4', 'CPU µs per record', ({ cpuMicrosPerRecord }) => cpuMicrosPerRecord.toFixed(2)),
    column(results, 'consume', '100 B, lz4', 'peak RSS', ({ peakRssMiB }) => `${peakRssMiB.toFixed(0)} MiB`),
  ].filter((one) => one !== undefined);
  const names = new Map(
    results.flatMap(({ cases }) => cases.flatMap(({ rows }) => rows.map(({ name, version }) => [name, version] as const))),
  );
  const table = markdown([
    ['', ...columns.map(({ head }) => head)],
    ...[...names].map(([name, version]) => [`${name} ${version}`, ...columns.map(({ cells }) => cells.get(name) ?? '–')]),
  ]);
  const first = results[0];
  const parts = [table, ...(first === undefined ? [] : [`${setting(first)} A value in brackets is how many times better kafka-rx is.`])];
  const reasons = new Map(
    results.flatMap(({ cases }) => cases.flatMap(({ absent }) => absent.map(({ name, reason }) => [name, reason] as const))),
  );
  for (const [name, reason] of reasons) parts.push(`Not everywhere ${name}: ${reason}.`);
  for (const { scenario, title } of results.filter(({ scenario: name }) => name === 'consume' || name === 'produce'))
    parts.push(picture(scenario, title));
  return parts.join('\n\n');
}

interface Column {
  readonly head: string;
  readonly cells: ReadonlyMap<string, string>;
}

function column(
  results: readonly Result[],
  scenario: string,
  name: string,
  head: string,
  cell: (row: Row, one: CaseResult) => string,
): Column | undefined {
  const one = results.find((result) => result.scenario === scenario)?.cases.find((found) => found.name === name);
  return one && { head, cells: new Map(one.rows.map((row) => [row.name, cell(row, one)])) };
}

function perSecond(row: Row, { rows }: CaseResult): string {
  return row === rows[0] ? whole(row.recordsPerSecond) : `${whole(row.recordsPerSecond)} (${row.ratio.toFixed(2)} ×)`;
}

function picture(scenario: string, title: string): string {
  return [
    '<picture>',
    `  <source media="(prefers-color-scheme: dark)" srcset="bench/results/${scenario}-dark.svg">`,
    `  <img alt="${title}" src="bench/results/${scenario}-light.svg">`,
    '</picture>',
  ].join('\n');
}
