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
const USUAL_PAGE_BYTES = 4_096;
/** Both metas are read into it at once, if pages have the usual size: every commit reads them twice. */
const START = Buffer.alloc(USUAL_PAGE_BYTES + META_BYTES);
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

/** Without a bigint on the way. */
function readNumber(bytes: Buffer, at: number): number {
  return bytes.readUInt32LE(at) + bytes.readUInt32LE(at + 4) * 2 ** 32;
}

/** Both meta pages, or nothing if the file does not begin with them. */
export function readMetas(file: number): readonly [Meta, Meta] | undefined {
  if (readSync(file, START, 0, START.length, 0) < START.length) return undefined;
  const first = parseMeta(START.subarray(0, META_BYTES));
  if (first === undefined) return undefined;
  const { pageBytes } = first;
  if (pageBytes !== USUAL_PAGE_BYTES && readSync(file, START, USUAL_PAGE_BYTES, META_BYTES, pageBytes) < META_BYTES) return undefined;
  const second = parseMeta(START.subarray(USUAL_PAGE_BYTES));
  return second?.pageBytes === pageBytes ? [first, second] : undefined;
}

/** The one that LMDB goes by. */
export function newest([first, second]: readonly [Meta, Meta]): Meta {
  return second.transaction > first.transaction ? second : first;
}

function parseMeta(bytes: Buffer): Meta | undefined {
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
