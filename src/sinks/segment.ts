import { randomBytes } from 'node:crypto';
import { constants } from 'node:fs';
import type { FileHandle } from 'node:fs/promises';
import { open } from 'node:fs/promises';
import { crc32 } from 'node:zlib';
import type { Framed } from './frame.js';
import { decodeFrame, nextFrame } from './frame.js';

/** Magic 8 | format u32 | id 8 | CRC of these 20 bytes u32. */
export const HEADER_BYTES = 24;
const MAGIC = Buffer.from('KRXSPILL');
const FORMAT = 1;
/** A file that is larger is none of ours. */
const MAX_BYTES = 2 ** 30;

const CHUNK_BYTES = 256 * 1_024;
const NOTHING = Buffer.alloc(0);

/** What a file turned out to be: a segment, the beginning of one that nobody was told of, or something else. */
export type Kind = 'segment' | 'stillborn' | 'foreign';

/** A file of frames: appended to, read from the start, and then removed as a whole. */
export class Segment {
  readonly number: number;
  readonly path: string;
  /** Tells it from any other that may ever have had the same number. */
  readonly id = randomBytes(8);
  /** Where the frames end that are surely on disk, or were found to be there. */
  size = 0;
  /** How many frames it holds. */
  frames = 0;
  /** When the newest was written down. */
  newestAt = 0;
  /** Whether there is something amid its frames that is none. */
  damaged = false;
  /** How many frames, at least, were found to be lost. */
  lost = 0;
  /** How many were read. */
  read = 0;
  /** How many are done without a gap, and where the last of them ends. */
  #first = 0;
  #firstEnd = HEADER_BYTES;
  #readEnd = HEADER_BYTES;
  /** Those that are done beyond, each with where it ends. */
  readonly #beyond = new Map<number, number>();
  #file: FileHandle | undefined;

  constructor(number: number, path: string) {
    this.number = number;
    this.path = path;
  }

  /** How many of its records have not arrived. */
  get open(): number {
    return this.frames - this.#first - this.#beyond.size;
  }

  get unread(): number {
    return this.frames - this.read;
  }

  /** Up to here everything has arrived. */
  get frontier(): number {
    return this.#firstEnd;
  }

  /** Makes the file if this is the first write, and appends what was written down at `newestAt` and before. What it wrote is on disk when this resolves; its name need not be. */
  async append(frames: readonly Buffer[], newestAt: number): Promise<void> {
    const isNew = this.#file === undefined;
    // O_EXCL follows no link either.
    this.#file ??= await open(this.path, constants.O_WRONLY | constants.O_CREAT | constants.O_EXCL, 0o600);
    const bytes = Buffer.concat(isNew ? [header(this.id), ...frames] : frames);
    const { bytesWritten } = await this.#file.write(bytes, 0, bytes.length, this.size);
    if (bytesWritten < bytes.length) throw new Error(`ENOSPC: only ${bytesWritten} of ${bytes.length} bytes could be written`);
    await this.#file.datasync();
    this.size += bytes.length;
    this.frames += frames.length;
    this.newestAt = Math.max(this.newestAt, newestAt);
  }

  /** No more is appended. After a failed write, what it may have left is cut off. */
  async seal({ cut }: { readonly cut: boolean }): Promise<void> {
    const file = this.#file;
    this.#file = undefined;
    // Best effort: an end that is torn is no frame, and a whole one beyond it is at worst one that comes twice.
    if (cut) await file?.truncate(this.size).catch(() => undefined);
    await file?.close().catch(() => undefined);
  }

