import { rmSync } from 'node:fs';
import { join } from 'node:path';
import { StoreCorruptError, StoreFormatError, StoreLostError } from '../errors.js';
import { DataFile, dataBytes } from './dataFile.js';
import type { ManifestFile } from './manifest.js';
import { newManifest, readManifestFile, writeManifestFile } from './manifest.js';
import { MANIFEST_KEY, inspect } from './records.js';
import { makeRoomToOpen } from './room.js';

/** What is known of a store before LMDB opens it. */
export interface Preflight {
  /** What stands beside the data. */
  readonly manifest: ManifestFile | undefined;
  /** Whether the data is as it was closed. */
  readonly intact: boolean;
}

/**
 * Looks at the files before LMDB does, because a file that is damaged crashes the process. For a store that is yet to be made, it puts a note
 * that nothing was promised, and removes what an earlier attempt has left.
 */
export function preflight(path: string): Preflight {
  const manifest = readManifestFile(path);
  const bytes = dataBytes(path);
  if (manifest?.state === 'new' || (manifest === undefined && (bytes ?? 0) === 0)) return begin(path, manifest);
  if (bytes === undefined)
    throw new StoreLostError(
      `${path} held offsets (store ${manifest?.id}), but data.mdb is gone. Restore it from a backup; or, if the offsets may be forgotten, delete the whole directory.`,
      { path },
    );
  if (bytes === 0) throw new StoreLostError(`${path} held offsets, but data.mdb is empty. Restore it from a backup.`, { path });
  const intact = check(path, manifest);
  // Only now: the lock of another program is not ours to change.
  makeRoomToOpen(path, { isNew: false });
  return { manifest, intact };
}

function begin(path: string, found: ManifestFile | undefined): Preflight {
  makeRoomToOpen(path, { isNew: true });
  const manifest = found ?? newManifest();
  if (found === undefined) writeManifestFile(path, manifest);
  rmSync(join(path, 'data.mdb'), { force: true });
  return { manifest, intact: true };
}

function check(path: string, manifest: ManifestFile | undefined): boolean {
  // Without a manifest beside it, the data itself must say that it is ours.
  let isOurs = manifest !== undefined;
  const data = new DataFile(path);
  try {
    const intact = data.check(manifest, (table, key, value) => {
      isOurs ||= table === 'meta' && key.equals(MANIFEST_KEY);
      return inspect(table, key, value);
    });
    if (!isOurs) throw foreign(path);
    return intact;
  } catch (error) {
    throw !isOurs && error instanceof StoreCorruptError ? foreign(path) : error;
  } finally {
    data.close();
  }
}

function foreign(path: string): StoreFormatError {
  return new StoreFormatError(
    `${path} has no manifest.json, and its data.mdb is none of ours: choose a directory of its own for the offsets; or, if it held offsets, restore the whole directory from a backup.`,
    { path },
  );
}
