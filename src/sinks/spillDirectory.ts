import { readdirSync } from 'node:fs';
import { open, readdir, rename, unlink } from 'node:fs/promises';
import { join } from 'node:path';
import { KafkaRxError, SpillError, StoreUnavailableError } from '../errors.js';
import { prepareLocalDirectory } from '../localDirectory.js';
import { lock } from '../lock.js';
import type { Framed } from './frame.js';
import { encodeFrame } from './frame.js';
import { ProgressFile } from './progress.js';
import { HEADER_BYTES, Segment } from './segment.js';
import type { Backlog, Spill, Stored, ToStore } from './spill.js';

export interface SpillDirectoryOptions {
  /** How many bytes the files may take together. */
  readonly quotaBytes: number;
  /** The present time, in milliseconds since the epoch. */
  readonly now: () => number;
  /** Told of what was found to be damaged. */
  readonly onDamage: (error: SpillError) => void;
}

interface Kept extends Framed, Stored {
  readonly segment: Segment;
  readonly index: number;
  readonly end: number;
}

const SEGMENT = /^(\d{1,15})\.segment$/;
const MAX_SEGMENT_BYTES = 4 * 1_024 * 1_024;
/** A full quota has room again when one of so many files is done. */
const SEGMENTS_IN_QUOTA = 8;

/**
 * Records in files that are only appended to, each synced before anybody is told, and removed one by one when all that is in them has arrived.
 *
 * A write that failed is never tried again in the same file: after a failed sync nobody knows what of it is on disk.
 */
export class SpillDirectory implements Spill {
  readonly #path: string;
  readonly #options: SpillDirectoryOptions;
  readonly #segmentBytes: number;
  readonly #unlock: () => Promise<void>;
  readonly #progress: ProgressFile;
  /** Oldest first; the last may be the active one. */
  #segments: Segment[] = [];
  #active: Segment | undefined;
  #last = 0;
  #bytes = 0;
  /** Every change of the directory waits for the one before. */
  #tidying: Promise<void> = Promise.resolve();
  #busy: Promise<void> = Promise.resolve();

  /** @throws {StoreUnavailableError | StoreLockedError} */
  constructor(path: string, options: SpillDirectoryOptions) {
    this.#path = path;
    this.#options = options;
    this.#segmentBytes = Math.min(MAX_SEGMENT_BYTES, options.quotaBytes / SEGMENTS_IN_QUOTA);
    try {
      prepareLocalDirectory(path, { unavailable, remote: 'where its lock does not hold for other machines' });
      this.#unlock = lock(path, { what: 'spill directory', share: 'One directory has one owner; share the publisher within a process.' });
      readdirSync(path);
    } catch (error) {
      throw error instanceof KafkaRxError ? error : unavailable(path, error instanceof Error ? error.message : String(error), error);
    }
    this.#progress = new ProgressFile(join(path, 'progress'));
  }

