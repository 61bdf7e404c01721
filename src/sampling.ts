import type { Observable, SchedulerLike } from 'rxjs';
import { EMPTY, Subject, defer, endWith, finalize, map, share, takeUntil, timer } from 'rxjs';

export interface SamplingOptions<S> {
  readonly everyMs: number;
  readonly scheduler: SchedulerLike;
  readonly onStats: ((stats: S) => void) | undefined;
  /** What `onStats` throws. */
  readonly onError: (error: unknown) => void;
  readonly sample: () => S;
}

/** Takes a sample every now and then, while anybody wants to know. */
export class Sampling<S> {
  readonly #options: SamplingOptions<S>;
  readonly #stop$ = new Subject<void>();
  #stopped = false;
  #isListenedTo = false;

  /** Hot; completes once it is stopped, with a last word. */
  readonly stats$: Observable<S>;

  constructor(options: SamplingOptions<S>) {
    this.#options = options;
    this.stats$ = defer(() => (this.#stopped ? EMPTY : this.#ticks())).pipe(share());
  }

  get isListenedTo(): boolean {
    return this.#isListenedTo;
  }

  /** Calls `onStats` from now on. */
  start(): void {
    const { onStats, onError } = this.#options;
    if (onStats === undefined) return;
    void this.stats$.forEach((stats) => {
      try {
        onStats(stats);
      } catch (error) {
        onError(error);
      }
    });
  }

  stop(): void {
    if (this.#stopped) return;
    this.#stopped = true;
    this.#stop$.next();
  }

  #ticks(): Observable<S> {
    const { everyMs, scheduler, sample } = this.#options;
    this.#isListenedTo = true;
    return timer(everyMs, everyMs, scheduler).pipe(
      finalize(() => {
        this.#isListenedTo = false;
      }),
      takeUntil(this.#stop$),
      endWith(0),
      map(sample),
    );
  }
}
