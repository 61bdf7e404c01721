import type { SchedulerLike, Subscription } from 'rxjs';
import { concatMap, defer, from, tap } from 'rxjs';
import type { TopicPartition } from '../position.js';
import type { Watermarks } from './fetcher.js';
import type { Membership } from './membership.js';

export interface LogEndsOptions {
  readonly client: Pick<Membership, 'lastKnownEnd' | 'watermarks'>;
  readonly scheduler: SchedulerLike;
}

/** What is known of one log; -1 where nothing is. */
interface Known {
  /** As the last fetch saw it, and since when it says so. */
  fetched: number;
  fetchedAt: number;
  /** As brokers have answered. */
  asked: number;
  low: number;
  askedAt: number;
}

/** A partition as far as its log is concerned. */
export interface Reading extends TopicPartition {
  /** The next offset that is to be emitted. */
  readonly top: number;
}

/** After so long without news a partition that is not read to its end may be one that is not fetched. */
const STALE_MS = 5_000;
/** Fetches tell nothing of the beginning. */
const ASK_MS = 30_000;
/** After a question that failed: each holds a thread of the pool until it is out of time. */
const REST_MS = 30_000;

/**
 * Where logs begin and end, for statistics: as fetches have seen it, and where those are silent, as brokers say.
 *
 * One question at a time, so that never more than one thread of the pool waits for an answer.
 */
export class LogEnds {
  readonly #options: LogEndsOptions;
  readonly #known = new WeakMap<Reading, Known>();
  #round: Subscription | undefined;
  #restUntil = -Infinity;

  constructor(options: LogEndsOptions) {
    this.#options = options;
  }

  /** What is known by now; asks for what is not, or no longer. */
  sample(partitions: readonly Reading[], isFetching: boolean): readonly Watermarks[] {
    const now = this.#options.scheduler.now();
    const found = partitions.map((partition) => this.#look(partition, now));
    if (this.#round === undefined && now >= this.#restUntil) {
      const due = partitions.filter((partition, i) => isDue(found[i] as Known, { now, isFetching, top: partition.top }));
      if (due.length > 0) this.#ask(due);
    }
    return found.map(boundsOf);
  }

  stop(): void {
    this.#round?.unsubscribe();
    this.#round = undefined;
  }

  #look(partition: Reading, now: number): Known {
    let known = this.#known.get(partition);
    if (known === undefined) this.#known.set(partition, (known = { fetched: -1, fetchedAt: now, asked: -1, low: -1, askedAt: -Infinity }));
    const fetched = Math.max(-1, this.#options.client.lastKnownEnd(partition));
    if (fetched !== known.fetched) {
      known.fetched = fetched;
      known.fetchedAt = now;
      // What was asked before is older.
      known.asked = -1;
    }
    return known;
  }

  #ask(due: readonly Reading[]): void {
    const { client, scheduler } = this.#options;
    const round = from(due)
      .pipe(
        concatMap((partition) =>
          defer(() => client.watermarks(partition)).pipe(
            tap(({ low, high }) => {
              const known = this.#known.get(partition);
              if (known !== undefined) Object.assign(known, { asked: high, low, askedAt: scheduler.now() });
            }),
          ),
        ),
      )
      .subscribe({
        // Of brokers that do not answer there are events enough; what was seen last still stands.
        error: () => {
          this.#restUntil = scheduler.now() + REST_MS;
          this.#round = undefined;
        },
        complete: () => {
          this.#round = undefined;
        },
      });
    this.#round = round.closed ? undefined : round;
  }
}

function isDue(known: Known, { now, isFetching, top }: { now: number; isFetching: boolean; top: number }): boolean {
  const askedBefore = now - known.askedAt;
  if (askedBefore >= ASK_MS) return true;
  // One that is read to its end, and is fetched, hears of every change.
  const isTold = isFetching && known.fetched >= 0 && top >= known.fetched;
  return !isTold && now - known.fetchedAt >= STALE_MS && askedBefore >= STALE_MS;
}

function boundsOf({ fetched, asked, low }: Known): Watermarks {
  return { low, high: Math.max(fetched, asked) };
}
