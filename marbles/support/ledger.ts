import { EMPTY, NEVER } from 'rxjs';
import type { LaneOwner, LaneStart } from '../../src/sources/lane.js';
import { PartitionLane } from '../../src/sources/lane.js';

/** What a lane has told its owner. */
export interface Ledger extends LaneOwner {
  committing: boolean;
  inOrder: boolean;
  told: { finished: number; released: number; noted: number; bytes: number; late: number };
}

export function ledger(committing = true): Ledger {
  const told = { finished: 0, released: 0, noted: 0, bytes: 0, late: 0 };
  return {
    committing,
    inOrder: false,
    commitThrough: () => undefined,
    told,
    ticket: 0,
    durable$: NEVER,
    attach: () => () => undefined,
    expect: () => () => undefined,
    hold: () => undefined,
    resume: () => undefined,
    flush: () => EMPTY,
    stage: () => undefined,
    addKeeper: () => () => undefined,
    kept: () => undefined,
    finished: (_, records, bytes) => {
      told.finished += records;
      told.bytes += bytes;
    },
    released: (_, records, bytes) => {
      told.released += records;
      told.bytes += bytes;
    },
    noted: () => {
      told.noted += 1;
    },
    late: () => {
      told.late += 1;
    },
  };
}

export function laneFrom(start: Partial<LaneStart> = {}, owner: LaneOwner = ledger()): PartitionLane {
  return new PartitionLane({ topic: 'orders', partition: 3, epoch: 7, frontier: 0, runs: [], metadata: '', maxOpen: 8, ...start }, owner);
}
