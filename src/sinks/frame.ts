import { crc32 } from 'node:zlib';
import type { Outgoing } from './outgoing.js';

/**
 * A frame is one record in a segment: mark | length of the body | CRC of the body | CRC of the twelve bytes before | body.
 *
 * The head has a CRC of its own: a length that cannot be trusted is never followed. The mark lets the next frame be found behind damage.
 */
export const HEAD_BYTES = 16;
const MARK = Buffer.from('\u00abkrx', 'latin1');
/** When it was written down f64 | timestamp f64 | partition i32 | bytes of topic u16 | headers u16 | bytes of key i32 | of value i32. */
const FIXED_BYTES = 32;
/** There is no room to count more. */
export const MOST_HEADERS = 2 ** 16 - 1;
const NONE = -1;

/** A record as it came back from a frame. */
export interface Framed {
  readonly record: Outgoing;
  /** When it was written down, in milliseconds since the epoch. */
  readonly at: number;
}

/** How many bytes the record takes on disk; about what it takes in memory. */
export function frameBytes({ topic, key, value, headers }: Outgoing): number {
  let bytes = HEAD_BYTES + FIXED_BYTES + topic.length + (key?.length ?? 0) + (value?.length ?? 0);
  for (const [name, content] of headers) bytes += 8 + Buffer.byteLength(name) + (content?.length ?? 0);
  return bytes;
}

export function encodeFrame(record: Outgoing, at: number): Buffer {
  const { topic, key, value, timestamp = NONE, partition, headers } = record;
  const frame = Buffer.allocUnsafe(frameBytes(record));
  frame.writeDoubleBE(at, HEAD_BYTES);
  frame.writeDoubleBE(timestamp, HEAD_BYTES + 8);
  frame.writeInt32BE(partition ?? NONE, HEAD_BYTES + 16);
  frame.writeUInt16BE(topic.length, HEAD_BYTES + 20);
  frame.writeUInt16BE(headers.length, HEAD_BYTES + 22);
  frame.writeInt32BE(key?.length ?? NONE, HEAD_BYTES + 24);
  frame.writeInt32BE(value?.length ?? NONE, HEAD_BYTES + 28);
  let end = HEAD_BYTES + FIXED_BYTES;
  end += frame.write(topic, end, 'latin1');
  end += key?.copy(frame, end) ?? 0;
  end += value?.copy(frame, end) ?? 0;
  for (const [name, content] of headers) {
    const length = frame.write(name, end + 4);
    frame.writeInt32BE(length, end);
    end += 4 + length;
    frame.writeInt32BE(content?.length ?? NONE, end);
    end += 4 + (content?.copy(frame, end + 4) ?? 0);
  }
  MARK.copy(frame);
  frame.writeUInt32BE(frame.length - HEAD_BYTES, 4);
  frame.writeUInt32BE(crc32(frame.subarray(HEAD_BYTES)), 8);
  frame.writeUInt32BE(crc32(frame.subarray(0, 12)), 12);
  return frame;
}

/** Where a frame stands in some bytes. */
export interface Place {
  readonly start: number;
  readonly end: number;
  /** How many frames, at least, were passed over to get here that are not as they were written. */
  readonly lost: number;
}

/** The next frame that is as it was written, from `start` on; undefined if there is none, or if the bytes end within it. */
export function nextFrame(bytes: Buffer, start: number): Place | undefined {
  let lost = 0;
  for (let at = start; at >= 0 && at + HEAD_BYTES <= bytes.length;) {
    const isHead =
      bytes.compare(MARK, 0, MARK.length, at, at + MARK.length) === 0 && crc32(bytes.subarray(at, at + 12)) === bytes.readUInt32BE(at + 12);
    // What is inside of a frame is no frame, whatever it looks like.
    const end = isHead ? at + HEAD_BYTES + bytes.readUInt32BE(at + 4) : at + 1;
    if (end > bytes.length) return undefined;
    if (isHead && crc32(bytes.subarray(at + HEAD_BYTES, end)) === bytes.readUInt32BE(at + 8)) return { start: at, end, lost };
    // A mark without its head is part of something else, unless a frame should begin here.
    if (isHead || at === start) lost += 1;
    at = bytes.indexOf(MARK, end);
  }
  return undefined;
}

/** Key, value and header values are views into `bytes`. */
export function decodeFrame(bytes: Buffer, start: number): Framed {
  const at = start + HEAD_BYTES;
  const timestamp = bytes.readDoubleBE(at + 8);
  const partition = bytes.readInt32BE(at + 16);
  let end = at + FIXED_BYTES;
  const take = (length: number): Buffer => bytes.subarray(end, (end += length));
  const field = (length: number): Buffer | null => (length === NONE ? null : take(length));
  const topic = take(bytes.readUInt16BE(at + 20)).toString('latin1');
  const key = field(bytes.readInt32BE(at + 24));
  const value = field(bytes.readInt32BE(at + 28));
  const sized = (): Buffer | null => {
    const length = bytes.readInt32BE(end);
    end += 4;
    return field(length);
  };
  const headers = Array.from({ length: bytes.readUInt16BE(at + 22) }, () => [String(sized()), sized()] as const);
  return {
    at: bytes.readDoubleBE(at),
    record: {
      topic,
      key,
      value,
      partition: partition === NONE ? null : partition,
      timestamp: timestamp === NONE ? undefined : timestamp,
      headers,
    },
  };
}
