import { ask, sized } from './ask.js';

const DELETE_RECORDS = 21;
const VERSION = 1;
const TIMEOUT_MS = 10_000;

export interface Deletion {
  readonly partition: number;
  /** The first offset that is kept. */
  readonly before: number;
}

/** Deletes the records before an offset, as retention would do in its own time. The broker at `address` has to lead the partitions. */
export async function deleteRecords(address: string, topic: string, deletions: readonly Deletion[]): Promise<void> {
  const codes = errors(await ask(address, DELETE_RECORDS, VERSION, request(topic, deletions)), topic, deletions.length);
  if (codes.some((code) => code !== 0)) throw new Error(`${topic}: the broker did not delete the records (codes ${codes.join(', ')})`);
}

/** One topic, its partitions, and how long the broker may take. */
function request(topic: string, deletions: readonly Deletion[]): Buffer {
  const one = Buffer.alloc(4);
  one.writeInt32BE(1);
  const body = Buffer.alloc(4 + 12 * deletions.length + 4);
  body.writeInt32BE(deletions.length);
  deletions.forEach(({ partition, before }, i) => {
    body.writeInt32BE(partition, 4 + 12 * i);
    body.writeBigInt64BE(BigInt(before), 8 + 12 * i);
  });
  body.writeInt32BE(TIMEOUT_MS, body.length - 4);
  return Buffer.concat([one, sized(topic), body]);
}

/** Throttle time; one topic, and for each partition its number, its new first offset and an error. */
function errors(answer: Buffer, topic: string, partitions: number): number[] {
  const first = 4 + 4 + 2 + Buffer.byteLength(topic) + 4;
  return Array.from({ length: partitions }, (_, i) => answer.readInt16BE(first + 14 * i + 12));
}
