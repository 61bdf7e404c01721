import type { Observable, SchedulerLike, Subscription } from 'rxjs';
import { ReplaySubject, asyncScheduler, defer, timer } from 'rxjs';

/** A point in time that is fixed when somebody first asks for it, and then is the same for everybody. */
export class Deadline {
  readonly #passed$ = new ReplaySubject<unknown>(1);
  readonly #ms: number;
  readonly #scheduler: SchedulerLike;
  #running: Subscription | undefined;

  constructor(ms: number, scheduler: SchedulerLike = asyncScheduler) {
    this.#ms = ms;
    this.#scheduler = scheduler;
  }

  /** Emits when it has passed. */
  readonly passed$: Observable<unknown> = defer(() => {
    this.#running ??= timer(this.#ms, this.#scheduler).subscribe(this.#passed$);
    return this.#passed$;
  });

  /** Nobody waits for it any more; left running, its timer would keep the process alive. */
  readonly cancel = (): void => {
    this.#running?.unsubscribe();
  };
}
