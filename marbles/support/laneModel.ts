import type { Checkpoint } from '../../src/offsets/store.js';
import { offsetsIn, stretchesOf } from './offsetSet.js';

/** What a lane must know, as plain sets of single offsets: slow, and plain to see. */
export class LaneModel {
  readonly open = new Map<number, number>();
  top: number;
  readonly #start: number;
  readonly #restored: ReadonlySet<number>;
  readonly #released = new Set<number>();

  constructor({ frontier, runs }: Pick<Checkpoint, 'frontier' | 'runs'>) {
    this.#start = frontier;
    this.top = frontier;
    this.#restored = offsetsIn(runs);
  }

  skips(offset: number): boolean {
    if (offset < this.top) return true;
    if (!this.#restored.has(offset)) return false;
    this.top = offset + 1;
    return true;
  }

  emit(offset: number, bytes: number): void {
    this.open.set(offset, bytes);
    this.top = offset + 1;
  }

  finish(offset: number): void {
    this.open.delete(offset);
  }

  finishThrough(offset: number): void {
    for (const open of this.open.keys()) if (open <= offset) this.open.delete(open);
    for (const released of this.#released) if (released <= offset) this.#released.delete(released);
  }

  /** Where no commit stands, all between two releases counts as released: it comes again. */
  release(offset: number, { committing }: { committing: boolean }): void {
    if (!this.open.delete(offset)) return;
    const from = committing || this.#released.size === 0 ? offset : Math.min(Math.max(...this.#released) + 1, offset);
    for (let each = from; each <= offset; each += 1) this.#released.add(each);
  }

  /** Finished are those that were passed and are neither open nor released, and beyond them those of earlier epochs. */
  checkpoint(): Pick<Checkpoint, 'frontier' | 'runs'> {
    const finished = new Set([...this.#restored].filter((offset) => offset >= this.top));
    for (let offset = this.#start; offset < this.top; offset += 1) {
      if (!this.open.has(offset) && !this.#released.has(offset)) finished.add(offset);
    }
    let frontier = this.#start;
    while (finished.delete(frontier)) frontier += 1;
    return { frontier, runs: stretchesOf(finished) };
  }
}
