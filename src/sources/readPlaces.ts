import type { Observable } from 'rxjs';
import { concatMap, defer, from, map, mergeMap, of, toArray } from 'rxjs';
import { OptionError } from '../errors.js';
import type { Gap, TopicPartition } from '../position.js';
import { bare } from '../position.js';
import type { Membership } from './membership.js';
import type { Watermarks } from './fetcher.js';
import { LOOKUPS_AT_ONCE, OFFSET_BEGINNING, OFFSET_END } from './fetcher.js';
import { outOfRange } from './outOfRange.js';
import type { ResolvedSourceOptions } from './sourceOptions.js';

/**
 * A place in the log of a partition, as it is when the read starts: one of its ends, an offset, the first record that is as old as
 * `timestamp` (milliseconds since the epoch) or younger, or `last` offsets before the end.
 */
export type ReadPlace = 'earliest' | 'latest' | number | { readonly timestamp: number } | { readonly last: number };

/** One place for every partition, or one for each that is named. */
export type ReadPlaces = ReadPlace | Readonly<Record<number, ReadPlace>>;

/** What is to be read of one partition. */
export interface ReadRange extends TopicPartition {
  readonly from: number;
  /** The first offset that is not read; `Infinity` if it is read on and on. */
  readonly until: number;
  /** Where to fetch first: `from`, or the log's beginning, wherever that is by then. */
  readonly fetchFrom: number;
}

/** What looking a place up takes. */
export interface LookUpOptions {
  readonly fetcher: Pick<Membership, 'watermarks' | 'offsetAt'>;
  readonly onOutOfRange: ResolvedSourceOptions['onOutOfRange'];
  /** An offset lies before the log, and reading is to start in it. */
  readonly onGap: (gap: Gap) => void;
}

export interface ReadRangesOptions extends LookUpOptions {
  readonly from: ReadPlaces;
  readonly until: ReadPlaces | undefined;
}

/** Looks up where reading these partitions starts and ends. */
export function readRanges(partitions: readonly TopicPartition[], options: ReadRangesOptions): Observable<readonly ReadRange[]> {
  return from(partitions).pipe(
    mergeMap((partition) => rangeOf(partition, options), LOOKUPS_AT_ONCE),
    toArray(),
  );
}

function rangeOf(partition: TopicPartition, options: ReadRangesOptions): Observable<ReadRange> {
  const { fetcher } = options;
  const start = placeOf(options.from, partition) ?? 'earliest';
  const end = options.until === undefined ? undefined : placeOf(options.until, partition);
  return defer(() => fetcher.watermarks(partition)).pipe(
    concatMap((bounds) =>
      startAt(start, partition, bounds, options).pipe(
        concatMap((first) => {
          const until$ = end === undefined ? of(Infinity) : offsetOf(end, partition, bounds, options);
          return until$.pipe(map((until) => ({ ...partition, ...first, until })));
        }),
      ),
    ),
  );
}

/** Looks up where to start in a partition that is to be read from this place on. */
export function lookUp(place: ReadPlace, partition: TopicPartition, options: LookUpOptions): Observable<Omit<ReadRange, 'until'>> {
  return defer(() => options.fetcher.watermarks(partition)).pipe(
    concatMap((bounds) => startAt(place, partition, bounds, options)),
    map((start) => ({ ...bare(partition), ...start })),
  );
}

function startAt(
  place: ReadPlace,
  partition: TopicPartition,
  bounds: Watermarks,
  options: LookUpOptions,
): Observable<Pick<ReadRange, 'from' | 'fetchFrom'>> {
  return offsetOf(place, partition, bounds, options).pipe(
    concatMap((offset) => inRange(offset, partition, bounds, options)),
    map((first) => ({ from: first, fetchFrom: place === 'earliest' ? OFFSET_BEGINNING : first })),
  );
}

function offsetOf(place: ReadPlace, partition: TopicPartition, { low, high }: Watermarks, { fetcher }: LookUpOptions): Observable<number> {
  if (place === 'earliest') return of(low);
  if (place === 'latest') return of(high);
  if (typeof place === 'number') return of(place);
  if ('last' in place) return of(Math.max(low, high - place.last));
  return defer(() => fetcher.offsetAt(partition, place.timestamp)).pipe(map((offset) => (offset === OFFSET_END ? high : offset)));
}

/** An offset that the log does not hold is one that the user has named. */
function inRange(offset: number, partition: TopicPartition, bounds: Watermarks, options: LookUpOptions): Observable<number> {
  const { fetcher, onOutOfRange, onGap } = options;
  // With a transaction open, the end that readers see lies before the end of the log.
  const high$ =
    offset > bounds.high
      ? defer(() => fetcher.watermarks(partition, { uncommitted: true })).pipe(map(({ high }) => high))
      : of(bounds.high);
  return high$.pipe(
    map((high) => {
      const { low } = bounds;
      if (offset >= low && offset <= high) return offset;
      if (onOutOfRange === 'fail') throw outOfRange({ ...partition, offset }, { low, high });
      const to = onOutOfRange === 'earliest' ? low : high;
      if (to > offset) onGap({ ...partition, from: offset, to });
      return to;
    }),
  );
}

function placeOf(places: ReadPlaces, { partition }: TopicPartition): ReadPlace | undefined {
  return isPlace(places) ? places : places[partition];
}

function isPlace(places: ReadPlaces): places is ReadPlace {
  return typeof places !== 'object' || 'timestamp' in places || 'last' in places;
}

/** The partitions that places are named for. */
export function partitionsNamed(places: ReadPlaces): readonly number[] {
  return isPlace(places) ? [] : Object.keys(places).map(Number);
}

/** @throws {OptionError} for what is no place, nor an object of places. */
export function checkPlaces(name: string, places: unknown): void {
  const each = typeof places === 'object' && places !== null && isPlace(places as ReadPlaces) ? [places] : undefined;
  if (each !== undefined || typeof places !== 'object' || places === null) {
    checkPlace(`readTopic: \`${name}\``, places);
    return;
  }
  for (const [partition, place] of Object.entries(places)) {
    if (!/^\d+$/.test(partition))
      throw new OptionError(`readTopic: \`${name}\` is no place, and ${JSON.stringify(partition)} is no number of a partition.`);
    checkPlace(`readTopic: \`${name}[${partition}]\``, place);
  }
}

/** @throws {OptionError} for what is no place. */
export function checkPlace(what: string, place: unknown): void {
  if (place === 'earliest' || place === 'latest' || isCount(place)) return;
  if (typeof place === 'object' && place !== null) {
    const { timestamp, last } = place as { timestamp?: unknown; last?: unknown };
    const [given] = Object.keys(place);
    if (
      Object.keys(place).length === 1 &&
      (given === 'last' ? isCount(last) : typeof timestamp === 'number' && timestamp >= 0 && timestamp < Infinity)
    )
      return;
  }
  throw new OptionError(
    `${what} must be 'earliest', 'latest', an offset, { timestamp } in milliseconds since the epoch, or { last } in offsets.`,
  );
}

export function isCount(value: unknown): boolean {
  return Number.isSafeInteger(value) && (value as number) >= 0;
}
