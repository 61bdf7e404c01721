import type { SchedulerLike, Subscription } from 'rxjs';
import { FencedError } from '../errors.js';
import type { TopicPartition } from '../position.js';
import { bare, nameOf } from '../position.js';
import type { PartitionLane } from './lane.js';

export interface OvertakenOptions {
  readonly group: string;
  /** The group has not taken them away. */
  readonly onFailure: (error: FencedError) => void;
  readonly scheduler: SchedulerLike;
}

/** How long a lane that a newer epoch has overtaken may wait for the group to take its partition away. */
const GRACE_MS = 10_000;

/**
 * Partitions that another subscription has taken over in the store, until the group has taken them away as well.
 *
 * For a moment that is so in any rebalance that this member has slept through. If it stays so, two subscriptions share one store and do not know of each
 * other.
 */
export class Overtaken {
  readonly #options: OvertakenOptions;
  readonly #lanes = new Set<PartitionLane>();
  /** Until when they may wait. */
  #grace: Subscription | undefined;
  #stopped = false;

  constructor(options: OvertakenOptions) {
    this.#options = options;
  }

  add(lanes: readonly PartitionLane[]): void {
    if (this.#stopped) return;
    for (const lane of lanes) this.#lanes.add(lane);
    this.#grace ??= this.#options.scheduler.schedule(() => {
      this.#grace = undefined;
      this.#judge();
    }, GRACE_MS);
  }

  /** The group has taken these away. */
  settle(partitions: readonly TopicPartition[]): void {
    const names = new Set(partitions.map(nameOf));
    for (const lane of this.#lanes) if (names.has(nameOf(lane))) this.#lanes.delete(lane);
  }

  /** Nobody waits for them any more. */
  stop(): void {
    this.#stopped = true;
    this.#grace?.unsubscribe();
  }

  #judge(): void {
    const { group, onFailure } = this.#options;
    const still = [...this.#lanes];
    if (still.length === 0) return;
    onFailure(
      new FencedError(
        `another subscription of ${group} on the same store has taken over ${still.map(nameOf).join(', ')}: run only one per store, or give each its own group or name.`,
        still.map(bare),
      ),
    );
  }
}
