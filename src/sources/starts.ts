import type { Observable } from 'rxjs';
import { catchError, concatMap, defer, from, map, mergeMap, of, toArray } from 'rxjs';
import { NoStoredOffsetError, OffsetOutOfRangeError } from '../errors.js';
import type { KafkaEvent } from '../events.js';
import type { Checkpoint, Claim } from '../offsets/store.js';
import type { GroupMember, Watermarks } from './consumer.js';
import { OFFSET_BEGINNING, OFFSET_END } from './consumer.js';
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

/** Each look-up holds a thread of the pool that commits run on as well. */
const LOOKUPS_AT_ONCE = 2;

/** Decides where claimed partitions start: from what is remembered, after a look at the log's bounds, or else by the `from` policy. */
export function starts(
  claims: readonly Claim[],
  member: Pick<GroupMember, 'watermarks' | 'offsetAt'>,
  policy: Pick<ResolvedSourceOptions, 'from' | 'onOutOfRange'>,
  emit: (event: KafkaEvent) => void,
  group: string,
): Observable<readonly Start[]> {
  return from(claims).pipe(
    mergeMap(
      (claim) =>
        claim.checkpoint === undefined ? choose(claim, member, policy) : resume(claim.checkpoint, claim, member, policy, emit, group),
      LOOKUPS_AT_ONCE,
    ),
    toArray(),
  );
}

function resume(
  remembered: Checkpoint,
  { epoch }: Claim,
  member: Pick<GroupMember, 'watermarks'>,
  { onOutOfRange }: Pick<ResolvedSourceOptions, 'onOutOfRange'>,
  emit: (event: KafkaEvent) => void,
  group: string,
): Observable<Start> {
  const checkpoint = { ...remembered, epoch };
  return defer(() => member.watermarks(checkpoint)).pipe(
    // A broker that cannot be asked now is no reason to stop: the fetch itself will find out.
    catchError((error: unknown) => {
      emit({ type: 'error', client: `consumer of ${group}`, error: error as Error });
      return of(undefined);
    }),
    map((bounds) => {
      if (bounds === undefined || isWithin(checkpoint, bounds)) return { checkpoint, fetchFrom: checkpoint.frontier, chosen: false };
      const { topic, partition, frontier } = checkpoint;
      if (onOutOfRange === 'fail') throw outOfRange(checkpoint, bounds);
      const to = onOutOfRange === 'earliest' ? bounds.low : bounds.high;
      if (to > frontier) emit({ type: 'gap', group, topic, partition, from: frontier, to });
      return {
        checkpoint: { ...checkpoint, frontier: to, runs: to > frontier ? beyond(checkpoint.runs, to) : [] },
        fetchFrom: to,
        chosen: true,
      };
    }),
  );
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

function outOfRange(checkpoint: Checkpoint, { low, high }: Watermarks): OffsetOutOfRangeError {
  const { topic, partition, frontier: offset } = checkpoint;
  const where = `${topic}/${partition}`;
  const what =
    offset < low
      ? `the records from ${offset} to ${low - 1} of ${where} were deleted before they were read`
      : `${where} ends at ${high}, before the remembered position (${String(Math.max(offset, checkpoint.runs.at(-1) ?? 0))}): the topic was re-created or truncated, or this is another cluster`;
  return new OffsetOutOfRangeError(`${what}. Decide with \`onOutOfRange\`: 'earliest' or 'latest'.`, {
    position: { topic, partition, offset },
    low,
    high,
  });
}

function choose(
  claim: Claim,
  member: Pick<GroupMember, 'watermarks' | 'offsetAt'>,
  { from: policy }: Pick<ResolvedSourceOptions, 'from'>,
): Observable<Start> {
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
