import type { LaneOwner, LaneStart } from './lane.js';
import { PartitionLane } from './lane.js';

/** Where a lane that is read on its own starts, and ends. */
export interface BoundedLaneStart extends LaneStart {
  /** The first offset that is not read; `Infinity` if it is read on and on. */
  readonly until: number;
  /** Called once, when the position has come there. */
  readonly onEnd: (lane: BoundedLane) => void;
}

/** A partition that is read as far as an offset, where there need not be a record. */
export class BoundedLane extends PartitionLane {
  readonly #until: number;
  readonly #onEnd: (lane: BoundedLane) => void;

  constructor(start: BoundedLaneStart, journal: LaneOwner) {
    super(start, journal);
    this.#until = start.until;
    this.#onEnd = start.onEnd;
  }

  override skips(offset: number): boolean {
    if (offset < this.#until) return super.skips(offset);
    this.reach(offset);
    return true;
  }

  /** The position is `offset`: what comes before it was emitted, or is no record that its readers see. */
  reach(offset: number): void {
    this.passTo(Math.min(offset, this.#until));
    if (!this.emitting || this.top < this.#until) return;
    this.stop();
    this.#onEnd(this);
  }
}
