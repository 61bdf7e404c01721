import { readRun } from '../kill/runFolder.js';
import type { Evidence, Verdict } from '../kill/verify.js';
import { verify } from '../kill/verify.js';
import { slotFolder } from './slotLoop.js';

/** What is known of a run: of each slot, by number. */
export type SlotsEvidence = readonly Evidence[];

/** Each slot's lives, with those records that the broker has in the slot's partitions. */
export function readSlots(folder: string, workers: number): SlotsEvidence {
  const { sent, acked } = readRun(folder);
  return Array.from({ length: workers }, (_, slot) => {
    const own = [...acked].filter(([, { partition }]) => partition % workers === slot);
    return { ...readRun(slotFolder(folder, slot)), sent, acked: new Map(own) };
  });
}

export interface SlotsVerdict {
  /** Everything that is forbidden, in words. */
  readonly broken: readonly string[];
  readonly records: number;
  readonly kills: number;
  readonly lost: number;
  readonly repeats: number;
}

/** Holds each slot against what is promised to a pipeline, and all of them against each other: a partition has one reader. */
export function judge(slots: SlotsEvidence, partitions: number): SlotsVerdict {
  const verdicts = slots.map(verify);
  const broken = verdicts.flatMap((verdict, slot) => verdict.broken.map((complaint) => `slot ${slot}: ${complaint}`));
  for (let partition = 0; partition < partitions; partition += 1) {
    const readers = slots.flatMap(({ lives }, slot) =>
      lives.some(({ sightings }) => sightings.some((sighting) => sighting.partition === partition)) ? [slot] : [],
    );
    if (readers.length !== 1 || readers[0] !== partition % slots.length)
      broken.push(`partition ${partition} was read by the slots [${readers.join(', ')}]`);
  }
  const sum = (count: (verdict: Verdict) => number): number => verdicts.reduce((total, verdict) => total + count(verdict), 0);
  return {
    broken,
    records: sum(({ records }) => records),
    kills: sum(({ kills }) => kills),
    lost: sum(({ lost }) => lost),
    repeats: sum(({ repeats }) => repeats),
  };
}
