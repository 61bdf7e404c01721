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
import { OptionError } from '../errors.js';
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

/** Where a partition goes on. */
type Destination = Omit<ReadRange, 'until'>;

/** Goes on elsewhere in partitions of one source, whichever of its subscriptions have them. */
export async function seek(seekers: readonly Seeker[], targets: readonly SeekTarget[]): Promise<readonly Position[]> {
  const found = await Promise.all(seekers.map((seeker) => seeker.find(targets)));
  assertAssigned(targets, found.flat());
  const destinations = await Promise.all(seekers.map((seeker, i) => seeker.lookUp(found[i] ?? [])));
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
    const destinations$ = from(sought).pipe(
      mergeMap(({ topic, partition, place }) => lookUp(place, { topic, partition }, options), LOOKUPS_AT_ONCE),
      toArray(),
    );
    return lastValueFrom(destinations$, { defaultValue: [] });
  }

  /** Moves all of them, or none. */
  move(destinations: readonly Destination[]): Promise<readonly Position[]> {
    if (destinations.length === 0) return Promise.resolve([]);
    return this.#inTurn(
      () => this.#move(destinations),
      () => {
        throw notAssigned(destinations.map(bare));
      },
    );
  }

  #move(destinations: readonly Destination[]): Observable<readonly Position[]> {
    const { restarts, onSought, onFailure } = this.#options;
    const current = new Map(this.#lanes().map((lane) => [nameOf(lane), lane]));
    const gone = destinations.filter((destination) => !current.has(nameOf(destination)));
    if (gone.length > 0) throw notAssigned(gone.map(bare));
    const lanes = destinations.map((destination) => current.get(nameOf(destination)) as PartitionLane);
    const positions = destinations.map(({ topic, partition, from: offset }) => ({ topic, partition, offset }));
    return restarts.take(lanes).pipe(
      tap({ error: onFailure }),
      concatMap((taken) => {
        const there = taken.map((checkpoint, i) => restartAt(lanes[i] as PartitionLane, checkpoint, destinations[i] as Destination));
        const here = taken.map((checkpoint, i) => ({ lane: lanes[i] as PartitionLane, checkpoint, fetchFrom: checkpoint.frontier }));
        const notSetBack$ = (error: unknown): Observable<never> =>
          concat(
            this.#begin(here),
            throwError(() => error),
          );
        const after = there.map(({ checkpoint }) => checkpoint);
        return concat(restarts.setBack(taken, after).pipe(catchError(notSetBack$)), this.#begin(there), of(positions));
      }),
      tap(onSought),
    );
  }

  #begin(restarts: readonly Restart[]): Observable<never> {
    return this.#options.restarts.begin(restarts).pipe(
      tap({
        next: (takenOver) => {
          throw notAssigned(takenOver);
        },
        error: this.#options.onFailure,
      }),
      ignoreElements(),
    );
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
