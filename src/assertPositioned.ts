import { OptionError } from './errors.js';
import type { Positioned } from './position.js';
import { LANE } from './position.js';

/**
 * What the compiler refuses may still come from plain JavaScript, or from an `any`.
 *
 * @throws {OptionError} for a value that has lost its position.
 */
export function assertPositioned(operator: string, value: Positioned | readonly Positioned[]): void {
  if (Array.isArray(value)) for (const one of value as readonly Positioned[]) assertOne(operator, one);
  else assertOne(operator, value);
}

function assertOne(operator: string, value: unknown): void {
  if (typeof value === 'object' && value !== null && LANE in value) return;
  throw new OptionError(
    `${operator}: a value has lost the position of its record. Keep it: map((record) => ({ ...record, value: f(record.value) })), or mapValue(f).`,
  );
}
