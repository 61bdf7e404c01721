import { TestScheduler } from 'rxjs/testing';
import type { Block, Line, Spans } from './block.js';
import { COLORS, document, text } from './svg.js';

const color = COLORS.light;

/** A marble keeps the colour of its letter, small or capital: inside, and at its edge. What is more than a letter has none. */
const MARBLES = [
  { light: ['#ddf4ff', '#0a6adb'], dark: ['#0c2d6b', '#58a6ff'] },
  { light: ['#dafbe1', '#1a7f37'], dark: ['#0f5323', '#56d364'] },
  { light: ['#fff1e5', '#bc4c00'], dark: ['#762d0a', '#f0883e'] },
  { light: ['#fbefff', '#8250df'], dark: ['#3c1e70', '#d2a8ff'] },
] as const;
const PLAIN = { light: ['#f6f8fa', '#8c959f'], dark: ['#21262d', '#6e7681'] } as const;

/** As wide as a README is on a small screen: what is wider is made smaller there, letters and all. */
const WIDTH = 820;
const MARGIN = 24;
const NAMES = 90;
const START = MARGIN + NAMES + 30;
const MAX_STEP = 40;
/** What an endless line goes on for. */
const TAIL = 18;
const RADIUS = 12;
const LANE = 36;
const HEAD = 64;
const ROW = 20;
const FONT = 13;
/** What a letter takes at most, as a part of its size. */
const LETTER = 0.65;
const CODE = 'text-anchor="middle" font-family="ui-monospace, monospace"';

/** A block as a picture, which follows the reader's choice of light or dark. */
export function draw(name: string, { title, calls, notes, inputs, outputs, spans }: Block): string {
  const times = [...inputs, ...outputs].map(({ marbles }) => endOf(marbles));
  const frames = Math.max(...times, ...spans.flatMap((one) => one.marbles.map((marbles) => span(marbles).to)));
  const step = Math.min(MAX_STEP, Math.floor((WIDTH - START - MARGIN) / (frames + 1)));
  const x = (frame: number): number => START + frame * step;
  const shapes: string[] = [];
  let y = HEAD;
  const lane = (label: string, all: readonly string[], to: number): void => {
    const ticks = Array.from({ length: (to - START) / step + 1 }, (_, frame) => `M${x(frame)} ${y - 3}v6`).join('');
    shapes.push(
      text(MARGIN + NAMES, y + 5, fitting(label, NAMES), color.faint, 'text-anchor="end"'),
      `<path d="M${START - 10} ${y}H${to}${ticks}" stroke="${color.line}"/>`,
      ...all,
    );
    y += LANE;
  };
  const line = (one: Line): void => {
    const { events, end } = eventsOn(one, x, y);
    const tip = `<path d="M${x(frames) + TAIL} ${y - 4}l7 4l-7 4z" fill="${color.peer}"/>`;
    lane(one.name, end === undefined ? [tip, ...events] : events, end ?? x(frames) + TAIL);
  };
  inputs.forEach(line);
  const height = calls.length * ROW + 12;
  shapes.push(
    `<rect x="${START - 10}" y="${y - 16}" width="${WIDTH - START + 10 - MARGIN}" height="${height}" rx="4" fill="none" stroke="${color.ours}"/>`,
    ...calls.map((call, i) => text((START + WIDTH - MARGIN) / 2, y + 4 + i * ROW, fitting(call, WIDTH - START), color.ink, CODE)),
  );
  y += height + 10;
  outputs.forEach(line);
  for (const one of spans) lane(one.name, bars(one, x, y), x(frames) + TAIL);
  notes.forEach((note, i) => shapes.push(text(START, y + i * ROW, fitting(note, WIDTH - START - MARGIN), color.faint)));
  y += notes.length * ROW;
  const head = MARGIN + name.length * FONT * LETTER + 20;
  return document({ width: WIDTH, height: y }, `${name}: ${title}`, [
    `<style>@media (prefers-color-scheme: dark) {${inTheDark()}}</style>`,
    `<rect width="${WIDTH}" height="${y}" rx="6" fill="${color.back}"/>`,
    text(MARGIN, 30, name, color.ink, 'font-weight="600"'),
    text(head, 30, fitting(title, WIDTH - head - MARGIN), color.faint),
    ...shapes,
  ]);
}

