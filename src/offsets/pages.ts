import { readSync } from 'node:fs';

/** What LMDB writes at the start of its file, twice: where the trees begin, as of the last transaction and of the one before. */
export interface Meta {
  readonly pageBytes: number;
  readonly mapBytes: number;
  /** The last page in use. */
  readonly lastPage: number;
  readonly transaction: number;
  /** The tree of free pages. */
  readonly free: Tree;
  /** The tree of tables. */
  readonly main: Tree;
}

export interface Tree {
  readonly flags: number;
  readonly depth: number;
  readonly branchPages: number;
  readonly leafPages: number;
  readonly overflowPages: number;
  readonly entries: number;
  /** `undefined` for an empty one. */
  readonly root: number | undefined;
}

export const HEAD_BYTES = 24;
export const TREE_BYTES = 48;
const META_BYTES = 168;
/** Read into, and left again. */
const META = Buffer.alloc(META_BYTES);
const META_FLAG = 8;
const LMDB_MAGIC = 0xbeefc0de;
const LMDB_VERSION = 2;

/** A tree as it stands in a meta page, or in the place of a table's value. */
export function readTree(bytes: Buffer, at: number): Tree {
  const isEmpty = bytes.readUInt32LE(at + 40) === 0xffff_ffff && bytes.readUInt32LE(at + 44) === 0xffff_ffff;
  return {
    flags: bytes.readUInt16LE(at + 4),
    depth: bytes.readUInt16LE(at + 6),
    branchPages: readNumber(bytes, at + 8),
    leafPages: readNumber(bytes, at + 16),
    overflowPages: readNumber(bytes, at + 24),
    entries: readNumber(bytes, at + 32),
    root: isEmpty ? undefined : readNumber(bytes, at + 40),
  };
}

/** Without a bigint on the way: every commit reads some twenty of them. */
function readNumber(bytes: Buffer, at: number): number {
  return bytes.readUInt32LE(at) + bytes.readUInt32LE(at + 4) * 2 ** 32;
}

/** Both meta pages, or nothing if the file does not begin with them. */
export function readMetas(file: number): readonly [Meta, Meta] | undefined {
  const first = readMeta(file, 0);
  const second = first && readMeta(file, first.pageBytes);
  return first !== undefined && second?.pageBytes === first.pageBytes ? [first, second] : undefined;
}

/** The one that LMDB goes by. */
export function newest([first, second]: readonly [Meta, Meta]): Meta {
  return second.transaction > first.transaction ? second : first;
}

function readMeta(file: number, at: number): Meta | undefined {
  const bytes = META;
  if (readSync(file, bytes, 0, META_BYTES, at) < META_BYTES) return undefined;
  const isMeta = bytes.readUInt16LE(18) === META_FLAG && bytes.readUInt32LE(24) === LMDB_MAGIC && bytes.readUInt32LE(28) === LMDB_VERSION;
  const pageBytes = bytes.readUInt32LE(48);
  if (!isMeta || pageBytes < 512 || pageBytes > 65_536 || (pageBytes & (pageBytes - 1)) !== 0) return undefined;
  return {
    pageBytes,
    mapBytes: readNumber(bytes, 40),
    free: readTree(bytes, 48),
    main: readTree(bytes, 96),
    lastPage: readNumber(bytes, 144),
    transaction: readNumber(bytes, 152),
  };
}
