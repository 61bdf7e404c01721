import type { Journal, Lane, Retry } from './position.js';

/**
 * One record that becomes several values, each with a lane of its own: it is finished when all of them are and no more can come.
 *
 * If one of them is released, all are: the record comes again as a whole.
 */
export class Parts {
  readonly lane: Lane;
  readonly offset: number;
  #open = 1;
  #released = false;
  #ticket = Infinity;
  #beforeFinish: (() => void)[] = [];

  constructor(lane: Lane, offset: number) {
    this.lane = lane;
    this.offset = offset;
  }

  /** The lane of one more value. */
  add(): Lane {
    this.#open += 1;
    return new Part(this);
  }

  /** No more values come. */
  complete(): void {
    this.close({ released: false });
  }

  close({ released }: { released: boolean }): void {
    this.#open -= 1;
    this.#released ||= released;
    if (this.#open > 0) return;
    const { lane, offset } = this;
    if (this.#released) {
      lane.release(offset);
    } else {
      for (const work of this.#beforeFinish) lane.beforeFinish(work);
      lane.finish(offset);
    }
    this.#beforeFinish = [];
    if (lane.live) this.#ticket = lane.ticket;
  }

  /** `Infinity` while the record is open, and for good if its lane was lost before it was finished. */
  get ticket(): number {
    return this.#open === 0 && this.lane.whole !== this.lane ? this.lane.ticket : this.#ticket;
  }

  beforeFinish(work: () => void): void {
    this.#beforeFinish.push(work);
  }
}

/** The lane of one of the values that a record became. */
class Part implements Lane {
  readonly #parts: Parts;
  #closed = false;

  constructor(parts: Parts) {
    this.#parts = parts;
  }

  get topic(): string {
    return this.#parts.lane.topic;
  }

  get partition(): number {
    return this.#parts.lane.partition;
  }

  get epoch(): number {
    return this.#parts.lane.epoch;
  }

  get journal(): Journal {
    return this.#parts.lane.journal;
  }

  get whole(): Lane {
    return this.#parts.lane.whole;
  }

  get live(): boolean {
    return this.#parts.lane.live;
  }

  get emitting(): boolean {
    return this.#parts.lane.emitting;
  }

  get ticket(): number {
    return this.#parts.ticket;
  }

  get durable(): number {
    return this.#parts.lane.durable;
  }

  get metadata(): string {
    return this.#parts.lane.metadata;
  }

  set metadata(metadata: string) {
    this.#parts.lane.metadata = metadata;
  }

  finish(): boolean {
    return this.#close({ released: false });
  }

  finishThrough(offset: number): void {
    this.#parts.lane.finishThrough(Math.min(offset, this.#parts.offset) - 1);
    this.finish();
  }

  release(): void {
    this.#close({ released: true });
  }

  beforeFinish(work: () => void): void {
    this.#parts.beforeFinish(work);
  }

  bytesAt(offset: number): number {
    return this.#parts.lane.bytesAt(offset);
  }

  retryOf(offset: number, name: string): Retry | undefined {
    return this.#parts.lane.retryOf(offset, name);
  }

  noteRetry(retry: Retry): void {
    this.#parts.lane.noteRetry(retry);
  }

  /** Logs show the name of the lane, not its insides, when a record is printed. */
  [Symbol.for('nodejs.util.inspect.custom')](): string {
    return `Lane(${this.topic}/${this.partition}, epoch ${this.epoch})`;
  }

  #close(how: { released: boolean }): boolean {
    if (this.#closed) return false;
    this.#closed = true;
    this.#parts.close(how);
    return true;
  }
}
