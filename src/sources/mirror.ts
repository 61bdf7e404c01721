import type { Observable, ObservableInput, SchedulerLike, Subscription } from 'rxjs';
import { EMPTY, ReplaySubject, asyncScheduler, catchError, concat, defer, ignoreElements } from 'rxjs';
import type { Checkpoint } from '../offsets/store.js';
import type { Position, TopicPartition } from '../position.js';
import { nameOf } from '../position.js';

export interface MirrorOptions {
  /** Commits to the group. */
  readonly commit: (positions: readonly Position[]) => ObservableInput<void>;
  /** Whether the checkpoint is of an assignment that still holds: others may have gone on from one that does not. */
  readonly isCurrent: (checkpoint: Checkpoint) => boolean;
  /** It did not take them. They are committed with the next ones. */
  readonly onError: (error: unknown) => void;
  readonly scheduler?: SchedulerLike;
}

/** The group need not know every step: it only matters when a partition moves, and then the mirror is brought up to date first. */
const EVERY_MS = 1_000;

/**
 * Keeps the group's committed offsets near the frontiers that are on disk: after them, never before, and never in their way.
 *
 * One commit is in flight at a time; a failure is an event and no more.
 */
export class Mirror {
  readonly #options: MirrorOptions;
  readonly #scheduler: SchedulerLike;
  /** What is to be committed, by partition. */
  readonly #noted = new Map<string, Checkpoint>();
  /** Those that are about to be set back. */
  readonly #held = new Set<string>();
  #committing: Observable<never> = EMPTY;
  #timer: Subscription | undefined;

  constructor(options: MirrorOptions) {
    this.#options = options;
    this.#scheduler = options.scheduler ?? asyncScheduler;
  }

  /** These are on disk. */
  note(checkpoints: readonly Checkpoint[]): void {
    for (const checkpoint of checkpoints) {
      // Nothing is finished: a committed 0 would say that somebody had begun.
      if (checkpoint.frontier > 0) this.#noted.set(nameOf(checkpoint), checkpoint);
    }
    this.#flushLater();
  }

  /** Commits what is noted by now; completes when the group has answered, whatever it said. */
  flush(): Observable<never> {
    return defer(() =>
      concat(
        this.#committing,
        defer(() => this.#commit()),
      ),
    );
  }

  /** Commits nothing of these partitions, until they are released. */
  hold(partitions: readonly TopicPartition[]): void {
    for (const partition of partitions) this.#held.add(nameOf(partition));
  }

  release(partitions: readonly TopicPartition[]): void {
    for (const partition of partitions) this.#held.delete(nameOf(partition));
    this.#flushLater();
  }

  /** Sets the group back, before the store is: it must not be ahead. Errors if the group does not take it. */
  setBack(positions: readonly Position[]): Observable<never> {
    if (positions.length === 0) return EMPTY;
    // What is on its way must not come after it.
    const commit$ = defer(() => this.#options.commit(positions));
    return defer(() => concat(this.#committing, commit$)).pipe(ignoreElements());
  }

  stop(): void {
    this.#timer?.unsubscribe();
    this.#noted.clear();
  }

  #flushLater(): void {
    if (this.#noted.size === 0) return;
    this.#timer ??= this.#scheduler.schedule(() => {
      this.#timer = undefined;
      this.flush().subscribe();
    }, EVERY_MS);
  }

  #commit(): Observable<never> {
    const free = [...this.#noted].filter(([key]) => !this.#held.has(key));
    for (const [key] of free) this.#noted.delete(key);
    const noted = free.filter(([, checkpoint]) => this.#options.isCurrent(checkpoint));
    if (noted.length === 0) return EMPTY;
    const positions = noted.map(([, { topic, partition, frontier }]) => ({ topic, partition, offset: frontier }));
    const done$ = new ReplaySubject<never>(1);
    this.#committing = done$;
    defer(() => this.#options.commit(positions))
      .pipe(
        ignoreElements(),
        catchError((error: unknown) => {
          this.#options.onError(error);
          for (const [key, checkpoint] of noted) if (!this.#noted.has(key)) this.#noted.set(key, checkpoint);
          return EMPTY;
        }),
      )
      // Whoever waits for it may give up; it goes on.
      .subscribe(done$);
    return done$;
  }
}
