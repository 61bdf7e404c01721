import { closeSync, fstatSync, openSync, writeSync } from 'node:fs';

/** Divides the size of a page of memory, see below. */
export const LINE_BYTES = 64;

/**
 * A file to which several processes append lines. Each line is one write(2): it is with the system before the next step, so it outlives a
 * SIGKILL, and lines of two processes never mix.
 *
 * All lines have one length, so that none lies across two pages: between those a SIGKILL cuts a write in two.
 */
export class AppendOnly implements Disposable {
  readonly #file: number;

  constructor(path: string) {
    this.#file = openSync(path, 'a');
  }

  line(...words: readonly (string | number)[]): void {
    const line = `${words.join(' ').padEnd(LINE_BYTES - 1)}\n`;
    if (line.length !== LINE_BYTES) throw new Error(`this is too long for a line: ${line}`);
    writeSync(this.#file, line);
  }

  get size(): number {
    return fstatSync(this.#file).size;
  }

  [Symbol.dispose](): void {
    closeSync(this.#file);
  }
}
