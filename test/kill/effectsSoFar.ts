import { linesOf } from './runFolder.js';

/** How much of the work is done, as told by a file of effects that is still being written. */
export class EffectsSoFar {
  readonly #path: string;
  readonly #worked = new Set<string>();
  #read = 0;
  #heard = performance.now();

  constructor(path: string) {
    this.#path = path;
  }

  /** For how long nothing was written, as far as was looked. */
  get silentMs(): number {
    return performance.now() - this.#heard;
  }

  /** How many different records were worked on. */
  worked(): number {
    const lines = linesOf(this.#path, this.#read);
    let next = lines.next();
    for (; next.done !== true; next = lines.next()) {
      if (next.value.startsWith('E')) this.#worked.add(next.value.slice(next.value.lastIndexOf(' ')));
    }
    if (next.value > this.#read) this.#heard = performance.now();
    this.#read = next.value;
    return this.#worked.size;
  }
}
