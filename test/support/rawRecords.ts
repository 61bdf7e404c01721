import { connect } from 'node:net';

const PRODUCE = 0;
const VERSION = 3;
const TIMEOUT_MS = 10_000;

/** A record with whatever the format allows: node-rdkafka writes headers as text only. */
export interface RawRecord {
  readonly key: Buffer | null;
  readonly value: Buffer | null;
  readonly timestamp: number;
  readonly headers: readonly (readonly [name: string, value: Buffer | null])[];
}

/** Writes records as one batch. The broker at `address` has to lead the partition. */
export function writeRaw(address: string, topic: string, partition: number, records: readonly RawRecord[]): Promise<void> {
  const colon = address.lastIndexOf(':');
  return new Promise((resolve, reject) => {
    const socket = connect({ host: address.slice(0, colon), port: Number(address.slice(colon + 1)) });
    let answer = Buffer.alloc(0);
    socket.setTimeout(TIMEOUT_MS, () => socket.destroy(new Error(`${address} did not answer within ${TIMEOUT_MS} ms`)));
    socket.on('error', reject);
    socket.on('close', () => {
      reject(new Error(`${address} hung up`));
    });
    socket.on('connect', () => socket.write(request(topic, partition, batch(records))));
    socket.on('data', (chunk) => {
      answer = Buffer.concat([answer, chunk]);
      if (answer.length < 4 || answer.length < 4 + answer.readInt32BE(0)) return;
      // Size, correlation id; one topic, one partition: its number, then the error.
      const code = answer.readInt16BE(4 + 4 + 4 + 2 + Buffer.byteLength(topic) + 4 + 4);
      if (code === 0) resolve();
      else reject(new Error(`${topic}: the broker did not take the records (code ${code})`));
      socket.destroy();
    });
  });
}

/** Size, key, version, correlation id, no client id; no transaction, all replicas, how long it may take; one topic, one partition. */
function request(topic: string, partition: number, records: Buffer): Buffer {
  const name = Buffer.from(topic);
  const head = Buffer.alloc(4 + 10 + 2 + 2 + 4 + 4 + 2);
  head.writeInt16BE(PRODUCE, 4);
  head.writeInt16BE(VERSION, 6);
  head.writeInt16BE(-1, 12);
  head.writeInt16BE(-1, 14);
  head.writeInt16BE(-1, 16);
  head.writeInt32BE(TIMEOUT_MS, 18);
  head.writeInt32BE(1, 22);
  head.writeInt16BE(name.length, 26);
  const middle = Buffer.alloc(4 + 4 + 4);
  middle.writeInt32BE(1);
  middle.writeInt32BE(partition, 4);
  middle.writeInt32BE(records.length, 8);
  const whole = Buffer.concat([head, name, middle, records]);
  whole.writeInt32BE(whole.length - 4);
  return whole;
}

/** A record batch of magic 2, without a producer. */
function batch(records: readonly RawRecord[]): Buffer {
  const times = records.map(({ timestamp }) => timestamp);
  const first = Math.min(...times);
  const body = Buffer.alloc(2 + 4 + 8 + 8 + 8 + 2 + 4 + 4);
  body.writeInt32BE(records.length - 1, 2);
  body.writeBigInt64BE(BigInt(first), 6);
  body.writeBigInt64BE(BigInt(Math.max(...times)), 14);
  body.writeBigInt64BE(-1n, 22);
  body.writeInt16BE(-1, 30);
  body.writeInt32BE(-1, 32);
  body.writeInt32BE(records.length, 36);
  const checked = Buffer.concat([body, ...records.map((record, i) => inFull(record, i, first))]);
  const head = Buffer.alloc(8 + 4 + 4 + 1 + 4);
  head.writeInt32BE(4 + 1 + 4 + checked.length, 8);
  head.writeInt32BE(-1, 12);
  head.writeInt8(2, 16);
  head.writeUInt32BE(crc32c(checked), 17);
  return Buffer.concat([head, checked]);
}

function inFull({ key, value, timestamp, headers }: RawRecord, offset: number, first: number): Buffer {
  const parts = [Buffer.alloc(1), varint(timestamp - first), varint(offset), ...sized(key), ...sized(value), varint(headers.length)];
  for (const [name, own] of headers) parts.push(...sized(Buffer.from(name)), ...sized(own));
  const record = Buffer.concat(parts);
  return Buffer.concat([varint(record.length), record]);
}

function sized(field: Buffer | null): Buffer[] {
  return field === null ? [varint(-1)] : [varint(field.length), field];
}

/** Zigzag: small numbers are short, whatever their sign. */
function varint(value: number): Buffer {
  const bytes: number[] = [];
  let left = BigInt(value) >= 0n ? BigInt(value) * 2n : BigInt(value) * -2n - 1n;
  for (; left >= 128n; left /= 128n) bytes.push(Number(left % 128n) + 128);
  return Buffer.from([...bytes, Number(left)]);
}

function crc32c(data: Buffer): number {
  let crc = 0xffffffff;
  for (const byte of data) {
    crc ^= byte;
    for (let bit = 0; bit < 8; bit += 1) crc = (crc >>> 1) ^ (0x82f63b78 & -(crc & 1));
  }
  return ~crc >>> 0;
}