  /** Looks at all that the file holds from `frontier` on, which is where an earlier life says that it got to. */
  async examine(frontier: (id: Buffer) => number | undefined): Promise<Kind> {
    const bytes = await this.#bytes(0, Infinity);
    if (bytes === undefined) return 'foreign';
    const head = bytes.subarray(0, HEADER_BYTES);
    const trusted = isHeader(head);
    if (trusted && head.readUInt32BE(8) !== FORMAT) return 'foreign';
    let from: number | undefined;
    if (trusted) {
      head.copy(this.id, 0, 12, 20);
      from = frontier(this.id);
    }
    this.#firstEnd = this.#readEnd = this.size = from !== undefined && from <= bytes.length ? from : HEADER_BYTES;
    for (let place = nextFrame(bytes, this.size); place !== undefined; place = nextFrame(bytes, place.end)) {
      this.damaged ||= place.lost > 0;
      this.lost += place.lost;
      this.size = place.end;
      this.frames += 1;
      this.newestAt = Math.max(this.newestAt, decodeFrame(bytes, place.start).at);
    }
    if (trusted) return 'segment';
    this.damaged ||= this.frames > 0;
    if (this.damaged) return 'segment';
    // The header is synced together with the first frames, before anybody is told of them.
    return head.length < HEADER_BYTES || head.every((byte) => byte === 0) ? 'stillborn' : 'foreign';
  }

  /** The next frames, with where each ends. Fewer than there should be, if the file has changed since. */
  async next(limit: { readonly records: number; readonly bytes: number }): Promise<{ framed: Framed; index: number; end: number }[]> {
    const until = this.size;
    const promised = this.frames;
    const start = this.#readEnd;
    const found: { framed: Framed; index: number; end: number }[] = [];
    let bytes = (await this.#bytes(start, Math.min(until, start + CHUNK_BYTES))) ?? NOTHING;
    // A frame may be larger, and so may be what is no frame.
    if (nextFrame(bytes, 0) === undefined) bytes = (await this.#bytes(start, until)) ?? NOTHING;
    let end = 0;
    for (let place = nextFrame(bytes, 0); place !== undefined; place = nextFrame(bytes, place.end)) {
      end = place.end;
      found.push({ framed: decodeFrame(bytes, place.start), index: this.read, end: start + end });
      this.read += 1;
      if (found.length >= limit.records || end >= limit.bytes || this.read === promised) break;
    }
    if (found.length === 0) {
      // What was there is gone; what was appended meanwhile is not.
      this.damaged = true;
      this.frames -= promised - this.read;
      this.#readEnd = until;
    } else this.#readEnd = start + end;
    return found;
  }

  /** The frame need not come again. */
  done(index: number, end: number): void {
    this.#beyond.set(index, end);
    for (let next = this.#beyond.get(this.#first); next !== undefined; next = this.#beyond.get(this.#first)) {
      this.#beyond.delete(this.#first);
      this.#first += 1;
      this.#firstEnd = next;
    }
  }

  async #bytes(from: number, to: number): Promise<Buffer | undefined> {
    // A link, or a pipe put in its place, is not read.
    const file = await open(this.path, constants.O_RDONLY | constants.O_NOFOLLOW | constants.O_NONBLOCK).catch((error: unknown) => {
      if ((error as NodeJS.ErrnoException).code === 'ELOOP') return undefined;
      throw error;
    });
    if (file === undefined) return undefined;
    try {
      const found = await file.stat();
      if (!found.isFile() || found.size > MAX_BYTES) return undefined;
      const bytes = Buffer.alloc(Math.max(0, Math.min(to, found.size) - from));
      const { bytesRead } = await file.read(bytes, 0, bytes.length, from);
      return bytes.subarray(0, bytesRead);
    } finally {
      await file.close();
    }
  }
}

function header(id: Buffer): Buffer {
  const bytes = Buffer.alloc(HEADER_BYTES);
  MAGIC.copy(bytes);
  bytes.writeUInt32BE(FORMAT, 8);
  id.copy(bytes, 12);
  bytes.writeUInt32BE(crc32(bytes.subarray(0, 20)), 20);
  return bytes;
}

function isHeader(bytes: Buffer): boolean {
  return bytes.length === HEADER_BYTES && bytes.subarray(0, 8).equals(MAGIC) && bytes.readUInt32BE(20) === crc32(bytes.subarray(0, 20));
}
