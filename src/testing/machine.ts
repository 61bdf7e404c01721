import { Observable, Subscription } from 'rxjs';
import type { TestScheduler } from 'rxjs/testing';
import { OptionError } from '../errors.js';
import { eventsOf } from './marbleLine.js';
import { Process } from './process.js';

/** The process that a test is: it runs streams, and when it crashes the next one begins with nothing but the disk. */
export class Machine {
  readonly #scheduler: TestScheduler;
  #process: Process;
  #running = new Set<Subscription>();

  constructor(scheduler: TestScheduler) {
    this.#scheduler = scheduler;
    this.#process = new Process(scheduler);
  }

  get process(): Process {
    return this.#process;
  }

  /** The stream, subscribed to and left as the line says. */
  living<T>(stream$: Observable<T>, life: string): Observable<T> {
    const events = eventsOf('expectRecords', life, ['^', '!', '#']);
    return new Observable((subscriber) => {
      let subscription = Subscription.EMPTY;
      for (const { frame, symbol } of events) {
        const happen = (): void => {
          if (symbol === '#') {
            this.#crash();
          } else if (symbol === '!') {
            subscription.unsubscribe();
          } else {
            if (!subscription.closed) throw new OptionError(`expectRecords: "${life.trim()}" has ^ where it is subscribed to already.`);
            subscription = stream$.subscribe({
              next: (value) => {
                subscriber.next(value);
              },
              error: (error: unknown) => {
                subscriber.error(error);
              },
              complete: () => {
                subscriber.complete();
              },
            });
            this.#running.add(subscription);
          }
        };
        this.#scheduler.schedule(happen, frame);
      }
    });
  }

  #crash(): void {
    // First: what is unsubscribed from must not leave gracefully.
    this.#process.kill();
    this.#process = new Process(this.#scheduler);
    for (const subscription of this.#running) subscription.unsubscribe();
    this.#running = new Set();
  }
}
