import { crc32 } from 'node:zlib';
import type { Fingerprint } from '../offsets/store.js';
import type { KafkaRecord } from '../record.js';

/** What tells the record from any other one that may stand at its offset. */
export function fingerprintOf({ offset, timestamp, key, value }: KafkaRecord): Fingerprint {
  // Lengths too, or a byte could move from the key to the value unnoticed.
  const sizes = `${key?.length ?? -1} ${value?.length ?? -1}`;
  return { offset, timestamp, crc: crc32(value ?? EMPTY, crc32(key ?? EMPTY, crc32(sizes))) };
}

const EMPTY = Buffer.alloc(0);

export function isSame(one: Fingerprint, other: Fingerprint): boolean {
  return one.offset === other.offset && one.timestamp === other.timestamp && one.crc === other.crc;
}
