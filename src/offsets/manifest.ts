import { closeSync, existsSync, fstatSync, fsyncSync, openSync, readFileSync, readSync, renameSync, writeSync } from 'node:fs';
import { join } from 'node:path';
import { StoreCorruptError, StoreFormatError, StoreLostError } from '../errors.js';

/** Says what a directory holds: once in a file beside the data, once inside the data. */
export interface Manifest {
  readonly format: number;
  /** Random, made with the store: tells it from every other one. */
  readonly id: string;
}

export const FORMAT = 1;

const LMDB_MAGIC = 0xbeefc0de;
/** The magic stands behind the page header of the first meta page. */
const MAGIC_AT = 16;
/** So much space is filled before the first use that ordinary offsets never need the disk to have more. */
const PRESIZED_BYTES = 1024 * 1024;

/**
 * Looks at the files before LMDB does, because a file that is none of its own crashes the process.
 *
 * Answers the manifest file, or nothing for a store that is yet to be made.
 */
export function preflight(directory: string): Manifest | undefined {
  const manifest = readManifestFile(directory);
  const data = join(directory, 'data.mdb');
  if (!existsSync(data)) {
    if (manifest === undefined) return undefined;
    throw new StoreLostError(
      `${directory} held offsets (store ${manifest.id}), but data.mdb is gone. Restore it from a backup; or, if the offsets may be forgotten, delete the whole directory.`,
      { path: directory },
    );
  }
  checkMagic(directory, data, manifest !== undefined);
  return manifest;
}

/** The store's own manifest must be the file's. */
export function checkManifest(directory: string, file: Manifest | undefined, stored: Manifest | undefined): void {
  const known = stored ?? file;
  if (known !== undefined && known.format > FORMAT) {
    throw new StoreFormatError(
      `${directory} was written by a newer version of kafka-rx (format ${known.format}, this one knows ${FORMAT}): upgrade.`,
      { path: directory },
    );
  }
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

export function parseManifest(directory: string, text: string): Manifest {
  let parsed: unknown;
  try {
    parsed = JSON.parse(text);
  } catch (cause) {
    throw new StoreCorruptError(`${directory}: the manifest cannot be read. Restore it from a backup.`, { path: directory, cause });
  }
  const { format, id } = Object(parsed) as Partial<Manifest>;
  if (typeof format !== 'number' || typeof id !== 'string')
    throw new StoreCorruptError(`${directory}: the manifest is none of ours. Restore it from a backup.`, { path: directory });
  return { format, id };
}

/** Written whole or not at all, and on disk when this returns. */
export function writeManifestFile(directory: string, manifest: Manifest): void {
  const path = join(directory, 'manifest.json');
  const draft = `${path}.new`;
  const file = openSync(draft, 'w', 0o600);
  writeSync(file, `${JSON.stringify(manifest)}\n`);
  fsyncSync(file);
  closeSync(file);
  renameSync(draft, path);
  const folder = openSync(directory, 'r');
  fsyncSync(folder);
  closeSync(folder);
}

/** Fills the data file up with zeros that are on disk: LMDB must never be the one to find out that the disk is full. */
export function presize(directory: string): void {
  const file = openSync(join(directory, 'data.mdb'), 'r+');
  const { size } = fstatSync(file);
  if (size < PRESIZED_BYTES) {
    writeSync(file, Buffer.alloc(PRESIZED_BYTES - size), 0, PRESIZED_BYTES - size, size);
    fsyncSync(file);
  }
  closeSync(file);
}

function readManifestFile(directory: string): Manifest | undefined {
  let text: string;
  try {
    text = readFileSync(join(directory, 'manifest.json'), 'utf8');
  } catch (error) {
    if ((error as NodeJS.ErrnoException).code === 'ENOENT') return undefined;
    throw error;
  }
  return parseManifest(directory, text);
}

function checkMagic(directory: string, data: string, known: boolean): void {
  const file = openSync(data, 'r');
  try {
    const { size } = fstatSync(file);
    if (size === 0 && known)
      throw new StoreLostError(`${directory} held offsets, but data.mdb is empty. Restore it from a backup.`, { path: directory });
    if (size === 0) return;
    const head = Buffer.alloc(4);
    readSync(file, head, 0, 4, MAGIC_AT);
    if (head.readUInt32LE() !== LMDB_MAGIC && head.readUInt32BE() !== LMDB_MAGIC) {
      throw new StoreCorruptError(`${directory}: data.mdb is no LMDB file, or its first page is damaged. Restore it from a backup.`, {
        path: directory,
      });
    }
  } finally {
    closeSync(file);
  }
}
