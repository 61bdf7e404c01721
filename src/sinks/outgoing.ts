import { InvalidRecordError } from '../errors.js';
import type { KafkaRecord, ProducerHeaders, ProducerRecord } from '../record.js';

/** A record as the client takes it. */
export interface Outgoing {
  readonly topic: string;
  readonly partition: number | null;
  readonly value: Buffer | null;
  readonly key: Buffer | null;
  readonly timestamp: number | undefined;
  readonly headers: Record<string, string>[] | undefined;
}

/** A record that was read, to be written as it is. */
export function forward({ key, value, headers }: KafkaRecord<unknown, unknown>): ProducerRecord {
  return { key: key as Buffer | null, value: value as Buffer | null, headers };
}

/**
 * Checks a record and turns it into what the client takes.
 *
 * @throws {InvalidRecordError} for what could not be written as it is: better refused than harmed on the way.
 */
export function outgoing(record: ProducerRecord, defaultTopic: string | undefined): Outgoing {
  const topic = record.topic ?? defaultTopic;
  if (typeof topic !== 'string' || topic === '') throw new InvalidRecordError('an outgoing record has no topic.');
  const { partition, timestamp } = record;
  if (partition !== undefined && !(Number.isInteger(partition) && partition >= 0)) {
    throw new InvalidRecordError(`an outgoing record to ${topic} has no valid partition: a whole number from 0 up, or leave it out.`);
  }
  if (timestamp !== undefined && !(Number.isFinite(timestamp) && timestamp >= 0)) {
    throw new InvalidRecordError(`an outgoing record to ${topic} has no valid timestamp: milliseconds since the epoch, or leave it out.`);
  }
  return {
    topic,
    partition: partition ?? null,
    value: bytes(record.value, topic, 'value'),
    key: bytes(record.key ?? null, topic, 'key'),
    timestamp: timestamp === undefined ? undefined : Math.floor(timestamp),
    headers: record.headers === undefined ? undefined : headersOf(record.headers, topic),
  };
}

function bytes(field: unknown, topic: string, name: string): Buffer | null {
  if (field === null || Buffer.isBuffer(field)) return field;
  if (typeof field === 'string') return Buffer.from(field);
  if (field instanceof Uint8Array) return Buffer.from(field.buffer, field.byteOffset, field.byteLength);
  throw new InvalidRecordError(
    `the ${name} of an outgoing record to ${topic} is ${field === undefined ? 'missing' : `of type ${typeof field}`}: give a Buffer, a string, or null${name === 'value' ? ' for a tombstone' : ''}.`,
  );
}

function headersOf(headers: ProducerHeaders, topic: string): Record<string, string>[] | undefined {
  const pairs = Array.isArray(headers)
    ? (headers as readonly (readonly [string, Buffer | string | null])[])
    : Object.entries(headers as Readonly<Record<string, Buffer | string | null>>);
  if (pairs.length === 0) return undefined;
  return pairs.map(([name, value]) => ({ [name]: headerText(value, topic, name) }));
}

/** node-rdkafka takes header values through a C string: anything but text without NUL would arrive as something else. */
function headerText(value: Buffer | string | null, topic: string, name: string): string {
  const text = typeof value === 'string' ? value : value === null ? undefined : utf8(value);
  if (text === undefined || text.includes('\0')) {
    throw new InvalidRecordError(
      `the header ${JSON.stringify(name)} of an outgoing record to ${topic} is ${value === null ? 'null' : 'not text'}: the client can only send UTF-8 text without NUL. Encode it, for example as base64.`,
    );
  }
  return text;
}

const UTF8 = new TextDecoder('utf-8', { fatal: true, ignoreBOM: true });

function utf8(value: Buffer): string | undefined {
  try {
    return UTF8.decode(value);
  } catch {
    return undefined;
  }
}
