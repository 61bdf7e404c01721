/**
 * The credits of one source: how much it may still emit.
 *
 * RxJS has no `request(n)`; here the demand signal is completion. A credit is taken when a record is emitted and given back when
 * it is finished and remembered, so what a source has emitted and a crash would repeat is never more than `maxRecords` and `maxBytes`.
 * A single record larger than `maxBytes` goes out alone.
 */
export class Demand {
  readonly maxRecords: number;
  readonly maxBytes: number;
  #records = 0;
  #bytes = 0;
  #starved = false;
  #given = 0;
  readonly #onRelief: () => void;

  constructor({ maxRecords, maxBytes, onRelief }: { maxRecords: number; maxBytes: number; onRelief: () => void }) {
    this.maxRecords = maxRecords;
    this.maxBytes = maxBytes;
    this.#onRelief = onRelief;
  }

  /** How many records are out. */
  get records(): number {
    return this.#records;
  }

  /** How many bytes are out. */
  get bytes(): number {
    return this.#bytes;
  }

  /** How many records have come back, ever. */
  get given(): number {
    return this.#given;
  }

  /** How many records may go out now. */
  get free(): number {
    return this.#bytes < this.maxBytes ? this.maxRecords - this.#records : 0;
  }

  /** Whether nothing goes out before something comes back: no credit is left, or too little for the record that is next. */
  get starved(): boolean {
    return this.#starved || this.free <= 0;
  }

  /** Whether a record of this size may go out now. If not, it waits for credit. */
  admits(bytes: number): boolean {
    const fits = this.#records === 0 || (this.#records < this.maxRecords && this.#bytes + bytes <= this.maxBytes);
    this.#starved = !fits;
    return fits;
  }

  take(bytes: number): void {
    this.#records += 1;
    this.#bytes += bytes;
  }

  give(records: number, bytes: number): void {
    if (records === 0) return;
    this.#records -= records;
    this.#given += records;
    this.#bytes -= bytes;
    this.#starved = false;
    this.#onRelief();
  }
}
