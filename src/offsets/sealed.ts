import { crc32 } from 'node:zlib';

/**
 * A value of the user's state as it is kept: `crc32 of the key u32 | crc32 of the value u32 | value`.
 *
 * The first is for a key that the disk has damaged. Nobody would ever ask for it, so its value would seem to be missing.
 */
const HEAD_BYTES = 8;

export function seal(key: Buffer, value: Buffer): Buffer {
  const sealed = Buffer.allocUnsafe(HEAD_BYTES + value.length);
  sealed.writeUInt32BE(crc32(key), 0);
  sealed.writeUInt32BE(crc32(value), 4);
  sealed.set(value, HEAD_BYTES);
  return sealed;
}

/** Whether it was sealed under this key. */
export function isSealedFor(key: Buffer, sealed: Buffer): boolean {
  return sealed.length >= HEAD_BYTES && crc32(key) === sealed.readUInt32BE(0);
}

/** The value, or `undefined` if it is not as it was sealed. */
export function unseal(sealed: Buffer): Buffer | undefined {
  const value = sealed.subarray(HEAD_BYTES);
  return sealed.length >= HEAD_BYTES && crc32(value) === sealed.readUInt32BE(4) ? value : undefined;
}
