import type { Retry } from '../position.js';

/** What is remembered of the records of one partition that have failed and are tried again. */
export class RetryTable {
  /** By offset; of each one for every name. */
  readonly #byOffset = new Map<number, readonly Retry[]>();

  constructor(retries: readonly Retry[] = []) {
    for (const retry of retries) this.put(retry);
  }

  get isEmpty(): boolean {
    return this.#byOffset.size === 0;
  }

  get(offset: number, name: string): Retry | undefined {
    return this.#byOffset.get(offset)?.find((retry) => retry.name === name);
  }

  /** Values that one record became share what is remembered of it: the most failures count. */
  put(retry: Retry): void {
    const before = this.#byOffset.get(retry.offset) ?? [];
    if (before.some(({ name, failed }) => name === retry.name && failed > retry.failed)) return;
    this.#byOffset.set(retry.offset, [...before.filter(({ name }) => name !== retry.name), retry]);
  }

  remove(offset: number): void {
    this.#byOffset.delete(offset);
  }

  removeBelow(offset: number): void {
    for (const each of this.#byOffset.keys()) if (each < offset) this.#byOffset.delete(each);
  }

  all(): readonly Retry[] {
    return [...this.#byOffset.values()].flat();
  }
}
