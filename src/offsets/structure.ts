import { readSync } from 'node:fs';
import type { Meta, Tree } from './pages.js';
import { HEAD_BYTES, TREE_BYTES, newest, readMetas, readTree } from './pages.js';

/** LMDB has no checksums and trusts what it reads: of a damaged page it crashes the process, or leaves out records. So we look first. */
export class Damage extends Error {}

/** Called with each record. It throws a `Damage` for one that damages the store, and not just itself. */
export type Visit = (table: string, key: Buffer, value: Buffer) => 'intact' | 'damaged';

const BRANCH = 1;
const LEAF = 2;
const OVERFLOW = 4;
const BIG_VALUE = 1;
const TABLE = 2;
const INTEGER_KEYS = 8;
const NODE_BYTES = 8;
/** No file of ours is larger; LMDB maps as much as the file says, and a larger map fails. */
const MOST_MAP_BYTES = 2 ** 42;

/**
 * Reads everything that LMDB can reach in `file`, and throws a {@link Damage} for what it would not have written: a page at the wrong place,
 * a record outside its page or out of order, a page in two places, one that is in use and free, a number that does not add up.
 *
 * Answers how many records are damaged by themselves. With `only`, the other tables are left out, and what they and the free pages take.
 */
export function checkStructure(file: number, visit: Visit, { only }: { readonly only?: readonly string[] } = {}): number {
  const metas = readMetas(file);
  if (metas === undefined) throw new Damage('is no LMDB file, or its first pages are damaged');
  return new Walk(file, metas, visit).all(only);
}

class Walk {
  readonly #file: number;
  readonly #metas: readonly [Meta, Meta];
  readonly #meta: Meta;
  readonly #visit: Visit;
  /** A byte for each page: whether it was met. */
  readonly #met: Uint8Array;

  constructor(file: number, metas: readonly [Meta, Meta], visit: Visit) {
    this.#file = file;
    this.#metas = metas;
    this.#meta = newest(metas);
    this.#visit = visit;
    for (const { lastPage, pageBytes, mapBytes, free, main } of metas) {
      if (mapBytes > MOST_MAP_BYTES || mapBytes % pageBytes !== 0 || (lastPage + 1) * pageBytes > Math.max(mapBytes, 2 * pageBytes))
        throw new Damage(`has a map of ${mapBytes} bytes for ${lastPage} pages`);
      if (free.flags !== INTEGER_KEYS || main.flags !== 0) throw new Damage('has tables of an unknown kind');
    }
    this.#met = new Uint8Array(this.#meta.lastPage + 1);
  }

