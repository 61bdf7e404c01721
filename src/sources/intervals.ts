/** A set of whole numbers kept as ascending, disjoint stretches: `[from, to, from, to, …]`, `to` not included. */
export class Intervals {
  readonly #ends: number[] = [];

  get isEmpty(): boolean {
    return this.#ends.length === 0;
  }

  /** The end of the last stretch, or `-Infinity`. */
  get end(): number {
    return this.#ends[this.#ends.length - 1] ?? -Infinity;
  }

  /** The stretches, flat. */
  get flat(): readonly number[] {
    return this.#ends;
  }

  has(number: number): boolean {
    const ends = this.#ends;
    let below = 0;
    let above = ends.length;
    // How many ends are not above it: an odd number, if it is in a stretch.
    while (below < above) {
      const middle = (below + above) >> 1;
      if ((ends[middle] as number) <= number) below = middle + 1;
      else above = middle;
    }
    return below % 2 === 1;
  }

  /** Removes everything up to and including `last`; says whether there was something. */
  removeThrough(last: number): boolean {
    const ends = this.#ends;
    if (ends.length === 0 || (ends[0] as number) > last) return false;
    let whole = 0;
    while (whole < ends.length && (ends[whole + 1] as number) <= last + 1) whole += 2;
    ends.splice(0, whole);
    if (ends.length > 0) ends[0] = Math.max(ends[0] as number, last + 1);
    return true;
  }

  /** Adds `[from, to)` and joins it with the stretches that it touches. */
  add(from: number, to: number): void {
    const ends = this.#ends;
    // Almost always at the end: look from there.
    let first = ends.length;
    while (first > 0 && (ends[first - 1] as number) >= from) first -= 2;
    let last = first;
    let start = from;
    let end = to;
    while (last < ends.length && (ends[last] as number) <= end) {
      start = Math.min(start, ends[last] as number);
      end = Math.max(end, ends[last + 1] as number);
      last += 2;
    }
    ends.splice(first, last - first, start, end);
  }
}
