import { isUtf8 } from 'node:buffer';
import { checkOptions } from './options.js';

/**
 * Turns bytes into a value. Anything with such a method will do: a `TextDecoder`, or the client of a schema registry.
 *
 * What it throws, or rejects with, says that the bytes cannot be decoded; keep what was in them out of the message.
 */
export interface Codec<T> {
  decode(bytes: Buffer): T | PromiseLike<T>;
}

export interface JsonOptions {
  /** How many objects and arrays may stand inside each other. Default 64; what is deeper is refused, for it can overflow the stack of whoever walks it. */
  readonly maxDepth?: number;
}

const JSON_OPTIONS = { maxDepth: 'positive' } as const;
const DEFAULT_MAX_DEPTH = 64;

/**
 * JSON in UTF-8. Type `T` is taken on trust: check what comes from strangers.
 *
 * It refuses keys that could change the prototype of whatever the value is merged into (`__proto__`, `constructor` with a `prototype`),
 * text that is not UTF-8, and values that are nested more than `maxDepth` deep.
 *
 * @throws {OptionError} for a wrong or unknown option.
 *
 * @example
 * ```ts
 * orders$.pipe(decode(json<Order>()), commit());
 * ```
 */
export function json<T>(options: JsonOptions = {}): Codec<T> {
  checkOptions('json', options, JSON_OPTIONS);
  const { maxDepth = DEFAULT_MAX_DEPTH } = options;
  return {
    decode: (bytes) => {
      if (isDeeperThan(maxDepth, bytes)) throw new SyntaxError(`nested more than ${maxDepth} deep`);
      return parse(utf8(bytes)) as T;
    },
  };
}

/** Text in UTF-8; other bytes are refused. */
export function text(): Codec<string> {
  return { decode: utf8 };
}

/** The bytes as they are. They may be a view into a buffer that is shared with other records. */
export function bytes(): Codec<Buffer> {
  return { decode: (all) => all };
}

function utf8(all: Buffer): string {
  if (!isUtf8(all)) throw new TypeError('not UTF-8');
  return all.toString('utf8');
}

/** Whether a key could be one of the refused ones; escapes may stand for any of its letters. */
const SUSPICIOUS = /__proto__|"prototype"|\\u00[567]/i;

function parse(source: string): unknown {
  try {
    return SUSPICIOUS.test(source) ? JSON.parse(source, refuseKeys) : JSON.parse(source);
  } catch (error) {
    if (error instanceof RefusedKeyError) throw error;
    // The engine's own error quotes what it read.
    const at = /at position (\d+)/.exec(error instanceof Error ? error.message : '')?.[1];
    // eslint-disable-next-line preserve-caught-error
    throw new SyntaxError(at === undefined ? 'not JSON' : `not JSON, from character ${at} on`);
  }
}

class RefusedKeyError extends SyntaxError {}

function refuseKeys(key: string, value: unknown): unknown {
  const refused =
    key === '__proto__' || (key === 'constructor' && typeof value === 'object' && value !== null && Object.hasOwn(value, 'prototype'));
  if (refused) throw new RefusedKeyError(`the key \`${key}\` is refused`);
  return value;
}

const QUOTE = 0x22;
const BACKSLASH = 0x5c;

/** No byte of a character beyond ASCII looks like a bracket or a quote. */
function isDeeperThan(max: number, all: Buffer): boolean {
  if (all.length <= max) return false;
  let depth = 0;
  let quoted = false;
  for (let i = 0; i < all.length; i += 1) {
    const byte = all[i] as number;
    if (byte === QUOTE) quoted = !quoted;
    else if (quoted) i += byte === BACKSLASH ? 1 : 0;
    else if (byte === 0x7b || byte === 0x5b) depth += 1;
    else if (byte === 0x7d || byte === 0x5d) depth -= 1;
    if (depth > max) return true;
  }
  return false;
}