  get backlog(): Backlog {
    return { records: this.#segments.reduce((sum, segment) => sum + segment.open, 0), bytes: this.#bytes };
  }

  get unread(): number {
    return this.#segments.reduce((sum, segment) => sum + segment.unread, 0);
  }

  get room(): number {
    // A write begins one file at most.
    return this.#options.quotaBytes - this.#bytes - HEADER_BYTES;
  }

  open(done: () => void): void {
    this.#busy = this.#open().catch((cause: unknown) => {
      this.#damaged(0, `${this.#path} cannot be read: what earlier runs have left there does not come again in this one`, cause);
    });
    void this.#busy.then(done);
  }

  write(records: readonly ToStore[], done: (error: Error | undefined) => void): void {
    this.#busy = this.#write(records).then(
      () => {
        done(undefined);
      },
      (error: unknown) => {
        done(error as Error);
      },
    );
  }

  read(
    limit: { readonly records: number; readonly bytes: number },
    done: (error: Error | undefined, found: readonly Stored[]) => void,
  ): void {
    this.#read(limit).then(
      (found) => {
        done(undefined, found);
      },
      (error: unknown) => {
        done(error as Error, []);
      },
    );
  }

  done(stored: Stored): void {
    const { segment, index, end } = stored as Kept;
    segment.done(index, end);
    if (segment !== this.#active) this.#tidy();
    else this.#note();
  }

  expire(before: number): number {
    let records = 0;
    for (const segment of this.#segments) {
      if (segment.read > 0 || segment === this.#active || segment.newestAt >= before) continue;
      records += segment.frames;
      segment.frames = 0;
    }
    if (records > 0) this.#tidy();
    return records;
  }

  /** Resolves when everything is closed, and the directory is free for the next owner. */
  async close(): Promise<void> {
    await this.#busy;
    await this.#seal();
    this.#tidy();
    await this.#tidying;
    await this.#progress.close();
    await this.#unlock();
  }

  async #open(): Promise<void> {
    const progress = await this.#progress.read();
    const numbers = (await readdir(this.#path)).flatMap((name) => SEGMENT.exec(name)?.[1] ?? []).map(Number);
    // A number is never used twice: what is remembered of one segment must not be taken for another.
    this.#last = Math.max(0, progress?.segment ?? 0, ...numbers);
    for (const number of numbers.sort((a, b) => a - b)) {
      const segment = new Segment(number, this.#pathOf(number));
      if (progress !== undefined && number < progress.segment) {
        await unlink(segment.path).catch(() => undefined);
        continue;
      }
      const kind = await segment.examine((id) => (progress?.segment === number && progress.id.equals(id) ? progress.end : undefined));
      if (kind === 'segment') {
        this.#segments.push(segment);
        this.#bytes += segment.size;
        if (segment.damaged) {
          this.#damaged(segment.lost, `${segment.path} is not as it was written; what can still be read of it comes again`);
        }
      } else if (kind === 'stillborn') await unlink(segment.path).catch(() => undefined);
      else {
        this.#damaged(0, `${segment.path} is no segment that this version can read, and was put aside as ${segment.path}.damaged`);
        await rename(segment.path, `${segment.path}.damaged`).catch(() => undefined);
      }
    }
    this.#tidy();
  }

  async #write(records: readonly ToStore[]): Promise<void> {
    await this.#busy;
    const now = this.#options.now();
    const frames = records.map(({ record, at = now }) => encodeFrame(record, at));
    const bytes = frames.reduce((sum, frame) => sum + frame.length, 0);
    if (this.#active !== undefined && this.#active.size + bytes > this.#segmentBytes) {
      await this.#seal();
      this.#tidy();
    }
    const isNew = this.#active === undefined;
    const segment = (this.#active ??= new Segment((this.#last += 1), this.#pathOf(this.#last)));
    const before = segment.size;
    try {
      await segment.append(frames, Math.max(...records.map(({ at = now }) => at)));
      this.#bytes += segment.size - before;
      if (isNew) {
        this.#segments.push(segment);
        await syncDirectory(this.#path);
      }
    } catch (error) {
      // Whatever of this write can be read nobody was told of; it may come twice.
      this.#active = undefined;
      await segment.seal({ cut: true });
      if (isNew && !this.#segments.includes(segment)) await unlink(segment.path).catch(() => undefined);
      throw error;
    }
  }

  async #read(limit: { readonly records: number; readonly bytes: number }): Promise<readonly Stored[]> {
    for (let segment = this.#nextToRead(); segment !== undefined; segment = this.#nextToRead()) {
      const read = segment;
      const before = read.frames;
      const found = await read.next(limit);
      if (found.length > 0) return found.map(({ framed, index, end }): Kept => ({ ...framed, segment: read, index, end }));
      this.#damaged(before - read.frames, `${read.path} was changed while it was in use: records in it can no longer be read`);
      if (read !== this.#active) this.#tidy();
    }
    return [];
  }

  #nextToRead(): Segment | undefined {
    return this.#segments.find((segment) => segment.unread > 0);
  }

  async #seal(): Promise<void> {
    const sealed = this.#active;
    this.#active = undefined;
    await sealed?.seal({ cut: false });
  }

  /** Removes the segments of which everything has arrived. */
  #tidy(): void {
    const finished = this.#segments.filter((segment) => segment !== this.#active && segment.open === 0);
    this.#segments = this.#segments.filter((segment) => !finished.includes(segment));
    this.#note();
    for (const segment of finished) {
      this.#bytes -= segment.size;
      this.#tidying = this.#tidying.then(async () => {
        // Somebody may want to look at what is in the damaged part.
        await (segment.damaged ? rename(segment.path, `${segment.path}.damaged`) : unlink(segment.path)).catch(() => undefined);
      });
    }
  }

  #note(): void {
    const [oldest] = this.#segments;
    this.#progress.write(
      oldest === undefined
        ? { segment: this.#last + 1, id: Buffer.alloc(8), end: 0 }
        : { segment: oldest.number, id: oldest.id, end: oldest.frontier },
    );
  }

  #damaged(records: number, what: string, cause?: unknown): void {
    this.#options.onDamage(new SpillError(`${what}.`, { path: this.#path, records, reason: 'damaged', cause }));
  }

  #pathOf(number: number): string {
    return join(this.#path, `${number}.segment`);
  }
}

async function syncDirectory(path: string): Promise<void> {
  const folder = await open(path, 'r');
  try {
    await folder.sync();
  } finally {
    await folder.close();
  }
}

function unavailable(path: string, reason: string, cause?: unknown): StoreUnavailableError {
  return new StoreUnavailableError(
    `the spill directory ${path} cannot be used: ${reason}. Choose a directory on a local disk that this user may write to.`,
    { path, cause },
  );
}
