import { randomUUID } from 'node:crypto';
import { closeSync, fsyncSync, openSync, readFileSync, renameSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { StoreCorruptError, StoreFormatError, StoreLostError } from '../errors.js';
import { syncDirectory } from '../localDirectory.js';

/** Says what a directory holds: once in a file beside the data, once inside the data. */
export interface Manifest {
  readonly format: number;
  /** Random, made with the store: tells it from every other one. */
  readonly id: string;
}

/** The one beside the data also says how its last owner left it. */
export interface ManifestFile extends Manifest {
  /**
   * - `new`: it is being made. Nothing was ever promised, so it may be made again from the start.
   * - `open`: somebody has it open, or was killed.
   * - `closed`: `checksum` tells whether a single bit is other than it was left.
   */
  readonly state: 'new' | 'open' | 'closed';
  /** The data has at least this transaction: an older copy of it does not go with this file. */
  readonly transaction: number;
  /** CRC-32 of all pages in use. */
  readonly checksum?: number;
}

export const FORMAT = 1;

export function newManifest(): ManifestFile {
  return { format: FORMAT, id: randomUUID(), state: 'new', transaction: 0 };
}

/** The store's own manifest must be the file's. */
export function checkManifest(directory: string, file: Manifest | undefined, stored: Manifest | undefined): void {
  if (file !== undefined && stored === undefined) {
    throw new StoreLostError(
      `${directory} held offsets (store ${file.id}), but its data is empty. Restore it from a backup; or, if the offsets may be forgotten, delete the whole directory.`,
      { path: directory },
    );
  }
  if (file !== undefined && stored !== undefined && file.id !== stored.id) {
    throw new StoreCorruptError(
      `${directory}: manifest.json speaks of store ${file.id}, the data is of store ${stored.id}. Files of two stores were mixed: restore both from one backup.`,
      { path: directory },
    );
  }
}

export function parseManifest(directory: string, text: string): ManifestFile {
  let parsed: unknown;
  try {
    parsed = JSON.parse(text);
  } catch (cause) {
    throw new StoreCorruptError(`${directory}: the manifest cannot be read. Restore it from a backup.`, { path: directory, cause });
  }
  const { format, id, state = 'open', transaction = 0, checksum } = Object(parsed) as Partial<ManifestFile>;
  if (typeof format === 'number' && format > FORMAT) {
    throw new StoreFormatError(
      `${directory} was written by a newer version of kafka-rx (format ${format}, this one knows ${FORMAT}): upgrade.`,
      {
        path: directory,
      },
    );
  }
  const known = ['new', 'open', 'closed'].includes(state) && typeof transaction === 'number' && typeof (checksum ?? 0) === 'number';
  if (typeof format !== 'number' || typeof id !== 'string' || !known)
    throw new StoreCorruptError(`${directory}: the manifest is none of ours. Restore it from a backup.`, { path: directory });
  return { format, id, state, transaction, ...(checksum !== undefined && { checksum }) };
}

export function readManifestFile(directory: string): ManifestFile | undefined {
  let text: string;
  try {
    text = readFileSync(join(directory, 'manifest.json'), 'utf8');
  } catch (error) {
    if ((error as NodeJS.ErrnoException).code === 'ENOENT') return undefined;
    throw error;
  }
  return parseManifest(directory, text);
}

/** Written whole or not at all, and on disk when this returns. */
export function writeManifestFile(directory: string, manifest: ManifestFile): void {
  const path = join(directory, 'manifest.json');
  const draft = `${path}.new`;
  const file = openSync(draft, 'w', 0o600);
  try {
    writeFileSync(file, `${JSON.stringify(manifest)}\n`);
    fsyncSync(file);
  } finally {
    closeSync(file);
  }
  renameSync(draft, path);
  syncDirectory(directory);
}
