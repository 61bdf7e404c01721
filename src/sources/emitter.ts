import type { TimestampProvider } from 'rxjs';
import { HOLD_MS } from '../eventLoop.js';
import type { Fingerprint } from '../offsets/store.js';
import type { KafkaRecord } from '../record.js';
import type { Checkpointer } from './checkpointer.js';
import type { Demand } from './demand.js';
import { fingerprintOf, isSame } from './fingerprint.js';
import type { PartitionLane } from './lane.js';
import type { Batch } from './reader.js';

export interface EmitterOptions {
  readonly demand: Demand;
  readonly checkpointer: Checkpointer;
  readonly emit: (record: KafkaRecord) => void;
  /** The log of a partition is not the one that its position was remembered of: nothing of it was emitted. */
  readonly onStranger: (lane: PartitionLane) => void;
}

/** A pass is late only after so long: as a rule reads are so small that the event loop is held for `HOLD_MS`, more or less. */
const LATE_MS = 2 * HOLD_MS;
/** The clock is looked at after the first record of a pass, the second, the fourth and so on, and from then on each time after so many. */
const LOOK_EVERY = 16;

/** Makes records of the rows of batches, and emits them for credits. */
export class Emitter {
  readonly #options: EmitterOptions;
  readonly #demand: Demand;
  readonly #emit: EmitterOptions['emit'];
  readonly #clock: TimestampProvider;
  #emitting = false;
  #late = false;
  /** When this pass becomes late. */
  #due = 0;
  /** How many have gone out in this pass, and after how many the clock is looked at. */
  #emitted = 0;
  #lookAt = 1;

  constructor(options: EmitterOptions, clock: TimestampProvider) {
    this.#options = options;
    this.#clock = clock;
    this.#demand = options.demand;
    this.#emit = options.emit;
  }

  /** Whether a pass is under way. */
  get emitting(): boolean {
    return this.#emitting;
  }

  /** Whether this pass holds the event loop for so long that what is left should wait for a later turn. */
  get late(): boolean {
    return this.#late;
  }

  /** Rows are emitted between this and `end`: what is finished meanwhile is written together. */
  begin(): void {
    this.#emitting = true;
    this.#late = false;
    this.#due = this.#clock.now() + LATE_MS;
    this.#emitted = 0;
    this.#lookAt = 1;
    this.#options.checkpointer.hold();
  }

  end(): void {
    // Last: a store that answers at once gives credits back here, and they must not start another emission inside this one.
    this.#options.checkpointer.resume();
    this.#emitting = false;
  }

  /** Emits the row, unless it is not to be emitted any more. False: it has to wait for credit. */
  emits(batch: Batch, row: number, lane: PartitionLane): boolean {
    const offset = batch.offset(row);
    if (lane.expected !== undefined && !this.#recognizes(lane, lane.expected, batch, row)) return true;
    if (lane.skips(offset)) return true;
    const size = batch.bytes(row);
    if (!lane.admits(size) || !this.#demand.admits(size)) return false;
    lane.open(offset, size);
    this.#demand.take(size);
    const record = batch.record(row, lane);
    if (lane.wantsSample(offset)) lane.sample(fingerprintOf(record));
    this.#emit(record);
    this.#emitted += 1;
    if (this.#emitted === this.#lookAt) this.#look();
    return true;
  }

  #look(): void {
    this.#lookAt += Math.min(this.#emitted, LOOK_EVERY);
    this.#late = this.#clock.now() > this.#due;
  }

  /** Whether the log still holds what it held when the lane's position was remembered; asked once, at its first record. */
  #recognizes(lane: PartitionLane, expected: Fingerprint, batch: Batch, row: number): boolean {
    lane.expected = undefined;
    // What was deleted or compacted away cannot be compared.
    if (batch.offset(row) !== expected.offset || isSame(fingerprintOf(batch.record(row, lane)), expected)) return true;
    lane.stop();
    this.#options.onStranger(lane);
    return false;
  }
}
