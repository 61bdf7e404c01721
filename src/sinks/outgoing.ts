import { isUtf8 } from 'node:buffer';
import { InvalidRecordError } from '../errors.js';
import type { Positioned } from '../position.js';
import { LANE } from '../position.js';
import type { KafkaRecord, ProducerHeaders, ProducerRecord } from '../record.js';
import { TOPIC_NAME, isTopicName } from '../topicName.js';

/** A record as the client takes it. */
export interface Outgoing {
  readonly topic: string;
  readonly partition: number | null;
  readonly value: Buffer | null;
  readonly key: Buffer | null;
  readonly timestamp: number | undefined;
  readonly headers: readonly OutgoingHeader[];
}

export type OutgoingHeader = readonly [name: string, value: Buffer | null];

/** What a client can send as a header's value: any bytes and null, or only text without NUL. */
export type HeaderValues = 'bytes' | 'text';

const MAX_PARTITION = 2 ** 31 - 1;
/** The client takes a buffer without an address for null, as that of `Buffer.alloc(0)`; an empty part of another one has an address. */
const EMPTY = Buffer.alloc(1).subarray(0, 0);
const NO_HEADERS: readonly OutgoingHeader[] = [];

/** A record that was read, to be written as it is. */
export function forward({ key, value, headers }: KafkaRecord<unknown, unknown>): ProducerRecord {
  return { key: key as Buffer | null, value: value as Buffer | null, headers };
}

/**
 * A record that was spread over the one it was made of, `{ ...record, value }`, still says where that one came from. This is not where it is
 * to go: it would come back to its own source for ever.
 */
function withoutOrigin({ topic, partition, timestamp, [LANE]: lane }: ProducerRecord & Positioned): Omit<ProducerRecord, 'value'> {
  const moved = topic !== lane.topic;
  return {
    ...(moved && topic !== undefined ? { topic } : {}),
    ...(partition !== undefined && partition !== lane.partition ? { partition } : {}),
    // A record without a timestamp has -1.
    ...(timestamp !== undefined && timestamp !== -1 ? { timestamp } : {}),
  };
}

/**
 * Checks a record and turns it into what the client takes.
 *
 * @param topicOf Where it goes unless it says so itself.
 * @throws {InvalidRecordError} for what could not be written as it is: better refused than harmed on the way.
 */
export function outgoing<T>(record: ProducerRecord, input: T, topicOf: (input: T) => string, headerValues: HeaderValues): Outgoing {
  if (typeof record !== 'object' || (record as unknown) === null) {
    throw new InvalidRecordError(
      `an outgoing record is ${(record as unknown) === null ? 'null' : `of type ${typeof record}`}: give an object with a \`value\`, an array of them, or null for none.`,
    );
  }
  const { topic: own, partition, timestamp } = LANE in record ? withoutOrigin(record as ProducerRecord & Positioned) : record;
  const topic: unknown = own ?? topicOf(input);
  if (!isTopicName(topic)) {
    throw new InvalidRecordError(
      `an outgoing record has ${typeof topic === 'string' ? `the topic ${JSON.stringify(topic)}` : 'no topic'}: a topic has ${TOPIC_NAME}.`,
    );
  }
  if (partition !== undefined && !(Number.isInteger(partition) && partition >= 0 && partition <= MAX_PARTITION)) {
    throw new InvalidRecordError(`an outgoing record to ${topic} has no valid partition: a whole number from 0 up, or leave it out.`);
  }
  // The client writes the present time in place of 0.
  if (timestamp !== undefined && !(Number.isFinite(timestamp) && timestamp >= 1 && timestamp <= Number.MAX_SAFE_INTEGER)) {
    throw new InvalidRecordError(
      `an outgoing record to ${topic} has no valid timestamp: milliseconds since the epoch, from 1 up, or leave it out.`,
    );
  }
  return {
    topic,
    partition: partition ?? null,
    value: bytes(record.value, topic, 'value'),
    key: bytes(record.key ?? null, topic, 'key'),
    timestamp: timestamp === undefined ? undefined : Math.floor(timestamp),
    headers: record.headers === undefined ? NO_HEADERS : headersOf(record.headers, topic, headerValues),
  };
}

function bytes(field: unknown, topic: string, name: string): Buffer | null {
  if (field === null) return null;
  if (typeof field === 'string' && field.isWellFormed()) return field === '' ? EMPTY : Buffer.from(field);
  if (field instanceof Uint8Array) {
    if (field.byteLength === 0) return EMPTY;
    return viewOf(field);
  }
  const what = field === undefined ? 'missing' : typeof field === 'string' ? 'no well-formed text' : `of type ${typeof field}`;
  throw new InvalidRecordError(
    `the ${name} of an outgoing record to ${topic} is ${what}: give a Buffer, a string, or null${name === 'value' ? ' for a tombstone' : ''}.`,
  );
}

function headersOf(headers: ProducerHeaders, topic: string, values: HeaderValues): readonly OutgoingHeader[] {
  const pairs: readonly unknown[] = Array.isArray(headers) ? headers : isDictionary(headers) ? Object.entries(headers) : [headers];
  if (pairs.length === 0) return NO_HEADERS;
  return pairs.map((pair) => {
    const [name, value] = Array.isArray(pair) && pair.length === 2 ? (pair as readonly unknown[]) : [];
    if (typeof name !== 'string') {
      throw new InvalidRecordError(
        `the headers of an outgoing record to ${topic} are neither an array of [name, value] nor an object of names and values.`,
      );
    }
    if (!isSendable(name)) throw refusedHeader(name, topic, 'named with something else than text', 'names are text without NUL');
    return [name, headerValue(value, topic, name, values)];
  });
}

/** Not a `Map` or the like, whose entries `Object.entries` would not find. */
function isDictionary(headers: unknown): headers is object {
  return typeof headers === 'object' && headers !== null && !(Symbol.iterator in headers);
}

function headerValue(value: unknown, topic: string, name: string, values: HeaderValues): Buffer | null {
  if (value === null && values === 'bytes') return null;
  const isText = typeof value === 'string' && value.isWellFormed();
  const bytes = isText ? Buffer.from(value) : value instanceof Uint8Array ? viewOf(value) : undefined;
  if (bytes === undefined || (values === 'text' && !isTextWithoutNul(bytes))) {
    const what = value === null ? 'null' : 'not text';
    throw values === 'bytes'
      ? refusedHeader(name, topic, 'neither text nor bytes', 'give a Buffer, a string, or null')
      : refusedHeader(
          name,
          topic,
          what,
          'in a transaction, or without the addon, the client can only send UTF-8 text without NUL. Encode it, for example as base64',
        );
  }
  return bytes;
}

function viewOf(bytes: Uint8Array): Buffer {
  return Buffer.isBuffer(bytes) ? bytes : Buffer.from(bytes.buffer, bytes.byteOffset, bytes.byteLength);
}

function refusedHeader(name: string, topic: string, why: string, advice: string): InvalidRecordError {
  return new InvalidRecordError(`the header ${JSON.stringify(name)} of an outgoing record to ${topic} is ${why}: ${advice}.`);
}

/** node-rdkafka takes headers as C strings: anything but text without NUL would arrive as something else. */
export function isTextWithoutNul(bytes: Buffer): boolean {
  return isUtf8(bytes) && !bytes.includes(0);
}

/** Half a surrogate pair would arrive as something else, and NUL ends a name. */
function isSendable(text: string): boolean {
  return text.isWellFormed() && !text.includes('\0');
}
