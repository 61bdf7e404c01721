import { OptionError } from '../errors.js';

/** LMDB takes keys up to 1,978 bytes; the rest is for the name of the table. */
const MAX_BYTES = 1_500;

/** @throws {OptionError} for what could not be found again under the same key, or has no order. */
export function checkStateKey(key: unknown): void {
  const parts: readonly unknown[] = Array.isArray(key) ? key : [key];
  const valid = (!Array.isArray(key) || parts.length > 1) && parts.every(isPart);
  if (!valid) throw new OptionError('a key of the state is text, a finite number or a boolean, or an array of two or more of them.');
  const bytes = parts.reduce((sum: number, part) => sum + Buffer.byteLength(String(part)), 0);
  if (bytes > MAX_BYTES) throw new OptionError(`a key of the state may have ${MAX_BYTES} bytes, this one has ${bytes}.`);
}

function isPart(part: unknown): boolean {
  return typeof part === 'string' ? part.isWellFormed() : typeof part === 'boolean' || Number.isFinite(part);
}
