import type { Observable } from 'rxjs';
import { catchError, concatMap, defer, from, map, mergeMap, of, toArray } from 'rxjs';
import { NoStoredOffsetError } from '../errors.js';
import type { Checkpoint, Claim } from '../offsets/store.js';
import type { Gap } from '../position.js';
import type { Watermarks } from './fetcher.js';
import { LOOKUPS_AT_ONCE, OFFSET_BEGINNING, OFFSET_END } from './fetcher.js';
import type { Membership } from './membership.js';
import { outOfRange } from './outOfRange.js';
import type { ResolvedSourceOptions } from './sourceOptions.js';

/** Where a claimed partition starts. */
export interface Start {
  /** What is finished, as of now. */
  readonly checkpoint: Checkpoint;
  /** What to fetch first: the frontier, or the log's beginning. */
  readonly fetchFrom: number;
  /** Whether the start was chosen now and has to be remembered, so that it is not chosen again after a restart. */
  readonly chosen: boolean;
}

/** What deciding a start takes. */
export interface StartsOptions {
  readonly member: Pick<Membership, 'watermarks' | 'offsetAt'>;
  readonly policy: Pick<ResolvedSourceOptions, 'from' | 'onOutOfRange'>;
  readonly onGap: (gap: Gap) => void;
  /** A look-up failed, and the start was decided without it. */
  readonly onError: (error: unknown) => void;
}

/** Decides where claimed partitions start: from what is remembered, after a look at the log's bounds, or else by the `from` policy. */
export function starts(claims: readonly Claim[], options: StartsOptions): Observable<readonly Start[]> {
  return from(claims).pipe(
    mergeMap((claim) => startOf(claim, options), LOOKUPS_AT_ONCE),
    toArray(),
  );
}

function startOf(claim: Claim, options: StartsOptions): Observable<Start> {
  const { checkpoint, epoch } = claim;
  return checkpoint === undefined ? choose(claim, options) : resume({ ...checkpoint, epoch }, options);
}

function resume(checkpoint: Checkpoint, { member, policy: { onOutOfRange }, onGap, onError }: StartsOptions): Observable<Start> {
  return defer(() => boundsOf(checkpoint, member)).pipe(
    // A broker that cannot be asked now is no reason to stop: the fetch itself will find out.
    catchError((error: unknown) => {
      onError(error);
      return of(undefined);
    }),
    map((bounds) => {
      if (bounds === undefined || isWithin(checkpoint, bounds))
        return { checkpoint, fetchFrom: firstToFetch(checkpoint, bounds), chosen: false };
      const { topic, partition, frontier } = checkpoint;
      if (onOutOfRange === 'fail') throw outOfRange({ topic, partition, offset: frontier }, bounds, checkpoint.runs.at(-1));
      const to = onOutOfRange === 'earliest' ? bounds.low : bounds.high;
      if (to > frontier) onGap({ topic, partition, from: frontier, to });
      return {
        checkpoint: to > frontier ? passedTo(checkpoint, to) : startingAt(checkpoint, to),
        fetchFrom: to,
        chosen: true,
      };
    }),
  );
}

/** With a transaction open, the end that readers see lies before the end of the log, and may lie before what was read without regard to it. */
function boundsOf(checkpoint: Checkpoint, member: StartsOptions['member']): Observable<Watermarks> {
  return from(member.watermarks(checkpoint)).pipe(
    concatMap((bounds) =>
      isWithin(checkpoint, bounds) || checkpoint.frontier < bounds.low ? of(bounds) : member.watermarks(checkpoint, { uncommitted: true }),
    ),
  );
}

/** The record that was remembered comes first, if it is still there: it shows that this is still the same log. */
function firstToFetch({ frontier, fingerprint }: Checkpoint, bounds: Watermarks | undefined): number {
  return fingerprint !== undefined && fingerprint.offset >= (bounds?.low ?? Infinity) ? fingerprint.offset : frontier;
}

/** A position that was chosen says nothing of the record before it. */
export function startingAt({ topic, partition, epoch, metadata }: Checkpoint, frontier: number): Checkpoint {
  return { topic, partition, epoch, frontier, runs: [], metadata };
}

/** What is remembered of the records from there on. */
function passedTo(checkpoint: Checkpoint, frontier: number): Checkpoint {
  const retries = checkpoint.retries?.filter(({ offset }) => offset >= frontier) ?? [];
  return {
    ...startingAt(checkpoint, frontier),
    runs: beyond(checkpoint.runs, frontier),
    ...(retries.length === 0 ? {} : { retries }),
  };
}

/** What is finished beyond the log's end was finished in another log. */
function isWithin({ frontier, runs }: Checkpoint, { low, high }: Watermarks): boolean {
  return frontier >= low && Math.max(frontier, runs[runs.length - 1] ?? 0) <= high;
}

function beyond(runs: readonly number[], offset: number): number[] {
  const rest: number[] = [];
  for (let i = 0; i < runs.length; i += 2) {
    const to = runs[i + 1] as number;
    if (to > offset) rest.push(Math.max(offset, runs[i] as number), to);
  }
  return rest;
}

function choose(claim: Claim, { member, policy: { from: policy } }: StartsOptions): Observable<Start> {
  const { topic, partition, epoch } = claim;
  const at = (frontier: number): Start => ({
    checkpoint: { topic, partition, epoch, frontier, runs: [], metadata: '' },
    fetchFrom: frontier,
    chosen: true,
  });
  if (policy === 'earliest') return of({ ...at(0), fetchFrom: OFFSET_BEGINNING, chosen: false });
  if (policy === 'fail') {
    throw new NoStoredOffsetError(
      `nothing is remembered of ${topic}/${partition}, and \`from: 'fail'\` forbids to choose a start. Reset its offset, or choose another \`from\`.`,
      { topic, partition },
    );
  }
  const end$ = defer(() => member.watermarks(claim)).pipe(map(({ high }) => at(high)));
  if (policy === 'latest') return end$;
  return defer(() => member.offsetAt(claim, policy.timestamp)).pipe(concatMap((offset) => (offset === OFFSET_END ? end$ : of(at(offset)))));
}
