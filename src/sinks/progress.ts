import { constants } from 'node:fs';
import type { FileHandle } from 'node:fs/promises';
import { open } from 'node:fs/promises';
import { crc32 } from 'node:zlib';

/** How far the replay has got: all segments before this one are done, and this one up to here. */
export interface Progress {
  readonly segment: number;
  readonly id: Buffer;
  readonly end: number;
}

/** Segment f64 | id 8 | end f64 | CRC u32. */
const BYTES = 28;

/**
 * Remembers, but never for sure, what has arrived: a process that is killed then repeats only what was on its way.
 *
 * It is not synced. Where a loss of power takes it away, or back to an earlier time, more comes twice, and nothing is lost.
 */
export class ProgressFile {
  readonly #path: string;
  #file: FileHandle | undefined;
  #next: Progress | undefined;
  #writing: Promise<void> | undefined;

  constructor(path: string) {
    this.#path = path;
  }

  async read(): Promise<Progress | undefined> {
    try {
      this.#file = await open(this.#path, constants.O_RDWR | constants.O_CREAT | constants.O_NOFOLLOW, 0o600);
      const bytes = Buffer.alloc(BYTES);
      await this.#file.read(bytes, 0, BYTES, 0);
      if (crc32(bytes.subarray(0, 24)) !== bytes.readUInt32BE(24)) return undefined;
      return { segment: bytes.readDoubleBE(0), id: bytes.subarray(8, 16), end: bytes.readDoubleBE(16) };
    } catch {
      return undefined;
    }
  }

  /** Of what is said while it writes, only the last is written. */
  write(progress: Progress): void {
    this.#next = progress;
    this.#writing ??= this.#write();
  }

  async close(): Promise<void> {
    await this.#writing;
    await this.#file?.close().catch(() => undefined);
  }

  async #write(): Promise<void> {
    for (let next = this.#next; next !== undefined; next = this.#next) {
      this.#next = undefined;
      const bytes = Buffer.alloc(BYTES);
      bytes.writeDoubleBE(next.segment, 0);
      next.id.copy(bytes, 8);
      bytes.writeDoubleBE(next.end, 16);
      bytes.writeUInt32BE(crc32(bytes.subarray(0, 24)), 24);
      await this.#file?.write(bytes, 0, BYTES, 0).catch(() => undefined);
    }
    this.#writing = undefined;
  }
}
