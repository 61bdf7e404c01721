import { UsageError, parsed } from '../commandLine.js';

/** A call of `kafka-rx top` that makes sense. */
export interface TopCall {
  readonly path: string;
  readonly json: boolean;
  /** After how many samples to end. */
  readonly count: number;
}

const OPTIONS = { json: { type: 'boolean' }, count: { type: 'string' }, help: { type: 'boolean', short: 'h' } } as const;

/** @throws {UsageError} for a call that makes no sense. @returns `'help'` if that is all that was asked for. */
export function parseTopCall(argv: readonly string[]): TopCall | 'help' {
  const { values, positionals } = parsed(argv, { allowPositionals: true, options: OPTIONS });
  if (values.help === true) return 'help';
  const [path, ...rest] = positionals;
  if (path === undefined) throw new UsageError('top: which socket? It is the path that the pipeline gives to serveStats().');
  if (rest.length > 0) throw new UsageError(`top: "${rest[0] ?? ''}" is one word too many.`);
  const { count } = values;
  if (count !== undefined && !/^[1-9]\d{0,8}$/.test(count))
    throw new UsageError(`--count takes a whole number from 1 up, not ${JSON.stringify(count)}.`);
  return { path, json: values.json === true, count: count === undefined ? Infinity : Number(count) };
}
