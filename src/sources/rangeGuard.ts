import type { Observable, SchedulerLike, Subscription } from 'rxjs';
import { asyncScheduler, concatMap, defer, from, ignoreElements, interval, mergeMap, of, tap } from 'rxjs';
import type { Gap, Position } from '../position.js';
import type { Watermarks } from './fetcher.js';
import { LOOKUPS_AT_ONCE } from './fetcher.js';
import type { PartitionLane } from './lane.js';
import type { Membership } from './membership.js';
import { outOfRange } from './outOfRange.js';
import type { ResolvedSourceOptions } from './sourceOptions.js';

export interface RangeGuardOptions {
  readonly member: Pick<Membership, 'asked' | 'watermarks' | 'lastKnownEnd' | 'incremental' | 'refetch'>;
  readonly lanes: () => readonly PartitionLane[];
  /** Whether nothing is read because nothing may be emitted. */
  readonly isStarved: () => boolean;
  /** Whether what was read of the partition may still wait to be emitted. */
  readonly waits: (lane: PartitionLane) => boolean;
  readonly onOutOfRange: ResolvedSourceOptions['onOutOfRange'];
  /** Records are gone, and were passed over. */
  readonly onGap: (gap: Gap) => void;
  /** A partition stands outside of its log, and is not to be moved. */
  readonly onFailure: (error: unknown) => void;
  /** A look-up failed. */
  readonly onError: (error: unknown) => void;
  readonly scheduler?: SchedulerLike;
}

/** How often to look for partitions that stand still: they do so for one to two of these. */
const PATROL_MS = 5_000;

/**
 * Sees to it that no partition stands still outside of its log.
 *
 * The client says once that a position is no longer there, not which one, and keeps even that for itself if its batch read has found records
 * before it; the partition would then stand still for ever. So it is looked for, too.
 */
export class RangeGuard {
  readonly #options: RangeGuardOptions;
  /** Where each lane stood at the last patrol. */
  readonly #tops = new WeakMap<PartitionLane, number>();
  #patrols: Subscription | undefined;

  constructor(options: RangeGuardOptions) {
    this.#options = options;
  }

  start(): void {
    this.#patrols = interval(PATROL_MS, this.#options.scheduler ?? asyncScheduler).subscribe({
      next: () => {
        this.#examine(this.#stuck(), 'stuck');
      },
      error: this.#options.onError,
    });
  }

  stop(): void {
    this.#patrols?.unsubscribe();
  }

  /** A position is no longer in its log. */
  check(): void {
    const { lanes, waits } = this.#options;
    // What waits is still to be emitted: later a patrol finds it.
    this.#examine(
      lanes().filter((lane) => !waits(lane)),
      'out of range',
    );
  }

  /** The partitions that have not moved since the last patrol, although they may, and there may be more to read. */
  #stuck(): PartitionLane[] {
    const { lanes, isStarved, waits, member } = this.#options;
    return lanes().filter((lane) => {
      const starved = isStarved() || waits(lane);
      const before = this.#tops.get(lane);
      this.#tops.set(lane, starved ? -1 : lane.top);
      if (starved || before !== lane.top || !lane.emitting) return false;
      const end = member.lastKnownEnd(lane);
      return end < 0 || end > lane.top;
    });
  }

  #examine(lanes: readonly PartitionLane[], reason: 'stuck' | 'out of range'): void {
    const { member, onError } = this.#options;
    from(lanes)
      .pipe(
        mergeMap((lane) => from(member.watermarks(lane)).pipe(concatMap((bounds) => this.#judge(lane, bounds, reason))), LOOKUPS_AT_ONCE),
      )
      .subscribe({ error: onError });
  }

  #judge(lane: PartitionLane, bounds: Watermarks, reason: 'stuck' | 'out of range'): Observable<never> {
    const { member, waits } = this.#options;
    // Nothing of it was ever seen: it begins where the log does.
    const top = lane.top === 0 ? bounds.low : lane.top;
    // With a transaction open, the end that readers see lies before the end of the log.
    const end$ = top > bounds.high ? defer(() => member.watermarks(lane, { uncommitted: true })) : of(bounds);
    return end$.pipe(
      tap((end) => {
        // A group would take what is done now for its answer, and while it asks nothing is fetched: the patrol comes back.
        if (!lane.emitting || member.asked || waits(lane)) return;
        if (top < bounds.low || top > end.high) this.#leave(lane, { low: bounds.low, high: end.high });
        else if (reason === 'stuck' && top < bounds.high && member.incremental) member.refetch(at(lane, top));
      }),
      ignoreElements(),
    );
  }

  /** The lane stands outside of its log. */
  #leave(lane: PartitionLane, bounds: Watermarks): void {
    const { onOutOfRange, onFailure, onGap, member } = this.#options;
    const { top } = lane;
    // Behind the end of a log that was cut off there is another one: to go on in that takes a new assignment.
    if (onOutOfRange === 'fail' || top > bounds.high || !member.incremental) {
      onFailure(outOfRange(at(lane, top), bounds));
      return;
    }
    const to = onOutOfRange === 'earliest' ? bounds.low : bounds.high;
    lane.passTo(to);
    member.refetch(at(lane, to));
    onGap({ topic: lane.topic, partition: lane.partition, from: top, to });
  }
}

function at({ topic, partition }: PartitionLane, offset: number): Position {
  return { topic, partition, offset };
}
