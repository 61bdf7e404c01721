import { existsSync, statSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { freeBytes, fullDisk } from './directory.js';
import type { Checkpoint } from './store.js';

/** What a transaction may write: to so many places, so many bytes in all. */
export interface Room {
  readonly puts: number;
  readonly bytes: number;
}

/** What a record takes at most beside runs, metadata and long names. */
const RECORD_BYTES = 512;

export function roomForRecords(records: number): Room {
  return { puts: records, bytes: records * RECORD_BYTES };
}

/** About as many bytes as they take on disk, rather more than less. */
export function roomForCheckpoints(checkpoints: readonly Checkpoint[]): Room {
  let bytes = checkpoints.length * RECORD_BYTES;
  for (const { runs, metadata, retries = [] } of checkpoints) {
    bytes += 8 * runs.length + 3 * metadata.length;
    for (const { name } of retries) bytes += 26 + 3 * name.length;
  }
  return { puts: checkpoints.length, bytes };
}

export function roomForAll(rooms: readonly Room[]): Room {
  let puts = 0;
  let bytes = 0;
  for (const room of rooms) {
    puts += room.puts;
    bytes += room.bytes;
  }
  return { puts, bytes };
}

/** How much LMDB may write beyond its last page. */
export function bytesBeyond(lastPage: number, pageBytes: number, { puts, bytes }: Room): number {
  // A put writes its path through the tree anew, at most every page there is; new pages may be half full.
  return 2 * bytes + pageBytes * (64 + 2 * puts + Math.min(8 * puts, lastPage));
}

/** So much space is filled before the first use that ordinary offsets never need the disk to have more. */
export const PRESIZED_BYTES = 1024 * 1024;
/** LMDB makes its lock file with a hole and writes to it through a map: on a full disk that would end the process. */
const LOCK_FILE_BYTES = 8_272;
/** The manifest, the lock, and what else is written when a store is opened. */
const OPENING_BYTES = 128 * 1024;

/** Throws unless there is room to open a store; and for the lock, which LMDB must not find out by itself. */
export function makeRoomToOpen(directory: string, { isNew }: { readonly isNew: boolean }): void {
  const need = OPENING_BYTES + (isNew ? 2 * PRESIZED_BYTES : 0);
  const free = freeBytes(directory);
  if (free < need) throw fullDisk(directory, `${need} bytes are needed, ${free} are free`);
  const lock = join(directory, 'lock.mdb');
  if (!existsSync(lock) || statSync(lock).size < LOCK_FILE_BYTES) writeFileSync(lock, Buffer.alloc(LOCK_FILE_BYTES), { mode: 0o600 });
}
