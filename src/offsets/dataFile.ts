import { closeSync, fdatasync, fstatSync, fsyncSync, openSync, readSync, statSync, write, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { promisify } from 'node:util';
import { crc32 } from 'node:zlib';
import { StoreCorruptError, StoreLostError } from '../errors.js';
import { freeBytes, isFull } from './directory.js';
import type { ManifestFile } from './manifest.js';
import { checkManifest } from './manifest.js';
import type { Meta } from './pages.js';
import { newest, readMetas } from './pages.js';
import type { Room } from './room.js';
import { PRESIZED_BYTES, bytesBeyond } from './room.js';
import type { Visit } from './structure.js';
import { Damage, checkStructure } from './structure.js';

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
  /** As of the last look. */
  #size: number;
  #meta: Meta | undefined;

  constructor(directory: string) {
    this.#directory = directory;
    this.#path = join(directory, 'data.mdb');
    this.#file = openSync(this.#path, 'r+');
    const { ino, size } = fstatSync(this.#file);
    this.#inode = ino;
    this.#size = size;
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
   * Answers LMDB's last transaction. Throws unless the file still has its name and its pages: what is written to one that was deleted is lost,
   * and to read one that was cut off ends the process.
   */
  look(): number {
    const found = statSync(this.#path, { throwIfNoEntry: false });
    if (found?.ino !== this.#inode)
      throw new StoreLostError(
        `${this.#directory}: data.mdb was ${found === undefined ? 'deleted' : 'replaced'} while it was open. What was written since is not remembered: restore the directory, then restart.`,
        { path: this.#directory },
      );
    this.#size = found.size;
    this.#meta = this.meta();
    const { lastPage, pageBytes, transaction } = this.#meta;
    if (found.size < (lastPage + 1) * pageBytes) throw this.#damaged('was cut off while it was open');
    return transaction;
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
   * Sees that there is room for a transaction, as the file was at the last look. If there is none, answers why.
   *
   * Room is in the file, filled with zeros; and on the disk, for there are file systems that write nothing to where it stood.
   */
  async makeRoom(room: Room): Promise<string | undefined> {
    if (room.puts === 0) return undefined;
    const { need, missing } = this.#room(room);
    const free = freeBytes(this.#directory);
    const growth = missing > 0 ? missing + PRESIZED_BYTES : 0;
    if (free < need + growth) return `${need + growth} bytes are needed, ${free} are free`;
    if (growth === 0) return undefined;
    try {
      const zeros = Buffer.alloc(PRESIZED_BYTES);
      for (const end = this.#size + growth; this.#size < end;)
        this.#size += (await writeAsync(this.#file, zeros, 0, Math.min(zeros.length, end - this.#size), this.#size)).bytesWritten;
      await syncAsync(this.#file);
      return undefined;
    } catch (error) {
      if (!isFull(error)) throw error;
      return `${growth} bytes are needed (${String((error as NodeJS.ErrnoException).code)})`;
    }
  }

  /** Whether there is room in the file already, as it was at the last look. */
  hasRoom(room: Room): boolean {
    return this.#room(room).missing <= 0;
  }

  #room(room: Room): { readonly need: number; readonly missing: number } {
    const { lastPage, pageBytes } = (this.#meta ??= this.meta());
    const need = bytesBeyond(lastPage, pageBytes, room);
    return { need, missing: (lastPage + 1) * pageBytes + need - this.#size };
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

/** The size of the data, or `undefined` if there is none. */
export function dataBytes(directory: string): number | undefined {
  return statSync(join(directory, 'data.mdb'), { throwIfNoEntry: false })?.size;
}
