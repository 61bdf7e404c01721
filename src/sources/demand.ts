/** What goes out and comes back is counted in records and in bytes. */
class Count {
  records = 0;
  bytes = 0;

  add(records: number, bytes: number): void {
    this.records += records;
    this.bytes += bytes;
  }
}

/**
 * The credits of one source: how much it may still emit.
 *
 * RxJS has no `request(n)`; here the demand signal is completion. A credit is taken when a record is emitted, and given back when it is
 * finished. So no more than `maxRecords` and `maxBytes` are open at once. As much again may be finished and wait for the disk: a disk that is
 * slow holds the source up only then, and a crash never repeats more than twice the bounds.
 * A single record larger than they are goes out alone.
 */
export class Demand {
  readonly maxRecords: number;
  readonly maxBytes: number;
  /** What was emitted and is not finished, and all that a crash would repeat. */
  readonly #open = new Count();
  readonly #out = new Count();
  #starved = false;
  #awaited = false;
  #given = 0;
  #abandoned = 0;
  readonly #onRelief: () => void;
  readonly #onFinish: () => void;

  constructor({ maxRecords, maxBytes, onRelief, onFinish }: DemandOptions) {
    this.maxRecords = maxRecords;
    this.maxBytes = maxBytes;
    this.#onRelief = onRelief;
    this.#onFinish = onFinish;
  }

  /** How many records are out: open, or not on disk yet. */
  get records(): number {
    return this.#out.records;
  }

  /** How many records are open. */
  get open(): number {
    return this.#open.records;
  }

  /** How many bytes the open records hold. */
  get openBytes(): number {
    return this.#open.bytes;
  }

  /** How many records have come back, ever. */
  get given(): number {
    return this.#given;
  }

  /** How many of these really were finished, or released: the others were given up. */
  get finished(): number {
    return this.#given - this.#abandoned;
  }

  /** How many records may go out now. */
  get free(): number {
    const { maxRecords, maxBytes } = this;
    if (this.#open.bytes >= maxBytes || this.#out.bytes >= 2 * maxBytes) return 0;
    return Math.min(maxRecords - this.#open.records, 2 * maxRecords - this.#out.records);
  }

  /** Whether nothing goes out before something comes back: no credit is left, or too little for the record that is next. */
  get starved(): boolean {
    return this.#starved || this.free <= 0;
  }

  /** Whether a record of this size may go out now. If not, it waits for credit. */
  admits(bytes: number): boolean {
    const fits =
      fitsIn(this.#open, bytes, this.maxRecords, this.maxBytes) && fitsIn(this.#out, bytes, 2 * this.maxRecords, 2 * this.maxBytes);
    this.#starved = !fits;
    return fits;
  }

  take(bytes: number): void {
    this.#open.add(1, bytes);
    this.#out.add(1, bytes);
  }

  /** Whoever waits for the next record that is finished is told of it, also while there is credit. */
  awaitFinish(): void {
    this.#awaited = true;
  }

  /** These are finished; until they are on disk, a crash would repeat them. */
  finish(records: number, bytes: number): void {
    const starved = this.#awaited || this.starved;
    this.#awaited = false;
    this.#open.add(-records, -bytes);
    this.#given += records;
    this.#starved = false;
    if (starved) this.#onFinish();
  }

  /** What was finished is on disk. */
  remember(records: number, bytes: number): void {
    if (records === 0) return;
    this.#out.add(-records, -bytes);
    this.#starved = false;
    this.#onRelief();
  }

  /** These were open, and need not be remembered. */
  give(records: number, bytes: number): void {
    if (records === 0) return;
    this.#open.add(-records, -bytes);
    this.#given += records;
    this.remember(records, bytes);
  }

  /** These were open, and come again elsewhere. */
  abandon(records: number, bytes: number): void {
    this.#abandoned += records;
    this.give(records, bytes);
  }
}

export interface DemandOptions {
  readonly maxRecords: number;
  readonly maxBytes: number;
  /** Credits have come back, and may be used at once. */
  readonly onRelief: () => void;
  /** So they have, but whoever finished the record is still at it: to be used soon. Only called when there was none, or if it is awaited. */
  readonly onFinish: () => void;
}

function fitsIn(count: Count, bytes: number, maxRecords: number, maxBytes: number): boolean {
  return count.records === 0 || (count.records < maxRecords && count.bytes + bytes <= maxBytes);
}
