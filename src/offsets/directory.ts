import { statfsSync } from 'node:fs';
import { StoreUnavailableError } from '../errors.js';
import { prepareLocalDirectory } from '../localDirectory.js';

export function prepare(path: string): void {
  // LMDB maps its file into memory and locks it between processes; a remote one does not promise that what one side writes is seen by the other.
  prepareLocalDirectory(path, { unavailable, remote: 'on which LMDB loses data' });
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
