import type { Observable, SchedulerAction, SchedulerLike } from 'rxjs';
import { ReplaySubject, Subscription } from 'rxjs';

/** The time of one process. Once it is killed, nothing that was to happen in it happens any more. */
export class Process implements SchedulerLike {
  readonly #clock: SchedulerLike;
  readonly #killed$ = new ReplaySubject<void>(1);
  #alive = true;

  constructor(clock: SchedulerLike) {
    this.#clock = clock;
  }

  get alive(): boolean {
    return this.#alive;
  }

  /** Emits when it is killed. */
  get killed$(): Observable<void> {
    return this.#killed$.asObservable();
  }

  kill(): void {
    this.#alive = false;
    this.#killed$.next();
  }

  now(): number {
    return this.#clock.now();
  }

  schedule<T>(work: (this: SchedulerAction<T>, state?: T) => void, delay?: number, state?: T): Subscription {
    if (!this.#alive) return Subscription.EMPTY;
    const isAlive = (): boolean => this.#alive;
    return this.#clock.schedule(
      function (this: SchedulerAction<T>, now?: T): void {
        if (isAlive()) work.call(this, now);
      },
      delay,
      state,
    );
  }
}
