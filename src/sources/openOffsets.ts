const FIRST_CAPACITY = 1024;

/**
 * Which offsets of one partition are open (emitted, not finished), and how many bytes each holds.
 *
 * Opening and closing is a mark in a ring of the most recent offsets and allocates nothing. The ring grows to `maxRing` slots; what is still
 * open when the ring has moved past it becomes a straggler in a map. So memory follows the number of open records and never the
 * distance between the oldest and the newest, and gaps in the log cost nothing.
 */
export class OpenOffsets {
  /** Bytes + 1 of the open offset in each slot, 0 where nothing is open. */
  #ring: Uint32Array;
  #mask: number;
  readonly #maxRing: number;
  /** The offset of the ring's oldest slot. From here to `#top` is never more than the ring holds; slots at or beyond `#top` are 0. */
  #base: number;
  #top: number;
  /** Ascending, because the ring only ever moves up. */
  readonly #stragglers = new Map<number, number>();
  #records = 0;
  #bytes = 0;

  constructor({ start, maxRing }: { start: number; maxRing: number }) {
    this.#maxRing = powerOfTwo(maxRing);
    const capacity = Math.min(FIRST_CAPACITY, this.#maxRing);
    this.#ring = new Uint32Array(capacity);
    this.#mask = capacity - 1;
    this.#base = start;
    this.#top = start;
  }

  /** How many offsets are open. */
  get records(): number {
    return this.#records;
  }

  /** How many bytes the open records hold. */
  get bytes(): number {
    return this.#bytes;
  }

  /** One past the last offset that was opened or passed over. */
  get top(): number {
    return this.#top;
  }

  /** Offsets are opened in ascending order; those left out between two are passed over. */
  open(offset: number, bytes: number): void {
    if (offset - this.#base > this.#mask) this.#makeRoom(offset);
    this.#ring[offset & this.#mask] = bytes + 1;
    this.#top = offset + 1;
    this.#records += 1;
    this.#bytes += bytes;
  }

  /** Nothing below `offset` will be opened any more. */
  passTo(offset: number): void {
    if (offset <= this.#top) return;
    if (offset - 1 - this.#base > this.#mask) this.#makeRoom(offset - 1);
    this.#top = offset;
  }

  /** The bytes of the record that was open at `offset`, or -1 if none was. */
  close(offset: number): number {
    let mark: number;
    if (offset >= this.#base) {
      if (offset >= this.#top) return -1;
      const slot = offset & this.#mask;
      mark = this.#ring[slot] as number;
      this.#ring[slot] = 0;
    } else {
      mark = this.#stragglers.get(offset) ?? 0;
      if (mark !== 0) this.#stragglers.delete(offset);
    }
    if (mark === 0) return -1;
    this.#records -= 1;
    this.#bytes -= mark - 1;
    return mark - 1;
  }

  has(offset: number): boolean {
    if (offset >= this.#top) return false;
    return offset >= this.#base ? this.#ring[offset & this.#mask] !== 0 : this.#stragglers.has(offset);
  }

  /** The bytes of the record that is open at `offset`, or 0 if none is. */
  bytesAt(offset: number): number {
    if (offset >= this.#top) return 0;
    const mark = offset >= this.#base ? (this.#ring[offset & this.#mask] as number) : (this.#stragglers.get(offset) ?? 0);
    return Math.max(0, mark - 1);
  }

  /** Closes every open offset up to and including `offset`. */
  closeThrough(offset: number): void {
    for (const straggler of this.#stragglers.keys()) {
      if (straggler > offset) return;
      this.close(straggler);
    }
    const end = Math.min(offset + 1, this.#top);
    for (; this.#base < end; this.#base += 1) this.close(this.#base);
  }

  /** The lowest open offset, or `top` if none is open. */
  get first(): number {
    for (const straggler of this.#stragglers.keys()) return straggler;
    this.#advance();
    return this.#base;
  }

  /** Visits the open offsets in ascending order. */
  forEach(visit: (offset: number) => void): void {
    for (const straggler of this.#stragglers.keys()) visit(straggler);
    this.#advance();
    for (let offset = this.#base; offset < this.#top; offset += 1) {
      if (this.#ring[offset & this.#mask] !== 0) visit(offset);
    }
  }

  /** Moves the ring's start up to the first offset that is open. */
  #advance(): void {
    if (this.#records === this.#stragglers.size) {
      this.#base = this.#top;
      return;
    }
    while (this.#ring[this.#base & this.#mask] === 0) this.#base += 1;
  }

  #makeRoom(offset: number): void {
    this.#advance();
    if (this.#base === this.#top) this.#base = offset;
    while (offset - this.#base > this.#mask && this.#ring.length < this.#maxRing) this.#grow();
    if (offset - this.#base <= this.#mask) return;
    const base = offset - this.#mask;
    for (let open = this.#base; open < base && open < this.#top; open += 1) {
      const slot = open & this.#mask;
      const mark = this.#ring[slot] as number;
      if (mark === 0) continue;
      this.#stragglers.set(open, mark);
      this.#ring[slot] = 0;
    }
    this.#base = base;
  }

  #grow(): void {
    const old = this.#ring;
    const oldMask = this.#mask;
    this.#ring = new Uint32Array(old.length * 2);
    this.#mask = this.#ring.length - 1;
    const end = Math.min(this.#top, this.#base + old.length);
    for (let offset = this.#base; offset < end; offset += 1) this.#ring[offset & this.#mask] = old[offset & oldMask] as number;
  }
}

function powerOfTwo(atLeast: number): number {
  return 2 ** Math.ceil(Math.log2(Math.max(16, Math.min(atLeast, 2 ** 24))));
}
