import { mkdirSync, openSync, closeSync, ftruncateSync, writeSync } from 'node:fs';
import { basename, dirname, join } from 'node:path';
import type { Entry } from './recording.js';

/** What a disk writes as a whole, or not at all. */
const BLOCK = 4_096;

/** How much of what no sync covers is on the disk after the power was lost. */
export type Luck = 'none' | 'all' | 'some';

/** A number from 0 up to `below`, not included. */
export type Dice = (below: number) => number;

/** A state of a file: what is surely on the disk, and what may be. */
class File {
  #sure: Buffer = Buffer.alloc(0);
  #sureSize = 0;
  #size = 0;
  /** Of each block the writes to it, in their order. The disk may have stopped after any of them. */
  #maybe = new Map<number, { readonly at: number; readonly bytes: Buffer }[]>();

  write(offset: number, bytes: Buffer): void {
    for (let at = 0; at < bytes.length;) {
      const block = Math.floor((offset + at) / BLOCK);
      const end = Math.min(bytes.length, (block + 1) * BLOCK - offset);
      const writes = this.#maybe.get(block) ?? [];
      writes.push({ at: offset + at, bytes: bytes.subarray(at, end) });
      this.#maybe.set(block, writes);
      at = end;
    }
    this.#size = Math.max(this.#size, offset + bytes.length);
  }

  /** The order of sizes is the file system's business, and is kept. */
  truncate(size: number): void {
    this.#size = size;
    if (size >= this.#sureSize) return;
    this.#sureSize = size;
    this.#sure = this.#sure.subarray(0, size);
    for (const block of this.#maybe.keys()) if (block * BLOCK >= size) this.#maybe.delete(block);
  }

  sync(from = 0, to = this.#size): void {
    this.#sureSize = Math.max(this.#sureSize, Math.min(to, this.#size));
    const first = Math.floor(from / BLOCK);
    this.#sure = this.#put(this.#sure, (writes, block) => (block >= first && block * BLOCK < to ? writes.length : 0));
    for (const block of this.#maybe.keys()) if (block >= first && block * BLOCK < to) this.#maybe.delete(block);
  }

  image(luck: Luck, dice: Dice): { readonly bytes: Buffer; readonly size: number } {
    const size = luck === 'all' || (luck === 'some' && dice(2) === 0) ? this.#size : this.#sureSize;
    const bytes = this.#put(Buffer.from(this.#sure), (writes) =>
      luck === 'all' ? writes.length : luck === 'none' ? 0 : dice(2) === 0 ? writes.length : dice(writes.length + 1),
    );
    return { bytes: bytes.subarray(0, size), size };
  }

  #put(onto: Buffer, many: (writes: readonly unknown[], block: number) => number): Buffer {
    let bytes = onto;
    for (const [block, writes] of this.#maybe)
      for (const { at, bytes: written } of writes.slice(0, many(writes, block))) {
        // Zeros at the end need no room.
        if (at + written.length > bytes.length) bytes = Buffer.concat([bytes], Math.max(at + written.length, bytes.length));
        written.copy(bytes, at);
      }
    return bytes;
  }
}

/** A directory: names that surely are on the disk, and changes of names that may be. They get there in their order. */
class Directory {
  readonly now = new Map<string, File | Directory>();
  #sure = new Map<string, File | Directory>();
  #maybe: ((names: Map<string, File | Directory>) => void)[] = [];

  change(change: (names: Map<string, File | Directory>) => void): void {
    change(this.now);
    this.#maybe.push(change);
  }

  sync(): void {
    for (const change of this.#maybe) change(this.#sure);
    this.#maybe = [];
  }

  image(luck: Luck, dice: Dice): Map<string, File | Directory> {
    const names = new Map(this.#sure);
    const many = luck === 'all' ? this.#maybe.length : luck === 'none' ? 0 : dice(this.#maybe.length + 1);
    for (const change of this.#maybe.slice(0, many)) change(names);
    return names;
  }
}

/** What a disk may hold after the calls so far, whatever it had not written yet when the power was lost. */
export class Disk {
  readonly #root: string;
  readonly #top = new Directory();
  readonly #inodes = new Map<number, File | Directory>();

  /** @param root the directory that was recorded; it was there before. */
  constructor(root: string) {
    this.#root = root;
  }

  apply({ kind, file, offset, length, bytes, name }: Entry): void {
    const known = this.#inodes.get(file);
    switch (kind) {
      case 'write':
        this.#file(file).write(offset, bytes);
        return;
      case 'truncate':
        this.#file(file).truncate(offset);
        return;
      case 'sync':
        known?.sync();
        return;
      case 'sync range':
        this.#file(file).sync(offset, offset + length);
        return;
      case 'create': {
        const created = new File();
        this.#inodes.set(file, created);
        this.#directory(name).change((names) => names.set(basename(name), created));
        return;
      }
      case 'directory': {
        // Either it was made, or opened, which tells its inode.
        if (offset === 1) {
          const opened = this.#at(name);
          if (opened !== undefined) this.#inodes.set(file, opened);
          return;
        }
        const made = new Directory();
        this.#directory(name).change((names) => names.set(basename(name), made));
        return;
      }
      case 'rename': {
        const [from = '', to = ''] = name.split('\n');
        const moved = this.#at(from);
        this.#directory(to).change((names) => {
          names.delete(basename(from));
          if (moved !== undefined) names.set(basename(to), moved);
        });
        return;
      }
      case 'unlink':
        this.#directory(name).change((names) => names.delete(basename(name)));
        return;
      case '':
        throw new Error('no such call');
    }
  }

  /** Whatever of `name` may be left, written to `target`. Nothing, if it is not even there. */
  image(name: string, target: string, luck: Luck, dice: Dice): void {
    const found = this.#top.image(luck, dice).get(name);
    if (found instanceof Directory) this.#write(found, target, luck, dice);
  }

  #write(directory: Directory, target: string, luck: Luck, dice: Dice): void {
    mkdirSync(target, { mode: 0o700 });
    for (const [name, found] of directory.image(luck, dice)) {
      // LMDB makes its lock file anew when nobody else has it open.
      if (name === 'lock.mdb') continue;
      if (found instanceof Directory) this.#write(found, join(target, name), luck, dice);
      else {
        const { bytes, size } = found.image(luck, dice);
        const file = openSync(join(target, name), 'wx', 0o600);
        writeSync(file, bytes);
        ftruncateSync(file, size);
        closeSync(file);
      }
    }
  }

  #file(inode: number): File {
    const found = this.#inodes.get(inode);
    if (!(found instanceof File)) throw new Error(`inode ${inode} is no file that was seen to be made`);
    return found;
  }

  #directory(path: string): Directory {
    const found = this.#at(dirname(path));
    if (!(found instanceof Directory)) throw new Error(`${path} is in no directory that was seen to be made`);
    return found;
  }

  #at(path: string): File | Directory | undefined {
    if (path === this.#root) return this.#top;
    const directory = this.#at(dirname(path));
    return directory instanceof Directory ? directory.now.get(basename(path)) : undefined;
  }
}
