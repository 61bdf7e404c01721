import type { Message, MessageHeader } from 'node-rdkafka';
import { LANE } from '../position.js';
import type { Lane, Position } from '../position.js';
import type { Headers, KafkaRecord } from '../record.js';

/** What one read brought. Rows are looked at in place; a record is made only for those that are emitted. */
export interface Batch {
  readonly length: number;
  /** Where the logs of partitions ended when they had been read as far as this batch goes; only told to those that ask their client for it. */
  readonly ends: readonly Position[];
  topic(row: number): string;
  partition(row: number): number;
  offset(row: number): number;
  /** Key, value and headers together. */
  bytes(row: number): number;
  record(row: number, lane: Lane): KafkaRecord;
}

/** How a source reads: the seam behind which a faster reader fits. */
export interface Reader {
  /** How many records one read may be asked for. */
  readonly mostRecords: number;
  /**
   * Reads what is there, at most `max` records; if nothing is, waits up to `waitMs` for the first.
   * One read at a time: the next may start when `done` is called, which is always later. An error came after the records of its batch.
   */
  read(max: number, waitMs: number, done: (error: ReadError | undefined, batch: Batch) => void): void;
  /** Has a read that waits for its first record come back at once. Absent where the client cannot be told so. */
  readonly wake?: (() => void) | undefined;
}

/** An error that a read met, in place of records or after them. */
export interface ReadError {
  /** librdkafka's code. */
  readonly code: number;
  readonly message: string;
}

/** node-rdkafka's own batch read: its timeout is per message, not per batch. */
export type Consume = (
  timeoutMs: number,
  max: number,
  done: (error: ReadError | undefined | null, messages: Message[] | undefined, ends?: readonly Position[]) => void,
) => void;

/** node-rdkafka makes the objects of a batch on the main thread, all at once: of a thousand, for about 3 ms. */
const MOST_RECORDS = 1_000;

/** What one batch may hold; records wait in the client's own bounded buffer until they are asked for. */
export const BATCH_BYTES = 4 * 1024 * 1024;

export const EMPTY_BATCH: Batch = {
  length: 0,
  ends: [],
  topic: none,
  partition: none,
  offset: none,
  bytes: none,
  record: none,
};

function none(): never {
  throw new RangeError('an empty batch has no rows');
}

/**
 * Reads through node-rdkafka's `consume`, in two phases: waits for one message, and when there was one drains without waiting.
 *
 * Its timeout counts per message, so a wait for a whole batch would deliver nothing while messages trickle in.
 */
export function plainReader(consume: Consume): Reader {
  let hot = false;
  return {
    mostRecords: MOST_RECORDS,
    read(max, waitMs, done) {
      const drain = hot || waitMs === 0;
      consume(drain ? 0 : waitMs, drain ? max : 1, (error, messages = [], ends = []) => {
        hot = messages.length > 0;
        if (error !== undefined && error !== null) done(error, EMPTY_BATCH);
        else done(undefined, hot || ends.length > 0 ? new MessageBatch(messages, ends) : EMPTY_BATCH);
      });
    },
  };
}

class MessageBatch implements Batch {
  readonly #messages: Message[];
  readonly length: number;
  readonly ends: readonly Position[];

  constructor(messages: Message[], ends: readonly Position[]) {
    this.#messages = messages;
    this.length = messages.length;
    this.ends = ends;
  }

  topic(row: number): string {
    return this.#at(row).topic;
  }

  partition(row: number): number {
    return this.#at(row).partition;
  }

  offset(row: number): number {
    return this.#at(row).offset;
  }

  bytes(row: number): number {
    const { key, size, headers } = this.#at(row);
    const bytes = size + (key === null || key === undefined ? 0 : key.length);
    return headers === undefined ? bytes : bytes + headerBytes(headers);
  }

  record(row: number, lane: Lane): KafkaRecord {
    const { topic, partition, offset, timestamp, key, value, headers } = this.#at(row);
    return {
      topic,
      partition,
      offset,
      timestamp: timestamp ?? -1,
      key: (key as Buffer | null | undefined) ?? null,
      value,
      headers: headers === undefined ? NO_HEADERS : toHeaders(headers),
      [LANE]: lane,
    };
  }

  #at(row: number): Message {
    return this.#messages[row] as Message;
  }
}

export const NO_HEADERS: Headers = Object.freeze([]);

function toHeaders(headers: MessageHeader[]): Headers {
  return headers.map(headerOf);
}

/** Each is an object with one name; but one that is called `__proto__` has become the object's prototype. */
function headerOf(header: MessageHeader): readonly [name: string, value: Buffer | null] {
  for (const [name, value] of Object.entries(header)) return [name, value as Buffer | null];
  return ['__proto__', Object.getPrototypeOf(header) as Buffer | null];
}

function headerBytes(headers: MessageHeader[]): number {
  let bytes = 0;
  for (const header of headers) {
    const [name, value] = headerOf(header);
    bytes += name.length + (value?.length ?? 0);
  }
  return bytes;
}
