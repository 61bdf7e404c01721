import { connect } from 'node:net';

const DELETE_RECORDS = 21;
const VERSION = 1;
const TIMEOUT_MS = 10_000;

export interface Deletion {
  readonly partition: number;
  /** The first offset that is kept. */
  readonly before: number;
}

/**
 * Deletes the records before an offset, as retention would do in its own time.
 *
 * Asked over a socket of its own, since node-rdkafka cannot. The broker at `address` has to lead the partitions.
 */
export function deleteRecords(address: string, topic: string, deletions: readonly Deletion[]): Promise<void> {
  const colon = address.lastIndexOf(':');
  return new Promise((resolve, reject) => {
    const socket = connect({ host: address.slice(0, colon), port: Number(address.slice(colon + 1)) });
    let answer = Buffer.alloc(0);
    socket.setTimeout(TIMEOUT_MS, () => socket.destroy(new Error(`${address} did not answer within ${TIMEOUT_MS} ms`)));
    socket.on('error', reject);
    socket.on('close', () => {
      reject(new Error(`${address} hung up`));
    });
    socket.on('connect', () => socket.write(request(topic, deletions)));
    socket.on('data', (chunk) => {
      answer = Buffer.concat([answer, chunk]);
      if (answer.length < 4 || answer.length < 4 + answer.readInt32BE(0)) return;
      const codes = errors(answer, topic, deletions.length);
      if (codes.every((code) => code === 0)) resolve();
      else reject(new Error(`${topic}: the broker did not delete the records (codes ${codes.join(', ')})`));
      socket.destroy();
    });
  });
}

/** Size, key, version, correlation id, no client id; one topic, its partitions, and how long the broker may take. */
function request(topic: string, deletions: readonly Deletion[]): Buffer {
  const name = Buffer.from(topic);
  const head = Buffer.alloc(4 + 10 + 4 + 2);
  head.writeInt16BE(DELETE_RECORDS, 4);
  head.writeInt16BE(VERSION, 6);
  head.writeInt16BE(-1, 12);
  head.writeInt32BE(1, 14);
  head.writeInt16BE(name.length, 18);
  const body = Buffer.alloc(4 + 12 * deletions.length + 4);
  body.writeInt32BE(deletions.length);
  deletions.forEach(({ partition, before }, i) => {
    body.writeInt32BE(partition, 4 + 12 * i);
    body.writeBigInt64BE(BigInt(before), 8 + 12 * i);
  });
  body.writeInt32BE(TIMEOUT_MS, body.length - 4);
  const whole = Buffer.concat([head, name, body]);
  whole.writeInt32BE(whole.length - 4);
  return whole;
}

/** Size, correlation id, throttle time; one topic, and for each partition its number, its new first offset and an error. */
function errors(answer: Buffer, topic: string, partitions: number): number[] {
  const first = 4 + 4 + 4 + 4 + 2 + Buffer.byteLength(topic) + 4;
  return Array.from({ length: partitions }, (_, i) => answer.readInt16BE(first + 14 * i + 12));
}
