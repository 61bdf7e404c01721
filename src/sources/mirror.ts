import type { SchedulerLike, Subscription } from 'rxjs';
import { Observable, asyncScheduler } from 'rxjs';
import type { Checkpoint } from '../offsets/store.js';
import type { Position } from '../position.js';

export interface MirrorOptions {
  /** Commits to the group. */
  readonly commit: (positions: readonly Position[]) => Promise<void>;
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
  #noted = new Map<string, Position>();
  #committing: Promise<void> | undefined;
  #timer: Subscription | undefined;

  constructor(options: MirrorOptions) {
    this.#options = options;
    this.#scheduler = options.scheduler ?? asyncScheduler;
  }

  /** These are on disk. */
  note(checkpoints: readonly Checkpoint[]): void {
    for (const { topic, partition, frontier } of checkpoints) {
      // Nothing is finished: a committed 0 would say that somebody had begun.
      if (frontier > 0) this.#noted.set(`${topic}/${partition}`, { topic, partition, offset: frontier });
    }
    this.#timer ??= this.#scheduler.schedule(() => {
      this.#timer = undefined;
      void this.#commit();
    }, EVERY_MS);
  }

  /** Commits what is noted by now; completes when the group has answered, whatever it said. */
  flush(): Observable<never> {
    return new Observable((subscriber) => {
      void this.#commit().then(() => {
        subscriber.complete();
      });
    });
  }

  stop(): void {
    this.#timer?.unsubscribe();
    this.#noted.clear();
  }

  async #commit(): Promise<void> {
    await this.#committing;
    if (this.#noted.size === 0) return;
    const noted = this.#noted;
    this.#noted = new Map();
    this.#committing = this.#options.commit([...noted.values()]).catch((error: unknown) => {
      this.#options.onError(error);
      for (const [key, position] of noted) if (!this.#noted.has(key)) this.#noted.set(key, position);
    });
    await this.#committing;
  }
}
