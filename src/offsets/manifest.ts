import {
  closeSync,
  existsSync,
  fstatSync,
  fsyncSync,
  openSync,
  readFileSync,
  readSync,
  renameSync,
  writeFileSync,
  writeSync,
} from 'node:fs';
import { join } from 'node:path';
import { StoreCorruptError, StoreFormatError, StoreLostError } from '../errors.js';

/** Says what a directory holds: once in a file beside the data, once inside the data. */
export interface Manifest {
  readonly format: number;
  /** Random, made with the store: tells it from every other one. */
  readonly id: string;
}

export const FORMAT = 1;

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
  checkData(directory, data, manifest !== undefined);
  return manifest;
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

export function parseManifest(directory: string, text: string): Manifest {
  let parsed: unknown;
  try {
    parsed = JSON.parse(text);
  } catch (cause) {
    throw new StoreCorruptError(`${directory}: the manifest cannot be read. Restore it from a backup.`, { path: directory, cause });
  }
  const { format, id } = Object(parsed) as Partial<Manifest>;
  if (typeof format === 'number' && format > FORMAT) {
    throw new StoreFormatError(
      `${directory} was written by a newer version of kafka-rx (format ${format}, this one knows ${FORMAT}): upgrade.`,
      {
        path: directory,
      },
    );
  }
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
  const file = openSync(join(directory, 'data.mdb'), 'a');
  try {
    const { size } = fstatSync(file);
    if (size >= PRESIZED_BYTES) return;
    writeFileSync(file, Buffer.alloc(PRESIZED_BYTES - size));
    fsyncSync(file);
  } finally {
    closeSync(file);
  }
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

/** Each of the first two pages of an LMDB file is a meta page; what LMDB does not check itself, or dies of, is checked here. */
function checkData(directory: string, data: string, known: boolean): void {
  const damaged = (what: string): StoreCorruptError =>
    new StoreCorruptError(`${directory}: data.mdb ${what}. Restore the whole directory from a backup.`, { path: directory });
  const file = openSync(data, 'r');
  try {
    const { size } = fstatSync(file);
    if (size === 0 && known)
      throw new StoreLostError(`${directory} held offsets, but data.mdb is empty. Restore it from a backup.`, { path: directory });
    if (size === 0) return;
    const first = readMeta(file, 0);
    const second = first && readMeta(file, first.pageBytes);
    if (first === undefined || second?.pageBytes !== first.pageBytes) throw damaged('is no LMDB file, or its first pages are damaged');
    const lastPage = Math.max(first.lastPage, second.lastPage);
    // LMDB may leave free pages at the end unwritten, but not where the file was filled up.
    if (known && size < Math.min((lastPage + 1) * first.pageBytes, PRESIZED_BYTES)) throw damaged('is cut off');
  } finally {
    closeSync(file);
  }
}

/** A meta page in the machine's own byte order, as LMDB writes it; or nothing, if there is none at this place. */
function readMeta(file: number, at: number): { readonly pageBytes: number; readonly lastPage: number } | undefined {
  const bytes = new ArrayBuffer(META_BYTES);
  if (readSync(file, new Uint8Array(bytes), 0, META_BYTES, at) < META_BYTES) return undefined;
  const word = new Uint32Array(bytes);
  const isMeta = new Uint16Array(bytes)[9] === META_FLAG && word[6] === LMDB_MAGIC && word[7] === LMDB_VERSION;
  const pageBytes = word[12] as number;
  return isMeta && pageBytes >= META_BYTES ? { pageBytes, lastPage: Number(new BigUint64Array(bytes)[18]) } : undefined;
}

const META_BYTES = 168;
const META_FLAG = 8;
const LMDB_MAGIC = 0xbeefc0de;
const LMDB_VERSION = 2;
