import type { WriteStream } from 'node:tty';
import { styleText } from 'node:util';

/** What goes on at the moment. */
export interface Status {
  readonly text: string;
  /** How much of it is done, from 0 to 1: a bar on a terminal. */
  readonly done?: number;
}

/** Where the demo tells its story. */
export interface Screen extends Disposable {
  /** A line that stays, with the time of the story before it. */
  say(text: string): void;
  /** One line that is rewritten on a terminal, a plain line now and then elsewhere, until the next line that stays. */
  live(status: () => Status): void;
  /** Text that stays, as it is. */
  print(text: string): void;
  /** The last word. */
  verdict(text: string, good: boolean): void;
}

/** What a screen needs of `process.stdout`. */
export type Output = Pick<WriteStream, 'write'> & Partial<Pick<WriteStream, 'isTTY' | 'columns' | 'hasColors'>>;

const REWRITE_MS = 80;
const PLAIN_MS = 1_000;
const BAR = 24;
const CLEAR_LINE = '\r\x1b[K';

export function screenOn(out: Output): Screen {
  const began = performance.now();
  const terminal = out.isTTY === true;
  let status: (() => Status) | undefined;
  let shown = '';

  // `NO_COLOR` is respected by `hasColors`.
  const colors = terminal && out.hasColors?.() === true;
  const paint = (style: Parameters<typeof styleText>[0], text: string): string => (colors ? styleText(style, text) : text);
  const time = (): string => `${((performance.now() - began) / 1_000).toFixed(1).padStart(6)} s  `;
  // Some terminals say that they have no columns at all.
  const width = (): number => (out.columns === undefined || out.columns === 0 ? 80 : out.columns);
  const show = (): void => {
    if (status === undefined) return;
    const { text, done } = status();
    if (terminal) out.write(CLEAR_LINE + `${time()}${done === undefined ? '' : bar(done)}${text}`.slice(0, width() - 1));
    else if (text !== shown) out.write(`${time()}${text}\n`);
    shown = text;
  };
  const timer = setInterval(show, terminal ? REWRITE_MS : PLAIN_MS);
  timer.unref();
  const leave = (): void => {
    if (terminal && status !== undefined) out.write(CLEAR_LINE);
    status = undefined;
  };

  return {
    say(text) {
      leave();
      out.write(`${paint('dim', time())}${text}\n`);
    },
    live(next) {
      status = next;
      if (terminal) show();
    },
    print(text) {
      leave();
      out.write(text);
    },
    verdict(text, good) {
      leave();
      out.write(`${paint(['bold', good ? 'green' : 'red'], text)}\n`);
    },
    [Symbol.dispose]() {
      leave();
      clearInterval(timer);
    },
  };
}

function bar(done: number): string {
  const full = Math.round(Math.min(1, done) * BAR);
  return `${'█'.repeat(full)}${'░'.repeat(BAR - full)}  `;
}
