/** When a sample found the position of a partition here: everything below was emitted by then. */
interface Mark {
  readonly at: number;
  readonly top: number;
}

/** So many are kept; of more, every second is left out, and ages are then told less exactly. */
const MAX_MARKS = 64;

/**
 * For how long the oldest open record of a partition has been open, without a time for each record: by when samples found it emitted.
 *
 * What it says is never too long, and too short by no more than what lies between two samples.
 */
export class OpenAges {
  #marks: Mark[] = [];

  /** At a sample: the age of the oldest open offset, if any is open. */
  sample(at: number, top: number, oldest: number | undefined): number {
    if ((this.#marks.at(-1)?.top ?? -1) < top) this.#marks.push({ at, top });
    if (oldest === undefined) {
      this.#marks.splice(0, this.#marks.length - 1);
      return 0;
    }
    const first = this.#marks.findIndex((mark) => mark.top > oldest);
    this.#marks.splice(0, first);
    if (this.#marks.length > MAX_MARKS) this.#marks = this.#marks.filter((_, i) => i % 2 === 0 || i === this.#marks.length - 1);
    return Math.max(0, at - (this.#marks[0]?.at ?? at));
  }
}
