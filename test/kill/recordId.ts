import { crc32 } from 'node:zlib';

/** What a record's name says about it. The name is also the beginning of its value. */
export interface RecordId {
  readonly key: string;
  /** Counts from 0 for each key. */
  readonly seq: number;
  /** Of the payload: a record whose bytes were changed has another name when it arrives. */
  readonly crc: number;
}

const PAYLOAD_BYTES = 40;

/** A record's value: its key and number, and a payload that no other record has. */
export function valueOf(key: string, seq: number): Buffer {
  return Buffer.from(`${key} ${seq} `.padEnd(PAYLOAD_BYTES, `${key}${seq * 2_654_435_761}`));
}

/** The name of the record with this value, as whoever holds the value works it out. */
export function idOf(value: Buffer): string {
  const [key, seq] = value.toString().split(' ', 2) as [string, string];
  return `${key}.${seq}.${crc32(value)}`;
}

export function parseId(id: string): RecordId {
  const [key, seq, crc] = id.split('.') as [string, string, string];
  return { key, seq: Number(seq), crc: Number(crc) };
}
