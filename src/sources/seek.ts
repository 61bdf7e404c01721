import type { Observable } from 'rxjs';
import {
  EMPTY,
  ReplaySubject,
  catchError,
  concat,
  concatMap,
  defer,
  endWith,
  from,
  ignoreElements,
  lastValueFrom,
  map,
  mergeMap,
  of,
  race,
  take,
  tap,
  throwError,
  toArray,
} from 'rxjs';
import { REBALANCING } from '../brokerErrors.js';
import { BrokerError, OptionError } from '../errors.js';
import type { Checkpoint } from '../offsets/store.js';
import type { Position } from '../position.js';
import { bare, nameOf } from '../position.js';
import type { Membership } from './membership.js';
import { LOOKUPS_AT_ONCE } from './fetcher.js';
import type { PartitionLane } from './lane.js';
import type { ReadRange } from './readPlaces.js';
import { lookUp } from './readPlaces.js';
import type { Restart, Restarts } from './restarts.js';
import type { SeekTarget, Sought } from './seekTargets.js';
import { assertAssigned, notAssigned, soughtIn } from './seekTargets.js';
import type { ResolvedSourceOptions } from './sourceOptions.js';
import { startingAt } from './starts.js';

/** What seeking in one subscription takes. */
export interface SeekerOptions {
  readonly lanes: () => readonly PartitionLane[];
  readonly restarts: Restarts;
  readonly member: Pick<Membership, 'incremental' | 'watermarks' | 'offsetAt'>;
  readonly onOutOfRange: ResolvedSourceOptions['onOutOfRange'];
  /** Does it after what the group has asked by now is answered; says whether it will. */
  readonly enqueue: (job: Observable<never>) => boolean;
  /** Completes when the subscription has left: what is not done by then never will be. */
  readonly closed$: Observable<never>;
  readonly onSought: (positions: readonly Position[]) => void;
  /** Lanes were closed, and where they go on could not be remembered. */
  readonly onFailure: (error: unknown) => void;
}

/** How long to wait before it is asked again whether a rebalance is over. */
const PAUSE_MS = 200;

/** Where a partition goes on. */
type Destination = Omit<ReadRange, 'until'>;

/** Goes on elsewhere in partitions of one source, whichever of its subscriptions have them. */
export async function seek(seekers: readonly Seeker[], targets: readonly SeekTarget[]): Promise<readonly Position[]> {
  const found = await Promise.all(seekers.map((seeker) => seeker.find(targets)));
  assertAssigned(targets, found.flat());
  const destinations = await Promise.all(seekers.map((seeker, i) => seeker.lookUp(found[i] ?? []))).catch(async (error: unknown) => {
    // A source that has left meanwhile has no client that could answer.
    assertAssigned(targets, (await Promise.all(seekers.map((seeker) => seeker.find(targets)))).flat());
    throw error;
  });
  const moved = await Promise.allSettled(seekers.map((seeker, i) => seeker.move(destinations[i] ?? [])));
  return moved.flatMap((one) => {
    if (one.status === 'rejected') throw one.reason;
    return one.value;
  });
}

/** Seeks in the partitions of one subscription, in turn with what its group asks. */
export class Seeker {
  readonly #options: SeekerOptions;

  constructor(options: SeekerOptions) {
    this.#options = options;
  }

  /** What the targets mean here, once the rebalances that are under way are over. */
  find(targets: readonly SeekTarget[]): Promise<readonly Sought[]> {
    return this.#inTurn(
      () => of(soughtIn(this.#lanes(), targets)),
      () => [],
    );
  }

  async lookUp(sought: readonly Sought[]): Promise<readonly Destination[]> {
    const { member, onOutOfRange } = this.#options;
    if (sought.length > 0 && !member.incremental) {
      throw new OptionError(
        'seek: it takes single partitions from its member and gives them back, which this group does not allow: leave ' +
          '`partition.assignment.strategy` as it is by default, or set `group.protocol` to `consumer`.',
      );
    }
    const options = { fetcher: member, onOutOfRange, onGap: () => undefined };
    const found$ = from(sought).pipe(
      mergeMap(
        ({ topic, partition, place }, i) => lookUp(place, { topic, partition }, options).pipe(map((found) => [i, found] as const)),
        LOOKUPS_AT_ONCE,
      ),
      toArray(),
    );
    const found = await lastValueFrom(found$, { defaultValue: [] });
    return found.sort(([a], [b]) => a - b).map(([, destination]) => destination);
  }

  /** Moves all of them, or none. */
  async move(destinations: readonly Destination[]): Promise<readonly Position[]> {
    while (destinations.length > 0) {
      try {
        return await this.#inTurn(
          () => this.#move(destinations),
          () => {
            throw notAssigned(destinations.map(bare));
          },
        );
      } catch (error) {
        // It ends, and it may need this member for that.
        if (!isRebalancing(error)) throw error;
        await new Promise((resolve) => setTimeout(resolve, PAUSE_MS));
      }
    }
    return [];
  }

