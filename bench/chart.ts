import { COLORS, document, text } from '../diagrams/svg.js';
import { whole } from './figures.js';
import type { Result, Row } from './results.js';
import { millis } from './tables.js';

export const THEMES = ['light', 'dark'] as const;

export type Theme = (typeof THEMES)[number];

const WIDTH = 900;
const NAMES = 250;
const ROOM = 500;
const BAR = 16;
const STEP = 22;
const HEAD = 64;
const GROUP_HEAD = 30;
const GROUP_GAP = 12;

/** One scenario as a picture: a group of bars for each case, a bar for each contender. */
export function chart(result: Result, theme: Theme): string {
  const color = COLORS[theme];
  const shapes: string[] = [];
  let y = HEAD;
  const draw = result.figure === 'latency' ? spans(result, color) : bars(result, color);
  for (const { name, rows } of result.cases) {
    shapes.push(text(24, y + 14, name, color.ink, 'font-weight="600"'));
    y += GROUP_HEAD;
    for (const row of rows) {
      shapes.push(text(NAMES - 10, y + 12, row.name, color.faint, 'text-anchor="end"'), ...draw(row, y));
      y += STEP;
    }
    y += GROUP_GAP;
  }
  const { machine, rounds } = result;
  const under = `${machine.cpu}, ${machine.broker}, medians of ${rounds} rounds, ${machine.date.slice(0, 10)}`;
  const busy = machine.loaded === null ? '' : ' — BUSY MACHINE, NO MEASURE';
  const title = `${result.title}: ${unit(result)}`;
  return document({ width: WIDTH, height: y }, title, [
    `<rect width="${WIDTH}" height="${y}" fill="${color.back}"/>`,
    text(24, 28, title, color.ink, 'font-size="16" font-weight="600"'),
    text(24, 48, `${under}${busy}`, color.faint, 'font-size="12"'),
    ...shapes,
  ]);
}

type Palette = (typeof COLORS)[Theme];

/** From 0, and as long as the figure is large. */
function bars({ figure, cases }: Result, color: Palette): (row: Row, y: number) => string[] {
  const of = (row: Row): number => (figure === 'cpuMicrosPerRecord' ? row.cpuMicrosPerRecord : row.recordsPerSecond);
  const most = Math.max(...cases.flatMap(({ rows }) => rows.map(of)));
  return (row, y) => {
    const length = Math.max(2, (of(row) / most) * ROOM);
    const told = figure === 'cpuMicrosPerRecord' ? of(row).toFixed(2) : whole(of(row));
    return [
      `<rect x="${NAMES}" y="${y}" width="${length.toFixed(1)}" height="${BAR}" rx="2" fill="${fill(row, color)}"/>`,
      text(NAMES + length + 8, y + 12, told, color.ink),
    ];
  };
}

/** From the median to the 99th percentile, on a logarithmic scale: what is hopeless would leave the others no room on a linear one. */
function spans({ cases }: Result, color: Palette): (row: Row, y: number) => string[] {
  const all = cases.flatMap(({ rows }) => rows.flatMap(({ latency }) => (latency === undefined ? [] : [latency.p50, latency.p99])));
  const low = Math.log10(Math.min(...all) / 2);
  const high = Math.log10(Math.max(...all));
  const x = (millis: number): number => NAMES + ((Math.log10(millis) - low) / (high - low)) * ROOM;
  return (row, y) => {
    if (row.latency === undefined) return [];
    const [from, to] = [x(row.latency.p50), x(row.latency.p99)];
    const middle = y + BAR / 2;
    return [
      `<line x1="${NAMES}" x2="${NAMES + ROOM}" y1="${middle}" y2="${middle}" stroke="${color.line}"/>`,
      `<line x1="${from.toFixed(1)}" x2="${to.toFixed(1)}" y1="${middle}" y2="${middle}" stroke="${fill(row, color)}" stroke-width="4"/>`,
      `<circle cx="${from.toFixed(1)}" cy="${middle}" r="6" fill="${fill(row, color)}"/>`,
      `<circle cx="${to.toFixed(1)}" cy="${middle}" r="4" fill="${color.back}" stroke="${fill(row, color)}" stroke-width="2"/>`,
      text(NAMES + ROOM + 16, y + 12, `${millis(row.latency.p50)} / ${millis(row.latency.p99)}`, color.ink),
    ];
  };
}

function unit({ figure }: Result): string {
  if (figure === 'latency') return 'milliseconds, p50 ● and p99 ○, logarithmic';
  return figure === 'recordsPerSecond' ? 'records per second' : 'µs of CPU per record';
}

function fill({ name }: Row, color: Palette): string {
  if (!name.startsWith('kafka-rx')) return color.peer;
  return name === 'kafka-rx' ? color.ours : color.kin;
}
