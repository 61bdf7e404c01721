import { ask, sized as text } from '../../broker/ask.js';

const [PRODUCE, INIT_PRODUCER_ID] = [0, 22] as const;
const [PRODUCE_VERSION, INIT_PRODUCER_ID_VERSION] = [3, 1] as const;
const TIMEOUT_MS = 10_000;

/** A record with whatever the format allows: node-rdkafka writes headers as text only. */
export interface RawRecord {
  readonly key: Buffer | null;
  readonly value: Buffer | null;
  readonly timestamp: number;
  readonly headers: readonly (readonly [name: string, value: Buffer | null])[];
}

/** Who writes a batch, for the broker to see that none comes twice. */
export interface RawProducerId {
  readonly id: number;
  readonly epoch: number;
}

const NOBODY: RawProducerId = { id: -1, epoch: -1 };

/** Writes records as one batch, the first one of its producer if it is said who that is. The broker at `address` has to lead the partition. */
export async function writeRaw(
  address: string,
  topic: string,
  partition: number,
  records: readonly RawRecord[],
  producer = NOBODY,
): Promise<void> {
  const answer = await ask(address, PRODUCE, PRODUCE_VERSION, request(topic, partition, batch(records, producer)));
  // One topic, one partition: its number, then the error.
  const code = answer.readInt16BE(4 + 2 + Buffer.byteLength(topic) + 4 + 4);
  if (code !== 0) throw new Error(`${topic}: the broker did not take the records (code ${code})`);
}

/** A new id of an idempotent producer: the next that is asked for, by whomever, is one higher. */
export async function newProducerId(address: string): Promise<number> {
  const body = Buffer.alloc(2 + 4);
  body.writeInt16BE(-1);
  const answer = await ask(address, INIT_PRODUCER_ID, INIT_PRODUCER_ID_VERSION, body);
  // How long to wait, the error, the id.
  return Number(answer.readBigInt64BE(6));
}

/** No transaction, all replicas, how long it may take; one topic, one partition. */
function request(topic: string, partition: number, records: Buffer): Buffer {
  const head = Buffer.alloc(2 + 2 + 4 + 4);
  head.writeInt16BE(-1);
  head.writeInt16BE(-1, 2);
  head.writeInt32BE(TIMEOUT_MS, 4);
  head.writeInt32BE(1, 8);
  const middle = Buffer.alloc(4 + 4 + 4);
  middle.writeInt32BE(1);
  middle.writeInt32BE(partition, 4);
  middle.writeInt32BE(records.length, 8);
  return Buffer.concat([head, text(topic), middle, records]);
}

/** A record batch of magic 2. */
function batch(records: readonly RawRecord[], { id, epoch }: RawProducerId): Buffer {
  const times = records.map(({ timestamp }) => timestamp);
  const first = Math.min(...times);
  const body = Buffer.alloc(2 + 4 + 8 + 8 + 8 + 2 + 4 + 4);
  body.writeInt32BE(records.length - 1, 2);
  body.writeBigInt64BE(BigInt(first), 6);
  body.writeBigInt64BE(BigInt(Math.max(...times)), 14);
  body.writeBigInt64BE(BigInt(id), 22);
  body.writeInt16BE(epoch, 30);
  body.writeInt32BE(id < 0 ? -1 : 0, 32);
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