  #move(destinations: readonly Destination[]): Observable<readonly Position[]> {
    const { restarts, onSought } = this.#options;
    const lanes = this.#lanesOf(destinations);
    const positions = destinations.map(({ topic, partition, from: offset }) => ({ topic, partition, offset }));
    const before = lanes.map((lane) => lane.checkpoint());
    const after = before.map((checkpoint, i) => startingAt(checkpoint, (destinations[i] as Destination).from));
    // Last what cannot be undone: if the group does not take it, nothing has happened.
    return restarts.holding(lanes, () =>
      concat(
        restarts.setBack(before, after),
        defer(() => this.#restart(this.#lanesOf(destinations), destinations)).pipe(
          catchError((error: unknown) => {
            restarts.undo(lanes);
            throw error;
          }),
        ),
        of(positions).pipe(tap(onSought)),
      ),
    );
  }

  #restart(lanes: readonly PartitionLane[], destinations: readonly Destination[]): Observable<never> {
    const { restarts, onFailure } = this.#options;
    return restarts.take(lanes).pipe(
      tap({ error: onFailure }),
      concatMap((taken) => {
        const there = lanes.map((lane, i) => restartAt(lane, taken[i] as Checkpoint, destinations[i] as Destination));
        const here = lanes.map((lane, i) => ({ lane, checkpoint: taken[i] as Checkpoint, fetchFrom: (taken[i] as Checkpoint).frontier }));
        return restarts.begin(there).pipe(
          catchError((error: unknown) => {
            // Of a store that keeps its offsets in the group.
            if (isRebalancing(error))
              return concat(
                restarts.fetch(here),
                throwError(() => error),
              );
            onFailure(error);
            throw error;
          }),
        );
      }),
      map((takenOver) => {
        throw notAssigned(takenOver);
      }),
    );
  }

  #lanesOf(destinations: readonly Destination[]): readonly PartitionLane[] {
    const current = new Map(this.#lanes().map((lane) => [nameOf(lane), lane]));
    const gone = destinations.filter((destination) => !current.has(nameOf(destination)));
    if (gone.length > 0) throw notAssigned(gone.map(bare));
    return destinations.map((destination) => current.get(nameOf(destination)) as PartitionLane);
  }

  /** Those that are not being taken away. */
  #lanes(): readonly PartitionLane[] {
    return this.#options.lanes().filter(({ emitting }) => emitting);
  }

  /** `never` answers where the work will not be done. */
  #inTurn<T>(work: () => Observable<T>, never: () => T): Promise<T> {
    const { enqueue, closed$ } = this.#options;
    const done$ = new ReplaySubject<T>(1);
    const job$ = defer(work).pipe(
      // A subject cannot be given as it is: `tap` would subscribe to it.
      tap({
        next: (value) => {
          done$.next(value);
        },
        error: (error: unknown) => {
          done$.error(error);
        },
      }),
      catchError(() => EMPTY),
      ignoreElements(),
    );
    const answer$ = enqueue(job$) ? race(done$, closed$.pipe(endWith(undefined), map(never))) : defer(() => of(never()));
    return new Promise((resolve, reject) => {
      answer$.pipe(take(1)).subscribe({ next: resolve, error: reject });
    });
  }
}

function restartAt(lane: PartitionLane, taken: Checkpoint, { from: frontier, fetchFrom }: Destination): Restart {
  return { lane, checkpoint: startingAt(taken, frontier), fetchFrom };
}

function isRebalancing(error: unknown): boolean {
  return error instanceof BrokerError && REBALANCING.includes(error.kafkaCode);
}
