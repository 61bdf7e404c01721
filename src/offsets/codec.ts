import { crc32 } from 'node:zlib';
import type { Retry } from '../position.js';
import type { Checkpoint } from './store.js';

/**
 * The binary form of a checkpoint. All numbers are varints (LEB128), but for the version byte and the checksum:
 *
 *     version u8 | epoch | frontier | number of runs | (gap, length)… | metadata length | metadata UTF-8
 *     | from version 2 on: number of retries | (offset - frontier, failed, due, name length, name UTF-8)…
 *     | of the fingerprint, if there is one: offset | timestamp + 1 | crc | crc32 u32
 *
 * Each run is stored as its distance from the end of the one before, so a hundred runs take a few hundred bytes. What has no retries is of
 * version 1, which those who know none can read.
 */
const VERSION_WITHOUT_RETRIES = 1;
const VERSION = 2;

/** Why stored bytes are not a checkpoint. */
export class CodecError extends Error {
  readonly kind: 'corrupt' | 'version';

  constructor(kind: 'corrupt' | 'version', message: string) {
    super(message);
    this.kind = kind;
  }
}

export type CheckpointBody = Omit<Checkpoint, 'topic' | 'partition'>;

export function encodeCheckpoint({ epoch, frontier, runs, metadata, fingerprint, retries = [] }: CheckpointBody): Buffer {
  const textBytes = Buffer.byteLength(metadata);
  // A varint of a number below 2^53 takes 8 bytes at most.
  const buffer = Buffer.allocUnsafe(1 + 8 * (8 + runs.length) + textBytes + bytesOf(retries) + 4);
  let at = buffer.writeUInt8(retries.length === 0 ? VERSION_WITHOUT_RETRIES : VERSION, 0);
  at = writeVarint(buffer, epoch, at);
  at = writeVarint(buffer, frontier, at);
  at = writeVarint(buffer, runs.length / 2, at);
  let end = frontier;
  for (let i = 0; i < runs.length; i += 2) {
    const from = runs[i] as number;
    const to = runs[i + 1] as number;
    at = writeVarint(buffer, from - end, at);
    at = writeVarint(buffer, to - from, at);
    end = to;
  }
  if (!Number.isSafeInteger(end)) throw new RangeError(`${end} is no offset`);
  at = writeVarint(buffer, textBytes, at);
  at += buffer.write(metadata, at);
  if (retries.length > 0) at = writeRetries(buffer, retries, frontier, at);
  if (fingerprint !== undefined) {
    at = writeVarint(buffer, fingerprint.offset, at);
    at = writeVarint(buffer, fingerprint.timestamp + 1, at);
    at = writeVarint(buffer, fingerprint.crc, at);
  }
  at = buffer.writeUInt32BE(crc32(buffer.subarray(0, at)), at);
  return buffer.subarray(0, at);
}

/** @throws {CodecError} for anything that `encodeCheckpoint` did not write. */
export function decodeCheckpoint(buffer: Buffer): CheckpointBody {
  if (buffer.length < 9) throw new CodecError('corrupt', `${buffer.length} bytes are too few`);
  const end = buffer.length - 4;
  if (crc32(buffer.subarray(0, end)) !== buffer.readUInt32BE(end)) throw new CodecError('corrupt', 'the checksum does not match');
  const version = buffer.readUInt8();
  if (version !== VERSION && version !== VERSION_WITHOUT_RETRIES) throw new CodecError('version', `format ${version}`);
  const cursor = new Cursor(buffer.subarray(1, end));
  const epoch = cursor.varint();
  const frontier = cursor.varint();
  const runs: number[] = [];
  let last = frontier;
  for (let left = cursor.varint(); left > 0; left -= 1) {
    const from = last + cursor.varint();
    last = from + cursor.varint();
    runs.push(from, last);
  }
  if (!Number.isSafeInteger(last)) throw new CodecError('corrupt', 'a run ends too high');
  const metadata = cursor.text(cursor.varint());
  const retries = version === VERSION ? readRetries(cursor, frontier) : undefined;
  const body = { epoch, frontier, runs, metadata, ...(retries === undefined ? {} : { retries }) };
  if (cursor.left === 0) return body;
  const fingerprint = { offset: cursor.varint(), timestamp: cursor.varint() - 1, crc: cursor.varint() };
  if (cursor.left > 0) throw new CodecError('corrupt', `${cursor.left} bytes are too many`);
  return { ...body, fingerprint };
}

