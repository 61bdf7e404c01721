import type { Observable } from 'rxjs';
import { EMPTY, catchError, concat, defer, finalize, from, ignoreElements, map, mergeMap, of } from 'rxjs';
import type { Checkpoint, OffsetStore } from '../offsets/store.js';
import type { TopicPartition } from '../position.js';
import { nameOf } from '../position.js';
import type { Membership } from './membership.js';
import type { PartitionLane } from './lane.js';
import type { Lanes } from './lanes.js';
import type { Mirror } from './mirror.js';
import type { Start } from './starts.js';

/** What restarting partitions takes. */
export interface RestartsOptions {
  readonly group: string;
  readonly offsets: OffsetStore;
  /** What keeps the group's offsets near the store's, if anything does. */
  readonly mirror: Pick<Mirror, 'hold' | 'note' | 'release' | 'setBack'> | undefined;
  readonly lanes: Pick<Lanes, 'get'>;
  readonly member: Pick<Membership, 'asked' | 'refetch'>;
  /** Writes what is finished by now; completes also if that takes too long. */
  readonly flush: () => Observable<never>;
  readonly fence: (lanes: readonly PartitionLane[]) => void;
  /** Others have taken these over. */
  readonly onRefused: (lanes: readonly PartitionLane[]) => void;
  /** Completes between two reads. */
  readonly afterRead: () => Observable<never>;
  /** Does it after what the group has asked is answered. */
  readonly enqueue: (job: Observable<never>) => void;
  /** Opens lanes there. */
  readonly open: (checkpoints: readonly Checkpoint[]) => void;
  readonly isStopped: () => boolean;
  /** The group does not follow, and it goes on all the same. */
  readonly onError: (error: unknown) => void;
}

/** A partition, and where it starts anew. */
export interface Restart extends Pick<Start, 'checkpoint' | 'fetchFrom'> {
  readonly lane: PartitionLane;
}

/**
 * Lets partitions that are assigned start anew elsewhere in their logs: they are taken, and then begin.
 *
 * A new position is remembered before its first record is fetched, so the next life of the process goes on either where the old epoch was or
 * there.
 */
export class Restarts {
  readonly #options: RestartsOptions;

  constructor(options: RestartsOptions) {
    this.#options = options;
  }

  /** While it does this, the group does not follow what else is finished in these lanes. */
  holding<T>(lanes: readonly PartitionLane[], work: () => Observable<T>): Observable<T> {
    const { mirror } = this.#options;
    return defer(() => {
      mirror?.hold(lanes);
      return work();
    }).pipe(
      finalize(() => {
        mirror?.release(lanes);
      }),
    );
  }

  /** Closes these lanes, and emits how far each has come, in a new epoch: what the old one has still to write changes nothing any more. */
  take(lanes: readonly PartitionLane[]): Observable<readonly Checkpoint[]> {
    const { group, offsets, flush, fence } = this.#options;
    return defer(() => {
      for (const lane of lanes) lane.stop();
      const claims$ = defer(() => {
        fence(lanes);
        return from(offsets.claim(group, lanes));
      });
      return concat(flush(), claims$);
    }).pipe(
      map((claims) => {
        const epochs = new Map(claims.map((claim) => [nameOf(claim), claim.epoch]));
        return lanes.map((lane) => ({ ...lane.checkpoint(), epoch: epochs.get(nameOf(lane)) ?? lane.epoch }));
      }),
    );
  }

  /**
   * The group goes back before the store does where these positions are before those: it would be ahead of the store, and after a crash in between taken for
   * another's work. Errors if the group does not do so.
   */
  setBack(before: readonly Checkpoint[], after: readonly Checkpoint[]): Observable<never> {
    const { mirror } = this.#options;
    const frontiers = new Map(before.map((checkpoint) => [nameOf(checkpoint), checkpoint.frontier]));
    const back = after.filter((checkpoint) => checkpoint.frontier < (frontiers.get(nameOf(checkpoint)) ?? 0));
    if (mirror === undefined || back.length === 0) return EMPTY;
    return mirror.setBack(back.map(({ topic, partition, frontier }) => ({ topic, partition, offset: frontier })));
  }

  /** The same, but goes on also where the group does not follow. */
  trySetBack(before: readonly Checkpoint[], after: readonly Checkpoint[]): Observable<never> {
    return this.setBack(before, after).pipe(
      catchError((error: unknown) => {
        this.#options.onError(error);
        return EMPTY;
      }),
    );
  }

  /** They stay where they are after all: the group follows again. */
  undo(lanes: readonly PartitionLane[]): void {
    const { mirror } = this.#options;
    mirror?.note(lanes.filter(({ live }) => live).map((lane) => ({ ...lane.checkpoint(), ...lane.remembered })));
  }

  /** Remembers where they start, and fetches them from there. Emits the partitions that others have taken over meanwhile, if any. */
  begin(restarts: readonly Restart[]): Observable<readonly TopicPartition[]> {
    const { group, offsets, onRefused } = this.#options;
    const checkpoints = restarts.map(({ checkpoint }) => checkpoint);
    return defer(() => from(offsets.reset(group, checkpoints))).pipe(
      mergeMap((refused) => {
        const names = new Set(refused.map(nameOf));
        const isRefused = ({ lane }: Restart): boolean => names.has(nameOf(lane));
        if (refused.length > 0) onRefused(restarts.filter(isRefused).map(({ lane }) => lane));
        return concat(this.fetch(restarts.filter((restart) => !isRefused(restart))), refused.length > 0 ? of(refused) : EMPTY);
      }),
    );
  }

  /** Opens lanes where they start, when no read of the epoch before is in flight, and fetches from there. */
  fetch(restarts: readonly Restart[]): Observable<never> {
    const { lanes, member, afterRead, enqueue, open, isStopped } = this.#options;
    const fetch$ = defer(() => {
      if (isStopped()) return EMPTY;
      if (member.asked) {
        enqueue(this.fetch(restarts));
        return EMPTY;
      }
      for (const { lane, checkpoint, fetchFrom } of restarts) {
        // By now it may have been given back; whoever has it next begins at what is remembered.
        if (lanes.get(lane.topic, lane.partition) !== lane) continue;
        member.refetch({ topic: lane.topic, partition: lane.partition, offset: fetchFrom });
        open([checkpoint]);
      }
      return EMPTY;
    });
    return concat(afterRead(), fetch$).pipe(ignoreElements());
  }
}
