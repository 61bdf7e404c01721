import { crc32 } from 'node:zlib';
import type { TopicPartition } from '../position.js';

const MAX_GROUP_BYTES = 1_024;

/** What the keys of a group begin with: `length u16 | group`. */
export function groupKey(group: string): Buffer {
  const name = Buffer.from(group);
  if (name.length > MAX_GROUP_BYTES) throw new RangeError(`a group's name may have ${MAX_GROUP_BYTES} bytes, this one has ${name.length}`);
  const key = Buffer.allocUnsafe(2 + name.length);
  key.writeUInt16BE(name.length);
  name.copy(key, 2);
  return key;
}

/**
 * `length u16 | group | length u16 | topic | partition u32 | crc32 u32`: names are data here, never paths, and none is a prefix of another.
 *
 * The checksum is for a key that the disk has damaged. Nobody would ever ask for it, so the partition would seem to have no checkpoint.
 */
export function partitionKey(group: string, { topic, partition }: TopicPartition): Buffer {
  const prefix = groupKey(group);
  const name = Buffer.from(topic);
  const key = Buffer.allocUnsafe(prefix.length + 2 + name.length + 8);
  let at = prefix.copy(key);
  at = key.writeUInt16BE(name.length, at);
  at += name.copy(key, at);
  at = key.writeUInt32BE(partition, at);
  key.writeUInt32BE(crc32(key.subarray(0, at)), at);
  return key;
}

/** What `partitionKey` was made of. */
export function parseKey(key: Buffer): TopicPartition & { readonly group: string } {
  const groupEnd = 2 + key.readUInt16BE(0);
  const topicEnd = groupEnd + 2 + key.readUInt16BE(groupEnd);
  return {
    group: key.toString('utf8', 2, groupEnd),
    topic: key.toString('utf8', groupEnd + 2, topicEnd),
    partition: key.readUInt32BE(topicEnd),
  };
}

/** Whether `partitionKey` made it. */
export function isIntact(key: Buffer): boolean {
  return key.length >= 12 && crc32(key.subarray(0, -4)) === key.readUInt32BE(key.length - 4);
}
