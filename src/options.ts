import { OptionError } from './errors.js';

/** Timers hold no more: what is longer would go off at once. It is 24 days. */
const MAX_TIMER_MS = 2 ** 31 - 1;

/** A time as a timer takes it; `Infinity` becomes the longest there is. */
export function timerMs(ms: number): number {
  return Math.min(ms, MAX_TIMER_MS);
}

/** What an option may be. */
export type OptionKind =
  'string' | 'text' | 'boolean' | 'function' | 'object' | 'array' | 'positive' | 'count' | 'signal' | 'any' | readonly (string | number)[];

const KINDS: Readonly<Record<Extract<OptionKind, string>, readonly [(value: unknown) => boolean, string]>> = {
  string: [(value) => typeof value === 'string', 'a string'],
  text: [(value) => typeof value === 'string' && value.length > 0, 'a string that is not empty'],
  boolean: [(value) => typeof value === 'boolean', 'true or false'],
  function: [(value) => typeof value === 'function', 'a function'],
  object: [(value) => typeof value === 'object' && value !== null && !Array.isArray(value), 'an object'],
  array: [(value) => Array.isArray(value), 'an array'],
  positive: [(value) => typeof value === 'number' && value > 0, 'a number above 0'],
  count: [(value) => typeof value === 'number' && value >= 0, 'a number from 0 up'],
  signal: [(value) => value instanceof AbortSignal, 'an AbortSignal'],
  any: [() => true, 'anything'],
};

/**
 * Throws an {@link OptionError} unless every own property of `options` is known and of the right kind.
 *
 * A misspelt option that is silently ignored loses data one day; so it is an error, which names the option that was probably meant.
 */
export function checkOptions(
  where: string,
  options: unknown,
  known: Readonly<Record<string, OptionKind>>,
  required: readonly string[] = [],
): void {
  if (typeof options !== 'object' || options === null || Array.isArray(options)) {
    throw new OptionError(
      `${where}: expected an options object, got ${options === null ? 'null' : Array.isArray(options) ? 'an array' : typeof options}.`,
    );
  }
  for (const [name, value] of Object.entries(options)) {
    const kind = Object.hasOwn(known, name) ? known[name] : undefined;
    if (kind === undefined) throw new OptionError(`${where}: unknown option \`${name}\`${suggestion(name, Object.keys(known))}`);
    if (value === undefined) continue;
    if (typeof kind !== 'string') {
      if (!kind.includes(value as string | number))
        throw new OptionError(
          `${where}: \`${name}\` must be ${kind.map((word) => (typeof word === 'string' ? `'${word}'` : word)).join(' or ')}.`,
        );
    } else if (!KINDS[kind][0](value)) {
      throw new OptionError(`${where}: \`${name}\` must be ${KINDS[kind][1]}.`);
    }
  }
  for (const name of required) {
    if ((options as Record<string, unknown>)[name] === undefined) throw new OptionError(`${where}: the option \`${name}\` is missing.`);
  }
}

function suggestion(name: string, known: readonly string[]): string {
  const near = known.find((other) => other.toLowerCase() === name.toLowerCase() || distance(other, name) <= 2);
  return near === undefined ? `. Known are ${known.map((other) => `\`${other}\``).join(', ')}.` : `: did you mean \`${near}\`?`;
}

/** Levenshtein's distance. */
function distance(a: string, b: string): number {
  let row = Array.from({ length: b.length + 1 }, (_, i) => i);
  for (let i = 1; i <= a.length; i += 1) {
    const next = [i];
    for (let j = 1; j <= b.length; j += 1) {
      const change = (row[j - 1] as number) + (a[i - 1] === b[j - 1] ? 0 : 1);
      next[j] = Math.min(change, (row[j] as number) + 1, (next[j - 1] as number) + 1);
    }
    row = next;
  }
  return row[b.length] as number;
}
