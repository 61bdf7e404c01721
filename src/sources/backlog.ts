import type { Position, TopicPartition } from '../position.js';
import type { Demand } from './demand.js';
import type { Checkpointer } from './checkpointer.js';
import type { Emitter } from './emitter.js';
import type { PartitionLane } from './lane.js';
import type { Batch } from './reader.js';
import { BATCH_BYTES } from './reader.js';

/** Says who may emit what was read, and keeps what has to wait for credit. */
export interface Backlog {
  /** How many records there is credit for, so that they may be read. */
  readonly room: number;
  /** How much a read should bring at most. */
  readonly batchBytes: number;
  /** How many records that are read together may be open at once. */
  readonly credits: number;
  /** How much was read and waits for credit. */
  readonly heldBytes: number;
  /** Whether nothing is fetched. */
  readonly paused: boolean;
  /**
   * Emits what it may of a batch that was read, from a row on, and keeps the rest. Answers the row at which it stopped because the event loop was held for
   * long: the others are to be taken in a later turn.
   */
  take(batch: Batch, from: number): number;
  /** Emits what it may of what it keeps; answers whether nothing is left. */
  flush(): boolean;
  /** These were assigned. */
  opened(lanes: readonly PartitionLane[]): void;
  /** Nothing has gone out for long. */
  drought(): void;
  /** Nothing goes out any more. */
  close(): void;
}

/** What a backlog works with. */
export interface BacklogOptions {
  readonly emitter: Emitter;
  readonly demand: Demand;
  readonly checkpointer: Pick<Checkpointer, 'shut'>;
  readonly laneOf: (topic: string, partition: number) => PartitionLane | undefined;
  /** The end of a partition's log was met, and what comes before it was emitted. */
  readonly onEnd?: (end: Position) => void;
  /** Throws the prefetched records of these away and fetches no more of them; without `partitions`, of all: for long droughts only. */
  readonly pause: (partitions?: readonly TopicPartition[]) => void;
  readonly resume: (partitions?: readonly TopicPartition[]) => void;
  /** There may be something to emit or to read now. */
  readonly pokeSoon: () => void;
  /** Out of credit, and nothing has come back for `stallAfterMs`; if it is a matter of one partition alone, it is named. */
  readonly onStall: (lane?: PartitionLane) => void;
}

/** A batch, from a row on, with the lanes of its rows as they were when it was read. */
interface Held {
  readonly batch: Batch;
  row: number;
  readonly lanes: readonly (PartitionLane | undefined)[];
}

/** All partitions share one budget, and one queue: what finds no credit holds up what was read after it. */
export class SharedBacklog implements Backlog {
  readonly batchBytes = BATCH_BYTES;
  readonly #options: BacklogOptions;
  #held: Held[] = [];
  #paused = false;

  constructor(options: BacklogOptions) {
    this.#options = options;
  }

  get room(): number {
    return this.#held.length > 0 ? 0 : this.#options.demand.free;
  }

  get credits(): number {
    return this.#options.demand.maxRecords;
  }

  get heldBytes(): number {
    let bytes = 0;
    for (const { batch, row } of this.#held) for (let i = row; i < batch.length; i += 1) bytes += batch.bytes(i);
    return bytes;
  }

  get paused(): boolean {
    return this.#paused;
  }

  take(batch: Batch, from: number): number {
    if (this.#held.length > 0) {
      this.#hold(batch, from);
      return batch.length;
    }
    const row = this.#emit(batch, from);
    if (row === batch.length) this.#tellEnds(batch);
    else if (this.#options.emitter.late) return row;
    else this.#hold(batch, row);
    return batch.length;
  }

  flush(): boolean {
    for (let first = this.#held[0]; first !== undefined; first = this.#held[0]) {
      first.row = this.#emit(first.batch, first.row, first.lanes);
      if (first.row < first.batch.length) return false;
      this.#held.shift();
      this.#tellEnds(first.batch);
    }
    if (this.#paused) {
      this.#paused = false;
      this.#options.resume();
    }
    return true;
  }

  /** What is given while nothing is fetched is not fetched either. */
  opened(lanes: readonly PartitionLane[]): void {
    if (this.#paused) this.#options.pause(lanes);
  }

  drought(): void {
    if (this.#paused) return;
    this.#paused = true;
    this.#options.pause();
  }

  close(): void {
    this.#held = [];
  }

  #tellEnds({ ends }: Batch): void {
    const { onEnd } = this.#options;
    if (onEnd !== undefined) for (const end of ends) onEnd(end);
  }

  /** Keeps what found no credit, with the lanes that it was read for: a partition may be taken away and come back meanwhile, from its beginning. */
  #hold(batch: Batch, row: number): void {
    const lanes = Array.from({ length: batch.length }, (_, i) => this.#options.laneOf(batch.topic(i), batch.partition(i)));
    this.#held.push({ batch, row, lanes });
  }

  /** Emits from `row` on while there is credit, and of what was just read as long as there is time; answers the row at which it stopped. */
  #emit(batch: Batch, from: number, lanes?: readonly (PartitionLane | undefined)[]): number {
    const { emitter } = this.#options;
    let row = from;
    emitter.begin();
    while (row < batch.length && (lanes !== undefined || !emitter.late) && this.#passes(batch, row, lanes)) row += 1;
    emitter.end();
    return row;
  }

  /** A revoke or an unsubscribe may happen inside any `emit`: asks the lane every time. */
  #passes(batch: Batch, row: number, lanes: readonly (PartitionLane | undefined)[] | undefined): boolean {
    const { emitter, laneOf } = this.#options;
    const lane = lanes === undefined ? laneOf(batch.topic(row), batch.partition(row)) : lanes[row];
    return lane?.emitting !== true || emitter.emits(batch, row, lane);
  }
}
