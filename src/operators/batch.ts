import type { OperatorFunction, SchedulerLike, Subscriber } from 'rxjs';
import { Observable, Subscription, asyncScheduler } from 'rxjs';
import { assertPositioned } from '../assertPositioned.js';
import { listen } from '../listen.js';
import { checkOptions, timerMs } from '../options.js';
import type { Keeper, Lane, LostPosition, Positioned } from '../position.js';
import { LANE } from '../position.js';

export interface BatchOptions {
  /** So many at most. Default 1,000. */
  readonly maxRecords?: number;
  /** So many bytes at most, as the source counts them (key, value and headers as they were read); one that is larger goes alone. Default: unbounded. */
  readonly maxBytes?: number;
  /** How long the first may wait for others. Default 1,000 ms. `Infinity`: as long as the source has credit, for ever if the topic is quiet. */
  readonly maxMs?: number;
  /** Runs the clock of `maxMs`. Default `asyncScheduler`. */
  readonly scheduler?: SchedulerLike;
}

const OPTIONS = { maxRecords: 'positive', maxBytes: 'positive', maxMs: 'count', scheduler: 'object' } as const;

/**
 * Collects values into arrays, which `commit()` takes as a whole.
 *
 * An array goes on when it is full, when its first value has waited for `maxMs`, when the source can emit nothing more before something
 * is finished, when partitions are taken away, and when the source completes. So it never waits for what cannot come, however small the
 * source's `maxInFlight` is. Values of a partition that was lost meanwhile do not go on: they come again.
 *
 * ```text
 * values    --a-b-c----d-------|
 *           batch({ maxRecords: 3, maxMs: 5 })
 * result    ------x---------y--|     x is [a, b, c], y is [d]
 * ```
 *
 * @returns Arrays that are never empty.
 * @throws {OptionError} for a wrong or unknown option.
 *
 * @example
 * ```ts
 * orders$.pipe(
 *   batch({ maxRecords: 500, maxMs: 100 }),
 *   mergeMap(async (orders) => {
 *     await charge(orders);
 *     return orders;
 *   }),
 *   commit(),
 * );
 * ```
 */
export function batch<T extends Positioned | LostPosition>(options?: BatchOptions): OperatorFunction<T, T[]>;
export function batch<T extends Positioned>(options: BatchOptions = {}): OperatorFunction<T, T[]> {
  checkOptions('batch', options, OPTIONS);
  return (source) =>
    new Observable((subscriber) => {
      const collecting = new Collecting<T>(subscriber, options);
      subscriber.add(() => {
        collecting.leave();
      });
      listen(source, subscriber, {
        next: (value) => {
          assertPositioned('batch', value);
          collecting.next(value);
        },
        complete: () => {
          collecting.flush();
          subscriber.complete();
        },
      });
    });
}

/** The state of one subscription. */
class Collecting<T extends Positioned> {
  readonly #subscriber: Subscriber<T[]>;
  readonly #maxRecords: number;
  readonly #maxBytes: number;
  readonly #maxMs: number;
  readonly #scheduler: SchedulerLike;
  /** What is kept of each partition. */
  readonly #kept = new Map<Lane, Kept>();
  readonly #attachments = new Subscription();
  #values: T[] = [];
  #bytes = 0;
  #timer: Subscription | undefined;

  constructor(
    subscriber: Subscriber<T[]>,
    { maxRecords = 1_000, maxBytes = Infinity, maxMs = 1_000, scheduler = asyncScheduler }: BatchOptions,
  ) {
    this.#subscriber = subscriber;
    this.#maxRecords = maxRecords;
    this.#maxBytes = maxBytes;
    this.#maxMs = maxMs;
    this.#scheduler = scheduler;
  }

  next(value: T): void {
    const lane = value[LANE];
    const bytes = lane.bytesAt(value.offset);
    if (this.#bytes + bytes > this.#maxBytes) this.flush();
    this.#values.push(value);
    this.#bytes += bytes;
    this.#keptOf(lane.whole).records += 1;
    if (this.#values.length >= this.#maxRecords || this.#bytes >= this.#maxBytes) {
      this.flush();
      return;
    }
    if (this.#maxMs < Infinity) {
      this.#timer ??= this.#scheduler.schedule(() => {
        this.flush();
      }, timerMs(this.#maxMs));
    }
    lane.journal.kept(lane);
  }

  flush(): void {
    this.#timer?.unsubscribe();
    this.#timer = undefined;
    // Emptied first: what goes on may bring the next value in the same call.
    const values = this.#values;
    this.#values = [];
    this.#bytes = 0;
    for (const [lane, kept] of this.#kept) {
      kept.records = 0;
      if (!lane.live) this.#forget(lane, kept);
    }
    const live = values.every(isLive) ? values : values.filter(isLive);
    if (live.length > 0) this.#subscriber.next(live);
  }

  leave(): void {
    this.#timer?.unsubscribe();
    this.#attachments.unsubscribe();
    this.#values = [];
  }

  #keptOf(lane: Lane): Kept {
    let kept = this.#kept.get(lane);
    if (kept === undefined) {
      kept = {
        lane,
        records: 0,
        shut: false,
        letGo: () => {
          this.flush();
        },
        left: new Subscription(),
      };
      this.#kept.set(lane, kept);
      kept.left.add(lane.journal.addKeeper(kept));
      this.#attachments.add(kept.left);
    }
    return kept;
  }

  /** Its partition was given up: nothing more is kept of it. */
  #forget(lane: Lane, { left }: Kept): void {
    this.#kept.delete(lane);
    this.#attachments.remove(left);
    left.unsubscribe();
  }
}

/** What is kept of one partition. */
interface Kept extends Keeper {
  records: number;
  readonly left: Subscription;
}

function isLive({ [LANE]: lane }: Positioned): boolean {
  return lane.live;
}
