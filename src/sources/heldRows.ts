import { Fifo } from '../fifo.js';
import type { Batch } from './reader.js';

/** Rows of a batch, from one on and up to another. */
interface Stretch {
  readonly batch: Batch;
  row: number;
  to: number;
}

/** Rows of one partition that were read and wait, in their order. */
export class HeldRows {
  readonly #stretches = new Fifo<Stretch>();
  #last: Stretch | undefined;
  #bytes = 0;

  get isEmpty(): boolean {
    return this.#stretches.length === 0;
  }

  get bytes(): number {
    return this.#bytes;
  }

  add(batch: Batch, row: number): void {
    this.#bytes += batch.bytes(row);
    if (this.#last?.batch === batch && this.#last.to === row) {
      this.#last.to = row + 1;
      return;
    }
    this.#last = { batch, row, to: row + 1 };
    this.#stretches.push(this.#last);
  }

  /** Hands out rows, oldest first, as long as they are taken. */
  offer(take: (batch: Batch, row: number) => boolean): void {
    for (let first = this.#stretches.peek(); first !== undefined; first = this.#stretches.peek()) {
      const { batch, row } = first;
      if (!take(batch, row)) return;
      // While it was taken all may have been cleared.
      if (this.#stretches.peek() !== first) continue;
      this.#bytes -= batch.bytes(row);
      first.row += 1;
      if (first.row < first.to) continue;
      this.#stretches.shift();
      if (this.#last === first) this.#last = undefined;
    }
  }

  clear(): void {
    this.#stretches.clear();
    this.#last = undefined;
    this.#bytes = 0;
  }
}
