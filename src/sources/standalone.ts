import type { Observable, ObservableInput, SchedulerLike, Subscription } from 'rxjs';
import {
  EMPTY,
  asyncScheduler,
  catchError,
  concat,
  concatMap,
  defer,
  exhaustMap,
  from,
  ignoreElements,
  interval,
  map,
  of,
  tap,
  toArray,
} from 'rxjs';
import { unknownTopics } from '../brokerErrors.js';
import type { OffsetStore } from '../offsets/store.js';
import type { Position, TopicPartition } from '../position.js';
import { nameOf } from '../position.js';
import type { Watermarks } from './fetcher.js';
import type { Membership, RebalanceListener } from './membership.js';
import { GROUP_AUTHORIZATION_FAILED } from './readFailures.js';
import type { Reader } from './reader.js';
import type { Share } from './share.js';

/** What fetches, and answers questions, for a source without a group: a `Fetcher`, or what answers in virtual time. */
export interface Fetches extends Omit<
  Membership,
  'storeOf' | 'asked' | 'assign' | 'unassign' | 'commit' | 'committing' | 'committed' | 'missing'
> {
  /** Fetches these partitions too, from these offsets on. */
  fetch(positions: readonly Position[]): void;
  /** Fetches these partitions no more. */
  unfetch(partitions: readonly TopicPartition[]): void;
  /** The numbers of a topic's partitions; none if it does not exist. */
  partitionsOf(topic: string): ObservableInput<readonly number[]>;
}

export interface StandaloneOptions {
  readonly share: Share;
  readonly discoverEveryMs: number;
  /** To look for partitions has failed. The next time it may not. */
  readonly onError: (error: unknown) => void;
  readonly scheduler?: SchedulerLike;
}

/**
 * The membership of a source without a group: it gives itself its share of the partitions, and keeps it.
 *
 * Now and then it looks which partitions there are. Those that are new are taken if they are of its share, those that are gone are given up; for
 * the source it is as if a group had given and taken them, one question at a time.
 */
export class Standalone implements Membership {
  readonly reader: Reader;
  readonly #fetches: Fetches;
  readonly #listener: RebalanceListener;
  readonly #options: StandaloneOptions;
  /** What the source was given, and has not given up. */
  readonly #given = new Map<string, TopicPartition>();
  /** Whether the source has yet to answer. */
  #asked = false;
  #discovery: Subscription | undefined;
  #closed = false;

  constructor(fetches: Fetches, listener: RebalanceListener, options: StandaloneOptions) {
    this.#fetches = fetches;
    this.#listener = listener;
    this.#options = options;
    this.reader = {
      mostRecords: fetches.reader.mostRecords,
      wake: fetches.reader.wake,
      read: (max, waitMs, done) => {
        fetches.reader.read(max, waitMs, (error, batch) => {
          done(error?.code === GROUP_AUTHORIZATION_FAILED ? undefined : error, batch);
        });
      },
    };
  }

  storeOf(offsets: OffsetStore): OffsetStore {
    return offsets;
  }

  connect(): Observable<never> {
    return concat(
      from(this.#fetches.connect()),
      defer(() => this.#look()).pipe(
        tap((found) => {
          this.#begin(found);
        }),
      ),
    ).pipe(ignoreElements());
  }

  assign(positions: readonly Position[]): void {
    if (!this.#asked) return;
    this.#asked = false;
    if (positions.length > 0) this.#fetches.fetch(positions);
  }

  unassign(partitions: readonly TopicPartition[]): void {
    if (!this.#asked) return;
    this.#asked = false;
    for (const partition of partitions) this.#given.delete(nameOf(partition));
    this.#fetches.unfetch(partitions);
  }

  get asked(): boolean {
    return this.#asked;
  }

  get incremental(): boolean {
    return this.#fetches.incremental;
  }

  refetch(position: Position): void {
    this.#fetches.refetch(position);
  }

  pause(partitions: readonly TopicPartition[]): void {
    this.#fetches.pause(partitions);
  }

  resume(partitions: readonly TopicPartition[]): void {
    this.#fetches.resume(partitions);
  }

  readonly committing = false;

  /** There is no group that could take offsets, or has any. */
  commit(): Observable<never> {
    return EMPTY;
  }

  committed(): Observable<readonly Position[]> {
    return of([]);
  }

  get readsCommitted(): boolean {
    return this.#fetches.readsCommitted;
  }

  missing(): Observable<readonly string[]> {
    return this.#look().pipe(map((found) => this.#missing(found)));
  }

  watermarks(partition: TopicPartition, options?: { readonly uncommitted: boolean }): ObservableInput<Watermarks> {
    return this.#fetches.watermarks(partition, options);
  }

  lastKnownEnd(partition: TopicPartition): number {
    return this.#fetches.lastKnownEnd(partition);
  }

  get rdkafkaStats(): unknown {
    return this.#fetches.rdkafkaStats;
  }

  offsetAt(partition: TopicPartition, timestamp: number): ObservableInput<number> {
    return this.#fetches.offsetAt(partition, timestamp);
  }

  close(): ObservableInput<void> {
    this.#closed = true;
    this.#asked = false;
    this.#discovery?.unsubscribe();
    return this.#fetches.close();
  }

  #begin(found: readonly TopicPartition[]): void {
    if (this.#closed) return;
    const { share, discoverEveryMs, onError, scheduler = asyncScheduler } = this.#options;
    const missing = this.#missing(found);
    if (missing.length > 0) throw unknownTopics(missing);
    share.check(found);
    // Also if there are none yet: that is an answer, too.
    this.#give(found.filter((partition) => share.has(partition)));
    this.#discovery = interval(discoverEveryMs, scheduler)
      .pipe(
        exhaustMap(() =>
          this.#look().pipe(
            catchError((error: unknown) => {
              if (!this.#closed) onError(error);
              return EMPTY;
            }),
          ),
        ),
      )
      .subscribe({
        next: (partitions) => {
          this.#compare(partitions);
        },
        error: onError,
      });
  }

  /** All partitions of the topics. */
  #look(): Observable<readonly TopicPartition[]> {
    return from(this.#options.share.topics).pipe(
      concatMap((topic) => from(this.#fetches.partitionsOf(topic)).pipe(map((found) => found.map((partition) => ({ topic, partition }))))),
      toArray(),
      map((found) => found.flat()),
    );
  }

  #missing(found: readonly TopicPartition[]): readonly string[] {
    return this.#options.share.topics.filter((topic) => !found.some((partition) => partition.topic === topic));
  }

  /** What is gone is taken first; what is new waits for the next look then. */
  #compare(found: readonly TopicPartition[]): void {
    if (this.#asked) return;
    // A topic of which there is nothing is gone, or a broker has yet to hear of it: reading it will tell.
    const missing = this.#missing(found);
    const there = new Set(found.map(nameOf));
    const gone = [...this.#given.values()].filter((partition) => !there.has(nameOf(partition)) && !missing.includes(partition.topic));
    const added = found.filter((partition) => this.#options.share.has(partition) && !this.#given.has(nameOf(partition)));
    if (gone.length > 0) this.#take(gone);
    else if (added.length > 0) this.#give(added);
  }

  #give(partitions: readonly TopicPartition[]): void {
    this.#asked = true;
    for (const partition of partitions) this.#given.set(nameOf(partition), partition);
    this.#listener.onAssigned(partitions);
  }

  #take(partitions: readonly TopicPartition[]): void {
    this.#asked = true;
    this.#listener.onRevoked(partitions);
  }
}
