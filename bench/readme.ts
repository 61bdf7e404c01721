import { NOT_ASKED, sentences } from './absent.js';
import type { Absent } from './absent.js';
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
  // A busy machine's figures are no measure.
  const quiet = results.filter(({ machine }) => machine.loaded === null);
  const columns = [
    column(quiet, 'consume', '100 B, lz4', 'consume 100 B lz4, records/s', perSecond),
    column(quiet, 'consume', '1 KB, lz4', 'consume 1 KB lz4', perSecond),
    column(quiet, 'produce', '100 B, lz4', 'produce 100 B lz4', perSecond),
    column(quiet, 'transform', '100 B, lz4', 'consume, produce, commit', perSecond),
    column(quiet, 'latency', '50 records/s', 'p50 / p99 ms at 50/s', ({ latency }) => `${millis(latency?.p50)} / ${millis(latency?.p99)}`),
    column(quiet, 'consume', '100 B, lz4', 'CPU µs per record', ({ cpuMicrosPerRecord }) => cpuMicrosPerRecord.toFixed(2)),
    column(quiet, 'consume', '100 B, lz4', 'peak RSS', ({ peakRssMiB }) => `${peakRssMiB.toFixed(0)} MiB`),
  ].filter((one) => one !== undefined);
  if (columns.length === 0) throw new Error('No result of a quiet machine is there for the README.');
  // What is said beside the table is of what is in it.
  const shown = [...new Set(columns.map(({ result }) => result))];
  const names = new Map(
    shown.flatMap(({ cases }) => cases.flatMap(({ rows }) => rows.map(({ name, version }) => [name, version] as const))),
  );
  const table = markdown([
    ['', ...columns.map(({ head }) => head)],
    ...[...names].map(([name, version]) => [`${name} ${version}`, ...columns.map(({ cells }) => cells.get(name) ?? '–')]),
  ]);
  const pictures = shown.filter(({ scenario }) => scenario === 'consume' || scenario === 'produce').map(picture);
  const absent = sentences(absentFrom(shown), 'Not everywhere', new Set(names.keys()));
  return [table, ...settings(shown), 'A value in brackets is how many times better kafka-rx is.', ...absent, ...pictures].join('\n\n');
}

/** A line per setting, with the scenarios that were measured in it if they differ. */
function settings(results: readonly Result[]): string[] {
  const scenarios = new Map<string, string[]>();
  for (const result of results) {
    const line = setting(result);
    scenarios.set(line, [...(scenarios.get(line) ?? []), `\`${result.scenario}\``]);
  }
  return [...scenarios].map(([line, names]) => (scenarios.size === 1 ? line : `${names.join(', ')}: ${line}`));
}

/** Each once. Why one could not says more than that it was not asked another time. */
function absentFrom(results: readonly Result[]): Absent[] {
  const reasons = new Map<string, string>();
  for (const { name, reason } of results.flatMap(({ cases }) => cases.flatMap(({ absent }) => absent)))
    if (reason !== NOT_ASKED || !reasons.has(name)) reasons.set(name, reason);
  return [...reasons].map(([name, reason]) => ({ name, reason }));
}

interface Column {
  readonly result: Result;
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
  const result = results.find((found) => found.scenario === scenario);
  const one = result?.cases.find((found) => found.name === name);
  return result && one && { result, head, cells: new Map(one.rows.map((row) => [row.name, cell(row, one)])) };
}

function perSecond(row: Row, { rows }: CaseResult): string {
  return row === rows[0] ? whole(row.recordsPerSecond) : `${whole(row.recordsPerSecond)} (${row.ratio.toFixed(2)} ×)`;
}

function picture({ scenario, title }: Result): string {
  return [
    '<picture>',
    `  <source media="(prefers-color-scheme: dark)" srcset="bench/results/${scenario}-dark.svg">`,
    `  <img alt="${title}" src="bench/results/${scenario}-light.svg">`,
    '</picture>',
  ].join('\n');
}