  all(only: readonly string[] | undefined): number {
    let damaged = 0;
    // Every transaction writes the root of the tables anew. So the number that decides which of the two counts must be on it.
    for (const meta of this.#metas) {
      const { main, transaction } = meta;
      const written = main.root === undefined ? 0 : this.#writtenIn(main.root);
      // When LMDB could not write a meta page, it puts the old number back, and leaves the new root there. The next transaction overwrites it.
      const failed = meta !== this.#meta && transaction === this.#meta.transaction - 1 && written === this.#meta.transaction + 1;
      if (written !== transaction && !failed)
        throw new Damage(`has a root of transaction ${written} where that of ${transaction} should be`);
    }
    const tables: (readonly [string, Tree])[] = [];
    this.#tree(this.#meta.main, compareBytes, (key, value, flags) => {
      if (flags !== TABLE || value.length !== TREE_BYTES) throw new Damage('has a table that is none');
      // lmdb-js ends names with a zero.
      if (key.at(-1) !== 0) throw new Damage('has a table without a name');
      tables.push([key.toString('utf8', 0, key.length - 1), readTree(value, 0)]);
    });
    for (const [name, tree] of tables) {
      if (only?.includes(name) === false) continue;
      if (tree.flags !== 0) throw new Damage(`has a table of an unknown kind: ${name}`);
      this.#tree(tree, compareBytes, (key, value, flags) => {
        if (flags !== 0) throw new Damage(`has a record of an unknown kind in ${name}`);
        if (this.#visit(name, key, value) === 'damaged') damaged += 1;
      });
    }
    if (only !== undefined) return damaged;
    this.#tree(this.#meta.free, compareNumbers, (key, value, flags) => {
      if (flags !== 0 || key.length !== 8) throw new Damage('has a record of an unknown kind among the free pages');
      if (key.readBigUInt64LE() > this.#meta.transaction) throw new Damage('has pages that were freed in the future');
      this.#freePages(value);
    });
    return damaged;
  }

  /** A list of page numbers, in which -n before a number stands for n pages from there, and 0 for nothing. */
  #freePages(list: Buffer): void {
    const count = list.length < 8 ? -1 : Number(list.readBigInt64LE());
    if (count < 0 || (count + 1) * 8 > list.length) throw new Damage('has a list of free pages that is cut off');
    for (let i = 1; i <= count; i += 1) {
      let pages = 1;
      let number = Number(list.readBigInt64LE(8 * i));
      if (number === 0) continue;
      if (number < 0) {
        pages = -number;
        i += 1;
        // A list that is split may end with the length of a block that the next one begins with.
        if (i > count) return;
        number = Number(list.readBigInt64LE(8 * i));
        if (number === 0) continue;
      }
      if (number > this.#meta.lastPage || pages > this.#meta.lastPage) throw new Damage(`has a free page ${number} that is not there`);
      for (let page = number; page < number + pages; page += 1) this.#meet(page);
    }
  }

  #tree(tree: Tree, compare: Compare, visit: (key: Buffer, value: Buffer, flags: number) => void): void {
    const found = { branchPages: 0, leafPages: 0, overflowPages: 0, entries: 0 };
    const branch = (number: number, level: number, low: Buffer | undefined, high: Buffer | undefined): void => {
      const page = this.#page(number, level < tree.depth ? BRANCH : LEAF);
      const nodes = readNodes(page, number, level < tree.depth);
      if (nodes.length === 0) throw new Damage(`has an empty page ${number}`);
      let before = low;
      nodes.forEach(({ key, value, child, flags }, i) => {
        // The first key of a branch stands for all that are smaller than the second.
        const isFirstOfBranch = level < tree.depth && i === 0;
        if (!isFirstOfBranch) {
          const order = before === undefined ? 1 : compare(key, before);
          if (order < 0 || (order === 0 && !(i === 0 && before === low)) || (high !== undefined && compare(key, high) >= 0))
            throw new Damage(`has keys out of order in page ${number}`);
          before = key;
        }
        if (level < tree.depth) {
          branch(child, level + 1, isFirstOfBranch ? low : key, nodes[i + 1]?.key ?? high);
          return;
        }
        found.entries += 1;
        if ((flags & BIG_VALUE) === 0) {
          visit(key, value, flags);
          return;
        }
        const big = this.#bigValue(value, child);
        found.overflowPages += big.pages;
        visit(key, big.bytes, flags & ~BIG_VALUE);
      });
      found[level < tree.depth ? 'branchPages' : 'leafPages'] += 1;
    };
    if (tree.root !== undefined) branch(tree.root, 1, undefined, undefined);
    else if (tree.depth !== 0) throw new Damage('has a table without a root');
    for (const name of ['branchPages', 'leafPages', 'overflowPages', 'entries'] as const)
      if (found[name] !== tree[name]) throw new Damage(`has ${found[name]} ${name} where ${tree[name]} are counted`);
  }

  /** A value with pages of its own: in the record stand the first page, the transaction that wrote it, and how many they are. */
  #bigValue(reference: Buffer, bytes: number): { readonly bytes: Buffer; readonly pages: number } {
    const number = Number(reference.readBigUInt64LE(0));
    const pages = Number(reference.readBigUInt64LE(16));
    const { pageBytes } = this.#meta;
    if (pages !== Math.floor((HEAD_BYTES - 1 + bytes) / pageBytes) + 1) throw new Damage(`has a value of ${bytes} bytes in ${pages} pages`);
    const head = this.#page(number, OVERFLOW);
    if (head.readUInt32LE(20) !== pages) throw new Damage(`has a value of ${head.readUInt32LE(20)} pages where ${pages} should be`);
    for (let page = number + 1; page < number + pages; page += 1) this.#meet(page);
    return { bytes: this.#read(number * pageBytes + HEAD_BYTES, bytes), pages };
  }

  #page(number: number, kind: number): Buffer {
    this.#meet(number);
    const page = this.#read(number * this.#meta.pageBytes, this.#meta.pageBytes);
    const { own, flags, transaction } = headOf(page);
    if (own !== number || flags !== kind || transaction > this.#meta.transaction)
      throw new Damage(`has a page ${number} that is not what it should be`);
    return page;
  }

  #writtenIn(number: number): number {
    if (number < 2 || (number + 1) * this.#meta.pageBytes > this.#meta.mapBytes) throw new Damage(`has no page ${number}`);
    return headOf(this.#read(number * this.#meta.pageBytes, HEAD_BYTES)).transaction;
  }

  #meet(number: number): void {
    if (!(number >= 2 && number <= this.#meta.lastPage)) throw new Damage(`has no page ${number}`);
    if (this.#met[number] === 1) throw new Damage(`has a page ${number} in two places`);
    this.#met[number] = 1;
  }

  #read(at: number, length: number): Buffer {
    const bytes = Buffer.allocUnsafe(length);
    if (readSync(this.#file, bytes, 0, length, at) < length) throw new Damage('is cut off');
    return bytes;
  }
}

type Compare = (a: Buffer, b: Buffer) => number;
const compareBytes: Compare = (a, b) => Buffer.compare(a, b);
const compareNumbers: Compare = (a, b) => (a.length < 8 || b.length < 8 ? -1 : Number(a.readBigUInt64LE() - b.readBigUInt64LE()));

function headOf(page: Buffer): { readonly own: number; readonly flags: number; readonly transaction: number } {
  return { own: Number(page.readBigUInt64LE(0)), transaction: Number(page.readBigUInt64LE(8)), flags: page.readUInt16LE(18) };
}

interface Node {
  readonly key: Buffer;
  readonly value: Buffer;
  readonly flags: number;
  /** In a branch the page below; in a leaf how many bytes the value has. */
  readonly child: number;
}

/** The records of a page. They fill it from its end without a gap, each on an even byte. */
function readNodes(page: Buffer, number: number, isBranch: boolean): Node[] {
  const lower = page.readUInt16LE(20);
  const upper = page.readUInt16LE(22);
  const end = page.length - HEAD_BYTES;
  const wrong = (): Damage => new Damage(`has a page ${number} whose records do not fit`);
  if (lower % 2 !== 0 || lower > upper || upper > end) throw wrong();
  const nodes: Node[] = [];
  let bytes = 0;
  const taken = new Set<number>();
  for (let i = 0; i < lower / 2; i += 1) {
    const pointer = page.readUInt16LE(HEAD_BYTES + 2 * i);
    if (pointer % 2 !== 0 || pointer < upper || pointer + NODE_BYTES > end || taken.has(pointer)) throw wrong();
    taken.add(pointer);
    const at = HEAD_BYTES + pointer;
    const flags = page.readUInt16LE(at + 4);
    const low = page.readUInt16LE(at) + page.readUInt16LE(at + 2) * 0x10000;
    const keyEnd = at + NODE_BYTES + page.readUInt16LE(at + 6);
    const valueBytes = isBranch ? 0 : (flags & BIG_VALUE) !== 0 ? 24 : low;
    const size = keyEnd + valueBytes - at;
    if (at + size > page.length) throw wrong();
    bytes += size + (size % 2);
    nodes.push({
      key: page.subarray(at + NODE_BYTES, keyEnd),
      value: page.subarray(keyEnd, keyEnd + valueBytes),
      flags: isBranch ? 0 : flags,
      child: isBranch ? low + flags * 2 ** 32 : low,
    });
  }
  if (bytes !== end - upper) throw wrong();
  return nodes;
}
