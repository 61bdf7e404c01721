import { closeSync, existsSync, fdatasync, fstatSync, fsyncSync, openSync, readSync, statSync, write, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { promisify } from 'node:util';
import { crc32 } from 'node:zlib';
import type { StoreUnavailableError } from '../errors.js';
import { StoreCorruptError, StoreLostError } from '../errors.js';
import { freeBytes, unavailable } from './directory.js';
import type { ManifestFile } from './manifest.js';
import { checkManifest } from './manifest.js';
import type { Meta } from './pages.js';
import { newest, readMetas } from './pages.js';
import type { Visit } from './structure.js';
import { Damage, checkStructure } from './structure.js';

/** So much space is filled before the first use that ordinary offsets never need the disk to have more. */
const PRESIZED_BYTES = 1024 * 1024;
/** LMDB makes its lock file with a hole and writes to it through a map: on a full disk that would end the process. */
const LOCK_FILE_BYTES = 8_272;
/** The manifest, the lock, and what else is written when a store is opened. */
const OPENING_BYTES = 128 * 1024;

/** What a transaction may write: to so many places, so many bytes in all. */
export interface Room {
  readonly puts: number;
  readonly bytes: number;
}

const writeAsync = promisify(write);
const syncAsync = promisify(fdatasync);

/**
 * The file beneath LMDB, looked at without it. LMDB must never meet a full disk, nor a damaged or shortened file: it has no answer to those
 * but to crash the process.
 */
export class DataFile {
  readonly #directory: string;
  readonly #path: string;
  readonly #file: number;
  readonly #inode: number;

  constructor(directory: string) {
    this.#directory = directory;
    this.#path = join(directory, 'data.mdb');
    this.#file = openSync(this.#path, 'r+');
    this.#inode = fstatSync(this.#file).ino;
  }

  close(): void {
    closeSync(this.#file);
  }

  /** Where LMDB stands. */
  meta(): Meta {
    const metas = readMetas(this.#file);
    if (metas === undefined) throw this.#damaged('is no LMDB file, or its first pages are damaged');
    return newest(metas);
  }

  /**
   * Sees that the file is what `manifest` says, and that LMDB can read it. Answers whether it is as it was closed: if not, something is
   * damaged that nobody would notice when it is read.
   */
  check(manifest: ManifestFile | undefined, visit: Visit): boolean {
    const { lastPage, pageBytes, transaction, main } = this.meta();
    const { size } = fstatSync(this.#file);
    if (main.root === undefined) checkManifest(this.#directory, manifest, undefined);
    if (size < (manifest === undefined ? 2 : lastPage + 1) * pageBytes) throw this.#damaged('is cut off');
    if (manifest !== undefined && transaction < manifest.transaction)
      throw this.#damaged(`is older (transaction ${transaction}) than manifest.json beside it (${manifest.transaction})`);
    if (manifest?.state === 'closed' && manifest.checksum === this.checksum()) return true;
    try {
      const damaged = checkStructure(this.#file, visit);
      // A record that is damaged explains the difference, and is an error to whoever asks for it.
      return manifest?.state !== 'closed' || manifest.transaction !== transaction || damaged > 0;
    } catch (error) {
      throw error instanceof Damage ? this.#damaged(error.message, error) : error;
    }
  }

  /** Over all pages in use. */
  checksum(): number {
    const { lastPage, pageBytes } = this.meta();
    const piece = Buffer.allocUnsafe(256 * pageBytes);
    let sum = 0;
    for (let at = 0, end = (lastPage + 1) * pageBytes; at < end;) {
      const read = readSync(this.#file, piece, 0, Math.min(piece.length, end - at), at);
      if (read === 0) return -1;
      sum = crc32(piece.subarray(0, read), sum);
      at += read;
    }
    return sum;
  }

  /**
   * Throws unless the file still has its name and its pages. What is written to one that was deleted is lost, and to read one that was
   * cut off ends the process.
   */
  assertThere(): void {
    const found = statSync(this.#path, { throwIfNoEntry: false });
    if (found?.ino !== this.#inode)
      throw new StoreLostError(
        `${this.#directory}: data.mdb was ${found === undefined ? 'deleted' : 'replaced'} while it was open. What was written since is not remembered: restore the directory, then restart.`,
        { path: this.#directory },
      );
    const { lastPage, pageBytes } = this.meta();
    if (found.size < (lastPage + 1) * pageBytes) throw this.#damaged('was cut off while it was open');
  }

  /** Fills the file up with zeros that are on disk: LMDB must never be the one to find out that the disk is full. */
  presize(): void {
    const { size } = fstatSync(this.#file);
    if (size >= PRESIZED_BYTES) return;
    const end = openSync(this.#path, 'a');
    try {
      writeFileSync(end, Buffer.alloc(PRESIZED_BYTES - size));
      fsyncSync(end);
    } finally {
      closeSync(end);
    }
  }

  /**
   * Sees that there is room for a transaction. If there is none, answers why.
   *
   * Room is in the file, filled with zeros; and on the disk, for there are file systems that write nothing to where it stood.
   */
  async makeRoom(room: Room): Promise<string | undefined> {
    if (room.puts === 0) return undefined;
    // To fill up a file that was cut off would hide that it was.
    this.assertThere();
    const { need, missing, size } = this.#room(room);
    const free = freeBytes(this.#directory);
    const growth = missing > 0 ? missing + PRESIZED_BYTES : 0;
    if (free < need + growth) return `${need + growth} bytes are needed, ${free} are free`;
    try {
      const zeros = Buffer.alloc(growth === 0 ? 0 : PRESIZED_BYTES);
      for (let at = size; at < size + growth;)
        at += (await writeAsync(this.#file, zeros, 0, Math.min(zeros.length, size + growth - at), at)).bytesWritten;
      if (growth > 0) await syncAsync(this.#file);
      return undefined;
    } catch (error) {
      const { code = '' } = error as NodeJS.ErrnoException;
      if (!FULL.has(code)) throw error;
      return `${growth} bytes are needed (${code})`;
    }
  }

  /** Whether there is room in the file already. */
  hasRoom(room: Room): boolean {
    return this.#room(room).missing <= 0;
  }

  #room({ puts, bytes }: Room): { readonly need: number; readonly missing: number; readonly size: number } {
    const { lastPage, pageBytes } = this.meta();
    // A put writes its path through the tree anew, at most every page there is; new pages may be half full.
    const need = 2 * bytes + pageBytes * (64 + 2 * puts + Math.min(8 * puts, lastPage));
    const { size } = fstatSync(this.#file);
    return { need, missing: (lastPage + 1) * pageBytes + need - size, size };
  }

  notAsClosed(): StoreCorruptError {
    return this.#damaged('is not as it was closed');
  }

  #damaged(what: string, cause?: unknown): StoreCorruptError {
    return new StoreCorruptError(`${this.#directory}: data.mdb ${what}. Restore the whole directory from a backup.`, {
      path: this.#directory,
      cause,
    });
  }
}

const FULL = new Set(['ENOSPC', 'EDQUOT', 'EFBIG']);

/** The size of the data, or `undefined` if there is none. */
export function dataBytes(directory: string): number | undefined {
  return statSync(join(directory, 'data.mdb'), { throwIfNoEntry: false })?.size;
}

/** Throws unless there is room to open a store; and for the lock, which LMDB must not find out by itself. */
export function makeRoomToOpen(directory: string, isNew: boolean): void {
  const need = OPENING_BYTES + (isNew ? 2 * PRESIZED_BYTES : 0);
  const free = freeBytes(directory);
  if (free < need) throw full(directory, `${need} bytes are needed, ${free} are free`);
  const lock = join(directory, 'lock.mdb');
  if (!existsSync(lock) || statSync(lock).size < LOCK_FILE_BYTES) writeFileSync(lock, Buffer.alloc(LOCK_FILE_BYTES), { mode: 0o600 });
}

function full(directory: string, reason: string): StoreUnavailableError {
  return unavailable(directory, `the disk is full, ${reason}`);
}
