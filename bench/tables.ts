import { sentences } from './absent.js';
import { whole } from './figures.js';
import type { CaseResult, Comparison, Result, Row } from './results.js';

/** Everything about one scenario, as Markdown: a table per case, who was absent, how cases compare, and the settings. */
export function report(result: Result): string {
  const cases = result.cases.map((one) =>
    [`### ${one.name}`, about(one), table(result, one), ...sentences(one.absent, 'Not')].join('\n\n'),
  );
  const comparison = result.compared === undefined ? [] : [comparisonLine(result.compared)];
  return [`## ${result.title}`, setting(result), ...cases, ...comparison, settings(result)].join('\n\n');
}

/** Columns of text that stand under each other, for a terminal. */
export function aligned(cells: readonly (readonly string[])[]): string {
  const widths = (cells[0] as readonly string[]).map((_, column) => Math.max(...cells.map((row) => (row[column] as string).length)));
  const width = (column: number): number => widths[column] as number;
  return cells
    .map((row) => row.map((cell, column) => (column === 0 ? cell.padEnd(width(column)) : cell.padStart(width(column)))).join('  '))
    .join('\n');
}

/** The first row is the head. */
export function cellsOf(result: Result, { rows }: CaseResult): string[][] {
  const first = rows[0]?.name ?? '';
  const latency = result.figure === 'latency';
  const better = latency ? [`${first} p50 better by`, `${first} p99 better by`] : [`${first} better by`];
  const figures = latency ? ['p50 ms', 'p99 ms'] : ['records/s'];
  return [
    ['', ...figures, ...better, 'CPU µs/record', 'peak RSS MiB'],
    ...rows.map((row) => [
      `${row.name} ${row.version}`,
      ...(latency ? [millis(row.latency?.p50), millis(row.latency?.p99)] : [whole(row.recordsPerSecond)]),
      ...(latency ? [row.ratio, row.p99Ratio] : [row.ratio]).map((ratio) => (row === rows[0] ? '' : times(ratio))),
      row.cpuMicrosPerRecord.toFixed(2),
      row.peakRssMiB.toFixed(0),
    ]),
  ];
}

export function markdown(cells: readonly (readonly string[])[]): string {
  const [head = [], ...rest] = cells;
  const line = (row: readonly string[]): string => `| ${row.join(' | ')} |`;
  return [line(head), line(head.map((_, column) => (column === 0 ? '---' : '---:'))), ...rest.map(line)].join('\n');
}

/** How many times more a record of one case costs than one of another, for each contender. */
export function comparisonLine({ of, against, rows }: Comparison): string {
  const each = rows.map(({ name, cpu, time }) => `${name} ${times(cpu)} the CPU per record, ${times(time)} the time`);
  return `${of} against ${against}: ${each.length === 0 ? 'nobody was through with both' : each.join('; ')}.`;
}

/** In one line: where and when. */
export function setting({ rounds, machine }: Result): string {
  const { cpu, memoryGiB, system, node, broker, date, commit, loaded } = machine;
  const where = `${cpu}, ${memoryGiB} GiB, ${system}, Node ${node}, ${broker} on the same machine`;
  const busy = loaded === null ? '' : ` **The machine was busy (load ${loaded.toFixed(1)}): these figures are no measure.**`;
  return `Medians of ${rounds} interleaved rounds, ratios within a round. ${where}, kafka-rx at ${commit}, ${date.slice(0, 10)}.${busy}`;
}

export function millis(figure: number | undefined): string {
  if (figure === undefined) return '';
  return figure < 10 ? figure.toFixed(2) : figure.toFixed(0);
}

function table(result: Result, one: CaseResult): string {
  return markdown(cellsOf(result, one));
}

function about({ records, bytes, partitions, compressed, perSecond }: CaseResult): string {
  const rate = perSecond === undefined ? '' : `, ${whole(perSecond)} a second`;
  const smaller = compressed === null ? '' : `, ${compressed.toFixed(1)} times smaller on the wire`;
  return `${whole(records)} records of ${bytes} B${rate}, ${partitions} partitions${smaller}.`;
}

/** A dash is for what a result of an earlier version does not hold. */
function times(ratio: number | undefined): string {
  return ratio === undefined ? '–' : `${ratio.toFixed(2)} ×`;
}

/** What each contender was set to, once. */
function settings({ cases }: Result): string {
  const seen = new Map<string, Row>(cases.flatMap(({ rows }) => rows.map((row) => [row.name, row] as const)));
  const lines = [...seen.values()].map(
    ({ name, version, node, settings: set }) => `- ${name} ${version}, Node ${node}: \`${JSON.stringify(set)}\``,
  );
  return ['Settings:', '', ...lines].join('\n');
}
