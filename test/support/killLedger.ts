import type { Checkpoint, Position } from '../../src/index.js';
import type { Evidence } from './evidence.js';

/** One life of a program: what it wrote down, and what its store held after its end. */
export interface Life {
  readonly evidence: Evidence;
  /** By number: 1 where the store says that the record is finished. */
  readonly onDisk: Uint8Array;
}

export interface Ledger {
  /** Everything that a promise forbids, in words. Empty if the promises were kept. */
  readonly broken: readonly string[];
  readonly lost: number;
  /** How many emissions were not the first of their record. */
  readonly repeated: number;
  /** After each end: how many records had been emitted in that life, and were not on disk. */
  readonly inFlight: readonly number[];
}

/** Which numbers the checkpoints say are finished. */
export function finishedOnDisk(checkpoints: readonly Checkpoint[], positions: readonly Position[]): Uint8Array {
  const byPartition = new Map(checkpoints.map((checkpoint) => [checkpoint.partition, checkpoint]));
  return Uint8Array.from(positions, ({ partition, offset }) => {
    const checkpoint = byPartition.get(partition);
    return checkpoint !== undefined && (offset < checkpoint.frontier || isIn(checkpoint.runs, offset)) ? 1 : 0;
  });
}

function isIn(runs: readonly number[], offset: number): boolean {
  for (let i = 0; i < runs.length; i += 2) if (offset >= (runs[i] as number) && offset < (runs[i + 1] as number)) return true;
  return false;
}

/**
 * Holds what several lives of a program did against what is promised.
 *
 * It knows nothing of how the library works: only the numbers of the records, what the program wrote down, and what the disk held.
 */
export function settle(lives: readonly Life[], records: number, maxInFlight: number): Ledger {
  const broken: string[] = [];
  const emittedBefore = new Uint8Array(records);
  const finished = new Uint8Array(records);
  const inFlight: number[] = [];
  let diskBefore = new Uint8Array(records);
  let repeated = 0;
  lives.forEach(({ evidence, onDisk }, life) => {
    const found = (count: number, what: string): void => {
      if (count > 0) broken.push(`life ${life}: ${count} records ${what}`);
    };
    const emitted = new Uint8Array(records);
    for (const number of evidence.emitted) emitted[number] = (emitted[number] as number) + 1;
    for (const number of evidence.finished) finished[number] = 1;
    const count = (test: (number: number) => boolean): number => countOf(records, test);

    found(
      count((n) => (emitted[n] as number) > 1),
      'were emitted twice in one life',
    );
    found(
      count((n) => emitted[n] !== 0 && diskBefore[n] !== 0),
      'came again although the disk knew them to be finished',
    );
    found(
      count((n) => onDisk[n] !== 0 && finished[n] === 0),
      'are finished on disk, but no work on them was ever done',
    );
    found(
      count((n) => onDisk[n] === 0 && diskBefore[n] !== 0),
      'were finished on disk and are no more',
    );
    found(evidence.durable.filter((n) => onDisk[n] === 0).length, 'were said to be remembered and are not on disk');

    const open = count((n) => emitted[n] !== 0 && onDisk[n] === 0);
    inFlight.push(open);
    // So many may be open, and as many again finished and on their way to the disk.
    if (open > 2 * maxInFlight) broken.push(`life ${life}: ${open} records were in flight, ${2 * maxInFlight} are allowed`);
    repeated += count((n) => emitted[n] !== 0 && emittedBefore[n] !== 0);
    for (let n = 0; n < records; n += 1) if (emitted[n] !== 0) emittedBefore[n] = 1;
    diskBefore = Uint8Array.from(onDisk);
  });
  const lost = countOf(records, (n) => finished[n] === 0);
  if (lost > 0) broken.push(`${lost} records were lost`);
  const unremembered = countOf(records, (n) => diskBefore[n] === 0);
  if (unremembered > 0) broken.push(`${unremembered} records are not finished on disk at the end`);
  const allowed = inFlight.reduce((sum, open) => sum + open, 0);
  if (repeated > allowed) broken.push(`${repeated} repeats, but only ${allowed} records were in flight at the kills`);
  return { broken, lost, repeated, inFlight };
}

function countOf(records: number, test: (number: number) => boolean): number {
  let count = 0;
  for (let n = 0; n < records; n += 1) if (test(n)) count += 1;
  return count;
}
