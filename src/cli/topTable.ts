import type { PartitionView, ProducerView, SourceView } from './topState.js';

/** How much room there is on the terminal. */
export interface Room {
  readonly columns: number;
  readonly rows: number;
}

/** A column: its heading, and its width if it has a fixed one; the one that has none gets what is left. */
interface Column<T> {
  readonly heading: string;
  readonly width?: number;
  readonly of: (row: T) => string;
}

const MIN_NAME = 8;

const SOURCES: readonly Column<SourceView>[] = [
  { heading: 'source', of: ({ stats }) => stats.name },
  { heading: 'state', width: -11, of: ({ stats }) => stats.state },
  { heading: 'lag', width: 6, of: ({ stats }) => count(stats.totals.committedLag) },
  { heading: 'open', width: 6, of: ({ stats }) => count(stats.totals.waitingLocal) },
  { heading: 'free', width: 6, of: ({ stats }) => count(stats.totals.creditsFree) },
  { heading: 'rec/s', width: 6, of: ({ rate }) => count(rate) },
  { heading: 'commit', width: 7, of: ({ stats }) => time(stats.totals.commitLatencyMs.mean) },
  { heading: 'max', width: 7, of: ({ stats }) => time(stats.totals.commitLatencyMs.max) },
];

const PARTITIONS: readonly Column<PartitionView & { readonly source: string }>[] = [
  { heading: 'partition', of: ({ source, stats }) => `${source}${stats.topic}/${stats.partition}` },
  { heading: 'lag', width: 7, of: ({ stats }) => (stats.end < 0 ? '?' : count(stats.committedLag)) },
  { heading: 'unread', width: 7, of: ({ stats }) => (stats.end < 0 ? '?' : count(stats.waitingKafka)) },
  { heading: 'open', width: 6, of: ({ stats }) => count(stats.waitingLocal) },
  { heading: 'rec/s', width: 7, of: ({ rate }) => count(rate) },
  { heading: 'oldest', width: 7, of: ({ stats }) => (stats.oldestOpen === undefined ? '-' : time(stats.oldestOpenAgeMs)) },
  { heading: 'runs', width: 6, of: ({ stats }) => count(stats.runs) },
];

const PRODUCERS: readonly Column<ProducerView>[] = [
  { heading: 'producer', of: ({ stats }) => stats.name },
  { heading: 'queue', width: 7, of: ({ stats }) => count(stats.sendQueueLength) },
  { heading: 'in flight', width: 9, of: ({ stats }) => count(stats.inFlight) },
  { heading: 'failed', width: 6, of: ({ stats }) => count(stats.failed) },
  { heading: 'rec/s', width: 6, of: ({ rate }) => count(rate) },
  { heading: 'latency', width: 7, of: ({ stats }) => time(stats.deliveryLatencyMs.mean) },
  { heading: 'max', width: 7, of: ({ stats }) => time(stats.deliveryLatencyMs.max) },
];

/** All of it as lines that fit into the room, the partitions with the most lag first. */
export function topTable(sources: readonly SourceView[], producers: readonly ProducerView[], { columns, rows }: Room): readonly string[] {
  if (sources.length === 0 && producers.length === 0) return ['No source is open yet.'.slice(0, columns)];
  const partitions = sources
    .flatMap(({ stats, partitions: own }) => own.map((one) => ({ ...one, source: sources.length > 1 ? `${stats.name}: ` : '' })))
    .toSorted((a, b) => b.stats.committedLag - a.stats.committedLag);
  const above = [...lines(SOURCES, sources, columns), ...(producers.length === 0 ? [] : ['', ...lines(PRODUCERS, producers, columns)])];
  // An empty line and the headings come before them, and what is left out is said after them.
  const room = Math.max(1, rows - above.length - 3);
  const shown = partitions.length <= room + 1 ? partitions : partitions.slice(0, room);
  const left = partitions.length - shown.length;
  const more = left === 0 ? [] : [`… and ${left} more`.slice(0, columns)];
  return [...above, ...(shown.length === 0 ? [] : ['', ...lines(PARTITIONS, shown, columns)]), ...more].slice(0, rows);
}

function lines<T>(table: readonly Column<T>[], rows: readonly T[], columns: number): readonly string[] {
  const fixed = table.reduce((sum, { width = 0 }) => sum + Math.abs(width) + (width === 0 ? 0 : 2), 0);
  const name = Math.max(MIN_NAME, columns - fixed);
  const line = (cell: (column: Column<T>) => string): string =>
    table
      .map((column) => {
        const { width = -name } = column;
        const text = shortened(cell(column), Math.abs(width));
        return width < 0 ? text.padEnd(-width) : text.padStart(width);
      })
      .join('  ')
      .trimEnd()
      .slice(0, columns);
  return [line(({ heading }) => heading), ...rows.map((row) => line(({ of }) => of(row)))];
}

/** The middle is left out: names differ at their ends. What a terminal might obey, or draw in two columns, is not shown. */
function shortened(text: string, width: number): string {
  const plain = text.replace(/[^\x20-\x7e\u00a1-\u024f\u0370-\u0373\u0376-\u03ff\u0400-\u0482\u048a-\u052f]/gu, '?');
  if (plain.length <= width) return plain;
  const end = Math.floor((width - 1) / 2);
  return `${plain.slice(0, width - 1 - end)}…${end === 0 ? '' : plain.slice(-end)}`;
}

const UNITS = ['', 'k', 'M', 'G', 'T', 'P'];

/** At most five characters. */
export function count(number: number): string {
  let left = Math.round(number);
  if (left < 10_000) return String(left);
  let unit = 0;
  while (left >= 999.5 && unit < UNITS.length - 1) {
    left /= 1_000;
    unit += 1;
  }
  return `${left < 99.95 ? left.toFixed(1) : left.toFixed(0)}${UNITS[unit] ?? ''}`;
}

/** At most seven characters. */
export function time(ms: number): string {
  if (ms < 9.95) return `${ms.toFixed(1)} ms`;
  if (ms < 999.5) return `${ms.toFixed(0)} ms`;
  if (ms < 99_950) return `${(ms / 1_000).toFixed(1)} s`;
  if (ms < 5_970_000) return `${(ms / 60_000).toFixed(0)} min`;
  return `${count(ms / 3_600_000)} h`;
}
