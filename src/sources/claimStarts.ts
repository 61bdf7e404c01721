import type { Observable } from 'rxjs';
import { EMPTY, concat, concatMap, defer, from, ignoreElements, map, of } from 'rxjs';
import type { KafkaEvent } from '../events.js';
import type { Claim, OffsetStore } from '../offsets/store.js';
import type { Gap, StaleState, TopicPartition } from '../position.js';
import { isPromiseLike } from '../promiseLike.js';
import type { Membership } from './membership.js';
import type { Restarts } from './restarts.js';
import type { ResolvedSourceOptions } from './sourceOptions.js';
import { upToDate } from './stale.js';
import type { Start } from './starts.js';
import { starts } from './starts.js';

/** What claiming partitions takes. */
export interface ClaimOptions {
  readonly group: string;
  readonly offsets: Pick<OffsetStore, 'claim' | 'reset'>;
  /** Whether the group's committed offsets follow the store. */
  readonly mirror: boolean;
  readonly member: Pick<Membership, 'committed' | 'watermarks' | 'offsetAt'>;
  readonly policy: Pick<ResolvedSourceOptions, 'from' | 'onOutOfRange'>;
  readonly restarts: Pick<Restarts, 'trySetBack'>;
  readonly onStateStale: (partitions: readonly StaleState[]) => void | PromiseLike<void>;
  readonly emit: (event: KafkaEvent) => void;
  /** Records are gone, and are passed over. */
  readonly onGap: (gap: Gap) => void;
  /** A look-up failed, and the start was decided without it. */
  readonly onError: (error: unknown) => void;
}

/**
 * Claims partitions in a new epoch, and finds where they start: where the store or the group is, whichever is ahead, or where the policy says.
 *
 * What was chosen is remembered before this emits.
 */
export function claimStarts(partitions: readonly TopicPartition[], options: ClaimOptions): Observable<readonly Start[]> {
  const { group, offsets } = options;
  return defer(() => from(offsets.claim(group, partitions))).pipe(
    concatMap((claims) => followGroup(claims, options)),
    concatMap((claims) => starts(claims, options).pipe(concatMap((found) => concat(rememberChosen(claims, found, options), [found])))),
  );
}

/** The claims, as far as the group is by now. */
function followGroup(claims: readonly Claim[], { group, mirror, member, onStateStale, emit }: ClaimOptions): Observable<readonly Claim[]> {
  if (!mirror) return of(claims);
  return defer(() => member.committed(claims)).pipe(
    concatMap((committed) => {
      const current = upToDate(claims, committed);
      if (current.stale.length === 0) return of(current.claims);
      emit({ type: 'stale', group, partitions: current.stale });
      // A function that returns nothing may be given as one that returns anything.
      const ready: unknown = onStateStale(current.stale);
      return isPromiseLike(ready) ? from(ready).pipe(map(() => current.claims)) : of(current.claims);
    }),
  );
}

/** Where starts were chosen now, they are not to be chosen again. */
function rememberChosen(claims: readonly Claim[], found: readonly Start[], { group, offsets, restarts }: ClaimOptions): Observable<never> {
  const chosen = found.filter((start) => start.chosen).map((start) => start.checkpoint);
  if (chosen.length === 0) return EMPTY;
  const before = claims.map(({ checkpoint }) => checkpoint).filter((checkpoint) => checkpoint !== undefined);
  return concat(restarts.trySetBack(before, chosen), defer(() => from(offsets.reset(group, chosen))).pipe(ignoreElements()));
}
