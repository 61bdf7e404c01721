import type { Subscriber } from 'rxjs';
import { Fifo } from '../fifo.js';

/** An input, and what became of it as soon as that is known. */
export interface Entry<T, O> {
  readonly input: T;
  outcome: O | undefined;
}

/** Inputs that wait for their outcomes, and are passed on in the order in which they came. */
export class InOrder<T, O extends object, R> {
  readonly #subscriber: Subscriber<R>;
  readonly #result: (input: T, outcome: O) => R;
  readonly #entries = new Fifo<Entry<T, O>>();
  #completed = false;

  constructor(subscriber: Subscriber<R>, result: (input: T, outcome: O) => R) {
    this.#subscriber = subscriber;
    this.#result = result;
  }

  add<E extends Entry<T, O>>(entry: E): E {
    this.#entries.push(entry);
    return entry;
  }

  settle(entry: Entry<T, O>, outcome: O): void {
    entry.outcome = outcome;
    this.#passOn();
  }

  /** No more inputs come. */
  complete(): void {
    this.#completed = true;
    this.#passOn();
  }

  #passOn(): void {
    for (let entry = this.#entries.peek(); entry?.outcome !== undefined; entry = this.#entries.peek()) {
      if (this.#subscriber.closed) return;
      // Taken out before it is passed on: that may bring the next input, or the end, in the same call.
      this.#entries.shift();
      let value;
      try {
        value = this.#result(entry.input, entry.outcome);
      } catch (error) {
        this.#subscriber.error(error);
        return;
      }
      this.#subscriber.next(value);
    }
    if (this.#completed && this.#entries.length === 0) this.#subscriber.complete();
  }
}
