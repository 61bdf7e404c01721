import { readFileSync } from 'node:fs';

/** The source emitted the record. */
export const EMITTED = 1;
/** The work on the record was done. */
export const FINISHED = 2;
/** The program was told that the record is remembered. */
export const DURABLE = 3;

const LINE_BYTES = 5;

/** One line of a log of what happened to numbered records. */
export function evidence(kind: number, number: number): Buffer {
  const line = Buffer.allocUnsafe(LINE_BYTES);
  line.writeUInt8(kind);
  line.writeUInt32BE(number, 1);
  return line;
}

/** What a run did, in the order in which it did it. */
export interface Evidence {
  readonly emitted: readonly number[];
  readonly finished: readonly number[];
  readonly durable: readonly number[];
}

export function readEvidence(path: string): Evidence {
  const log = readFileSync(path);
  const of: Record<number, number[]> = { [EMITTED]: [], [FINISHED]: [], [DURABLE]: [] };
  for (let at = 0; at + LINE_BYTES <= log.length; at += LINE_BYTES) of[log.readUInt8(at)]?.push(log.readUInt32BE(at + 1));
  return { emitted: of[EMITTED] as number[], finished: of[FINISHED] as number[], durable: of[DURABLE] as number[] };
}
