import { accessSync, closeSync, constants, fsyncSync, mkdirSync, openSync, statSync, statfsSync } from 'node:fs';
import { dirname } from 'node:path';
import { StoreUnavailableError } from '../errors.js';
import { remoteKind } from '../remoteFileSystem.js';

/** Makes the directory if it is not there, for good, and sees that it can be used. */
export function prepare(path: string): void {
  try {
    mkdirSync(path, { mode: 0o700 });
    // Else a loss of power may take the whole directory away, and with it all that was written.
    syncDirectory(dirname(path));
  } catch (cause) {
    const { code } = cause as NodeJS.ErrnoException;
    if (code !== 'EEXIST') throw unavailable(path, code === 'ENOENT' ? 'its parent directory does not exist' : String(code), cause);
  }
  if (!statSync(path).isDirectory()) throw unavailable(path, 'it is a file, not a directory');
  try {
    accessSync(path, constants.R_OK | constants.W_OK | constants.X_OK);
  } catch (cause) {
    throw unavailable(path, `it is not writable for this user (${String((cause as NodeJS.ErrnoException).code)})`, cause);
  }
  // LMDB maps its file into memory and locks it between processes. These do not promise that what one side writes is seen by the other.
  const remote = remoteKind(path);
  if (remote !== undefined) throw unavailable(path, `it is on a file system of the kind ${remote}, on which LMDB loses data`);
}

export function syncDirectory(path: string): void {
  const folder = openSync(path, 'r');
  try {
    fsyncSync(folder);
  } finally {
    closeSync(folder);
  }
}

/** How many bytes this process may still write to the disk. */
export function freeBytes(path: string): number {
  const { bsize, bavail, bfree } = statfsSync(path);
  // Some blocks are kept for root.
  return bsize * (process.getuid?.() === 0 ? bfree : bavail);
}

/** What says that the disk has no more room. */
const FULL: ReadonlySet<unknown> = new Set(['ENOSPC', 'EDQUOT', 'EFBIG']);

export function isFull(error: unknown): boolean {
  return FULL.has((Object(error) as { code?: unknown }).code);
}

export function unavailable(path: string, reason: string, cause?: unknown): StoreUnavailableError {
  return new StoreUnavailableError(
    `the offset store ${path} cannot be used: ${reason}. Choose a directory on a local disk that this user may write to.`,
    { path, cause, retriable: isFull(cause) },
  );
}

export function fullDisk(path: string, reason: string): StoreUnavailableError {
  return new StoreUnavailableError(
    `the offset store ${path} cannot be used: the disk is full, ${reason}. Make room, or choose a directory on another disk.`,
    { path, retriable: true },
  );
}
