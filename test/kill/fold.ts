import type { RecordId } from './recordId.js';

/** What the pipeline remembers of a key. The order in which its records are added makes no difference. */
export interface Fold {
  readonly count: number;
  readonly sum: number;
  readonly xor: number;
}

export const NOTHING_YET: Fold = { count: 0, sum: 0, xor: 0 };

export function add({ count, sum, xor }: Fold, { seq, crc }: RecordId): Fold {
  return { count: count + 1, sum: sum + seq, xor: (xor ^ crc) >>> 0 };
}
