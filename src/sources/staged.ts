import { FencedError } from '../errors.js';
import type { ApplyWrite, Checkpoint } from '../offsets/store.js';
import type { Positioned } from '../position.js';
import { LANE, bare } from '../position.js';
import type { ApplyState } from '../state.js';
import type { PartitionLane } from './lane.js';

type Value = Positioned | readonly Positioned[];

/** Values that are to change the user's state in the transaction that remembers their records. */
export class Staged {
  /** In the order in which they came, for each `commit()` by itself. */
  readonly #values = new Map<ApplyState<never>, Value[]>();

  get isEmpty(): boolean {
    return this.#values.size === 0;
  }

  add<T extends Value>(value: T, apply: ApplyState<T>): void {
    const values = this.#values.get(apply);
    if (values === undefined) this.#values.set(apply, [value]);
    else values.push(value);
  }

  /** What the transaction that writes these lanes has to do. Values of a lane that is not written, or that is refused, change nothing. */
  applyTo(lanes: readonly PartitionLane[], isOf: (checkpoint: Checkpoint, lane: PartitionLane) => boolean): ApplyWrite {
    return (refused, txn) => {
      const taken = new Set(lanes.filter((lane) => !refused.some((checkpoint) => isOf(checkpoint, lane))) as readonly unknown[]);
      const isTaken = ({ [LANE]: lane }: Positioned): boolean => taken.has(lane.whole);
      for (const [apply, values] of this.#values) {
        const kept = values.filter((value) =>
          Array.isArray(value) ? isWhole(value as readonly Positioned[], isTaken) : isTaken(value as Positioned),
        );
        if (kept.length > 0) apply(kept as never, txn);
      }
    };
  }
}

/** Whether all of an array's records are taken. An array cannot be applied in part. */
function isWhole(value: readonly Positioned[], isTaken: (positioned: Positioned) => boolean): boolean {
  const lost = value.filter((positioned) => !isTaken(positioned)).map(({ [LANE]: lane }) => bare(lane));
  if (lost.length === 0 || lost.length === value.length) return lost.length === 0;
  throw new FencedError(
    'an array of records was to be applied to the state, but some of its partitions were taken over meanwhile; nothing of it was.',
    lost,
  );
}