/** What happens on a line, and where it ends, if it does. */
function eventsOn({ name, marbles, values }: Line, x: (frame: number) => number, y: number): { events: string[]; end: number | undefined } {
  const events: string[] = [];
  let end: number | undefined;
  let taken = { frame: -1, to: MARGIN + NAMES };
  for (const { frame, notification } of messages(marbles)) {
    const label = notification.kind === 'N' ? (values.get(String(notification.value)) ?? String(notification.value)) : '';
    const half = label.length > 1 ? (label.length * FONT * LETTER) / 2 + 4 : RADIUS;
    // What comes in the same frame stands beside it.
    const at = frame === taken.frame ? taken.to + (notification.kind === 'N' ? half + 1 : 4) : x(frame);
    if (frame !== taken.frame && at - half < taken.to) throw new Error(`There is no room for "${label}" on the line "${name}".`);
    if (notification.kind === 'N') events.push(...marble(at, y, half, label));
    else if (notification.kind === 'C')
      events.push(`<path d="M${at} ${y - RADIUS}v${2 * RADIUS}" stroke="${color.ink}" stroke-width="2"/>`);
    else events.push(`<path d="M${at - 8} ${y - 8}l16 16m0 -16l-16 16" stroke="${color.ink}" stroke-width="2"/>`);
    if (notification.kind !== 'N') end = at;
    taken = { frame, to: at + half };
  }
  return { events, end };
}

function marble(x: number, y: number, half: number, label: string): string[] {
  const letter = /^[a-z]$/i.test(label) ? label.toLowerCase().charCodeAt(0) - 'a'.charCodeAt(0) : undefined;
  const [inside, edge] = (letter === undefined ? PLAIN : (MARBLES[letter % MARBLES.length] as (typeof MARBLES)[number])).light;
  const size = `width="${2 * half}" height="${2 * RADIUS}" rx="${RADIUS}"`;
  return [
    `<rect x="${x - half}" y="${y - RADIUS}" ${size} fill="${inside}" stroke="${edge}" stroke-width="1.5"/>`,
    text(x, y + 5, label, color.ink, 'text-anchor="middle"'),
  ];
}

function bars({ marbles }: Spans, x: (frame: number) => number, y: number): string[] {
  return marbles.map((one) => {
    const { from, to } = span(one);
    return `<path d="M${x(from)} ${y - 6}v12m0 -6H${x(to)}m0 -6v12" fill="none" stroke="${color.ours}" stroke-width="2"/>`;
  });
}

/** What one column is to RxJS outside of `run`. */
const COLUMN = TestScheduler.parseMarblesAsSubscriptions('-^').subscribedFrame;

function messages(marbles: string): ReturnType<typeof TestScheduler.parseMarbles> {
  const all = TestScheduler.parseMarbles(marbles, undefined, undefined, undefined, true);
  return all.map(({ frame, notification }) => ({ frame: frame / COLUMN, notification }));
}

function span(marbles: string): { from: number; to: number } {
  const { subscribedFrame, unsubscribedFrame } = TestScheduler.parseMarblesAsSubscriptions(marbles, true);
  if (unsubscribedFrame === Infinity) throw new Error(`Say with \`!\` where "${marbles}" ends.`);
  return { from: subscribedFrame / COLUMN, to: unsubscribedFrame / COLUMN };
}

/** The last frame of a line: where it ends, or where its last dash stands. */
function endOf(marbles: string): number {
  return /[|#]/.test(marbles) ? Math.max(...messages(marbles).map(({ frame }) => frame)) : (messages(`${marbles}|`).at(-1)?.frame ?? 1) - 1;
}

/** The words, if there is room for them in the widest of fonts. */
function fitting(words: string, room: number): string {
  if (words.length * FONT * LETTER > room) throw new Error(`There is no room for "${words}".`);
  return words;
}

/** A rule for each colour, so no two uses may share a light one: what an element says of itself gives way to the style of the picture. */
function inTheDark(): string {
  const palette = Object.keys(color) as (keyof typeof color)[];
  const pairs = [
    ...palette.map((use) => [color[use], COLORS.dark[use]] as const),
    ...[...MARBLES, PLAIN].flatMap(({ light, dark }) => light.map((one, i) => [one, dark[i]] as const)),
  ];
  return pairs.map(([light, dark]) => `[fill="${light}"]{fill:${dark}}[stroke="${light}"]{stroke:${dark}}`).join('');
}
