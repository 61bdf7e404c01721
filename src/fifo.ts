/** Below this many, what was taken out costs less than copying what is left. */
const MIN_TAKEN = 1_024;

/** A queue without a bound of its own: first in, first out, each step in constant time, and nothing that was taken out stays in memory. */
export class Fifo<T> {
  /** What was taken out is `undefined`, until the array is cut. */
  #items: (T | undefined)[] = [];
  #first = 0;

  get length(): number {
    return this.#items.length - this.#first;
  }

  push(item: T): void {
    this.#items.push(item);
  }

  /** The oldest, which stays; `undefined` if there is none. */
  peek(): T | undefined {
    return this.#items[this.#first];
  }

  /** Takes the oldest out; `undefined` if there is none. */
  shift(): T | undefined {
    const item = this.#items[this.#first];
    if (this.#first === this.#items.length) return undefined;
    this.#items[this.#first] = undefined;
    this.#first += 1;
    if (this.#first === this.#items.length) this.clear();
    else if (this.#first >= MIN_TAKEN && this.#first * 2 >= this.#items.length) {
      // Where more comes all the time the queue never gets empty.
      this.#items = this.#items.slice(this.#first);
      this.#first = 0;
    }
    return item;
  }

  /** From the oldest on; they stay. */
  forEach(visit: (item: T) => void): void {
    for (let i = this.#first; i < this.#items.length; i += 1) visit(this.#items[i] as T);
  }

  clear(): void {
    this.#items = [];
    this.#first = 0;
  }
}
