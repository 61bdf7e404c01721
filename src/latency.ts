/** How long something took that happens again and again, in milliseconds. */
export interface Latency {
  /** The last time; 0 if it has not happened yet. */
  readonly last: number;
  /** The longest of those since the sample before; 0 if there were none. */
  readonly max: number;
  /** The mean of those since the sample before; 0 if there were none. */
  readonly mean: number;
}

/** Adds up latencies between two samples. */
export class Latencies {
  #last = 0;
  #max = 0;
  #sum = 0;
  #count = 0;

  note(ms: number): void {
    // A clock may be set back.
    this.#last = Math.max(0, ms);
    this.#max = Math.max(this.#max, this.#last);
    this.#sum += this.#last;
    this.#count += 1;
  }

  /** What there was since this was called before. */
  sample(): Latency {
    const sample = { last: this.#last, max: this.#max, mean: this.#count === 0 ? 0 : this.#sum / this.#count };
    this.#max = 0;
    this.#sum = 0;
    this.#count = 0;
    return sample;
  }
}
