import { TestScheduler } from 'rxjs/testing';
import { OptionError } from '../errors.js';

/** Something that a line of marbles says, and when. */
export interface MarbleEvent<S extends string = string> {
  readonly frame: number;
  readonly symbol: S;
}

const LETTERS = 'ABCDEFGH';

/** The events of a line that knows these symbols only, as `^`, `!` and `#`. */
export function eventsOf<S extends string>(where: string, marbles: string, symbols: readonly S[]): MarbleEvent<S>[] {
  // RxJS's own parser knows the time; to it the symbols are letters.
  const letters = Array.from(marbles, (marble) => LETTERS[symbols.indexOf(marble as S)] ?? (LETTERS.includes(marble) ? '?' : marble));
  return parse(where, letters.join('')).map(({ frame, symbol }) => {
    const known = symbols[LETTERS.indexOf(symbol)];
    if (known !== undefined) return { frame, symbol: known };
    throw new OptionError(`${where}: "${marbles.trim()}" has ${symbol}, and knows only ${symbols.join(' ')} and time.`);
  });
}

/** The letters of a line, and when each stands. */
export function lettersOf(where: string, marbles: string): MarbleEvent[] {
  if (/[\^!]/.test(marbles)) throw new OptionError(`${where}: "${marbles.trim()}" has ^ or !, and knows only letters and time.`);
  return parse(where, marbles);
}

function parse(where: string, marbles: string): MarbleEvent[] {
  return TestScheduler.parseMarbles(marbles, undefined, undefined, false, true).map(({ frame, notification }) => {
    if (notification.kind === 'N') return { frame, symbol: notification.value as string };
    throw new OptionError(`${where}: "${marbles.trim()}" has | or #, which mean nothing here.`);
  });
}
