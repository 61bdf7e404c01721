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

/** Makes records of the rows of batches, and emits them for credits. */
export class Emitter {
  readonly #options: EmitterOptions;
  readonly #demand: Demand;
  readonly #emit: EmitterOptions['emit'];
  #emitting = false;

  constructor(options: EmitterOptions) {
    this.#options = options;
    this.#demand = options.demand;
    this.#emit = options.emit;
  }

  /** Whether a pass is under way. */
  get emitting(): boolean {
    return this.#emitting;
  }

  /** Rows are emitted between this and `end`: what is finished meanwhile is written together. */
  begin(): void {
    this.#emitting = true;
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
    return true;
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
