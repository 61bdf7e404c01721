import { readFileSync } from 'node:fs';

/** The work on a record begins; it is done; its dead letter is acknowledged. */
export const BEGUN = 1;
export const DONE = 2;
export const LETTER = 3;

const LINE_BYTES = 6;

/** One line of a log of what was done with numbered records. */
export interface AttemptLine {
  readonly kind: number;
  readonly attempt: number;
  readonly number: number;
}

export function attemptLine({ kind, attempt, number }: AttemptLine): Buffer {
  const line = Buffer.allocUnsafe(LINE_BYTES);
  line.writeUInt8(kind);
  line.writeUInt8(attempt, 1);
  line.writeUInt32BE(number, 2);
  return line;
}

export function readAttempts(path: string): AttemptLine[] {
  const log = readFileSync(path);
  return Array.from({ length: Math.floor(log.length / LINE_BYTES) }, (_, i) => ({
    kind: log.readUInt8(i * LINE_BYTES),
    attempt: log.readUInt8(i * LINE_BYTES + 1),
    number: log.readUInt32BE(i * LINE_BYTES + 2),
  }));
}

/** How often the work on a record fails before it is done; `Infinity`: it never is. */
export function failuresOf(number: number): number {
  return number % 50 === 49 ? Infinity : number % 4;
}

export interface AttemptLedger {
  /** Everything that is not as it should be, in words. */
  readonly broken: readonly string[];
  /** How many attempts were made a second time, because a kill has interrupted them. */
  readonly repeated: number;
  /** How many records went on counting in the life after a kill. */
  readonly carried: number;
}

/** Holds what several lives of a program did against what is promised. It knows nothing of how the library works. */
export function settleAttempts(lives: readonly (readonly AttemptLine[])[], records: number, attempts: number): AttemptLedger {
  const broken: string[] = [];
  const last = new Uint8Array(records);
  const lastLife = new Int32Array(records).fill(-1);
  const ended = new Int32Array(records);
  let repeated = 0;
  let carried = 0;
  lives.forEach((lines, life) => {
    for (const { kind, attempt, number } of lines) {
      const where = `life ${life}: attempt ${attempt} of record ${number}`;
      const before = last[number] as number;
      const isNext = attempt === before + 1;
      if (kind !== BEGUN) {
        ended[number] = attempt;
        if (attempt !== before) broken.push(`${where} ended, and ${before} was under way`);
      } else if (isNext || (attempt === before && lastLife[number] !== life)) {
        if (!isNext) repeated += 1;
        else if (before > 0 && lastLife[number] !== life) carried += 1;
      } else {
        broken.push(`${where} came after attempt ${before} of life ${lastLife[number] ?? -1}`);
      }
      if (attempt > attempts) broken.push(`${where}, and ${attempts} are allowed`);
      last[number] = attempt;
      lastLife[number] = life;
    }
  });
  for (let number = 0; number < records; number += 1) {
    const needed = Math.min(failuresOf(number) + 1, attempts);
    if (ended[number] !== needed) broken.push(`record ${number} ended after ${ended[number] ?? 0} attempts, and needs ${needed}`);
  }
  return { broken, repeated, carried };
}