function bytesOf(retries: readonly Retry[]): number {
  let bytes = 0;
  for (const { name } of retries) bytes += 8 * 4 + Buffer.byteLength(name);
  return bytes;
}

function writeRetries(buffer: Buffer, retries: readonly Retry[], frontier: number, start: number): number {
  let at = writeVarint(buffer, retries.length, start);
  for (const { offset, name, failed, due } of retries) {
    if (!Number.isSafeInteger(offset)) throw new RangeError(`${offset} is no offset`);
    at = writeVarint(buffer, offset - frontier, at);
    at = writeVarint(buffer, failed, at);
    at = writeVarint(buffer, due, at);
    at = writeVarint(buffer, Buffer.byteLength(name), at);
    at += buffer.write(name, at);
  }
  return at;
}

function readRetries(cursor: Cursor, frontier: number): Retry[] {
  const retries: Retry[] = [];
  for (let left = cursor.varint(); left > 0; left -= 1) {
    const offset = frontier + cursor.varint();
    if (!Number.isSafeInteger(offset)) throw new CodecError('corrupt', 'a retry is of too high an offset');
    const [failed, due] = [cursor.varint(), cursor.varint()];
    retries.push({ offset, name: cursor.text(cursor.varint()), failed, due });
  }
  return retries;
}

/** `epoch u64 | crc32 u32` */
export function encodeEpoch(epoch: number): Buffer {
  const buffer = Buffer.allocUnsafe(12);
  buffer.writeBigUInt64BE(BigInt(epoch));
  buffer.writeUInt32BE(crc32(buffer.subarray(0, 8)), 8);
  return buffer;
}

/** @throws {CodecError} for anything that `encodeEpoch` did not write. */
export function decodeEpoch(buffer: Buffer): number {
  if (buffer.length !== 12 || crc32(buffer.subarray(0, 8)) !== buffer.readUInt32BE(8))
    throw new CodecError('corrupt', 'the checksum of the epoch does not match');
  return Number(buffer.readBigUInt64BE());
}

function writeVarint(buffer: Buffer, value: number, at: number): number {
  if (!Number.isSafeInteger(value) || value < 0) throw new RangeError(`${value} is no offset`);
  let rest = value;
  let to = at;
  while (rest >= 0x80) {
    buffer[to] = (rest % 0x80) | 0x80;
    rest = Math.floor(rest / 0x80);
    to += 1;
  }
  buffer[to] = rest;
  return to + 1;
}

class Cursor {
  readonly #buffer: Buffer;
  #at = 0;

  constructor(buffer: Buffer) {
    this.#buffer = buffer;
  }

  get left(): number {
    return this.#buffer.length - this.#at;
  }

  varint(): number {
    let value = 0;
    let unit = 1;
    for (;;) {
      const byte = this.#buffer[this.#at];
      if (byte === undefined) throw new CodecError('corrupt', 'a number is cut off');
      this.#at += 1;
      value += (byte & 0x7f) * unit;
      if (!Number.isSafeInteger(value)) throw new CodecError('corrupt', 'a number is too large');
      if (byte < 0x80) return value;
      unit *= 0x80;
    }
  }

  text(length: number): string {
    const text = this.#buffer.subarray(this.#at, this.#at + length);
    if (text.length !== length) throw new CodecError('corrupt', 'the metadata is cut off');
    this.#at += length;
    return text.toString();
  }
}
