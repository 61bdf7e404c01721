import type { RowsRead } from '../addon.js';
import type { Lane, Position } from '../position.js';
import { LANE } from '../position.js';
import type { Headers, KafkaRecord, TimestampType } from '../record.js';
import type { Batch, ReadError, Reader } from './reader.js';
import { BATCH_BYTES, EMPTY_BATCH, NO_HEADERS } from './reader.js';

/** One read of the addon, from the consumer that this reader is for. */
export type ReadRows = (maxRecords: number, maxBytes: number, waitMs: number, done: RowsRead) => void;

/** The columns as `native/reader.cc` lays them out. */
const OFFSET = 0;
const TIMESTAMP = 1;
const DOUBLES = 2;
const [TOPIC, PARTITION, EPOCH, CODE, START, KEY, VALUE, HEADER, HEADERS, SIZE, TIME_TYPE, INTEGERS] = [
  0, 1, 2, 3, 4, 5, 6, 7, 8, 9, 10, 11,
] as const;
/** By librdkafka's number. */
const TIMESTAMP_TYPES: readonly (TimestampType | undefined)[] = [undefined, 'CreateTime', 'LogAppendTime'];

/** A read costs some 0.2 ms beside its records, in which two threads wake each other: 400 records take as long. Beyond this little is gained. */
const MOST_RECORDS = 4_000;

const PARTITION_EOF = -191;
const UNKNOWN = -1;
const NO_ENDS: readonly Position[] = [];

/**
 * Reads through the addon in `native/`: a batch is a few columns and one buffer, filled off the main thread.
 *
 * Keys, values and header values are views into that buffer, which lives as long as one of them does.
 */
export function nativeReader(readRows: ReadRows, wake?: () => void): Reader {
  return {
    mostRecords: MOST_RECORDS,
    wake,
    read(max, waitMs, done) {
      readRows(max, BATCH_BYTES, waitMs, (rows, texts, columns, bytes) => {
        if (rows instanceof Error) {
          done({ code: UNKNOWN, message: rows.message }, EMPTY_BATCH);
          return;
        }
        const batch = rows === 0 ? EMPTY_BATCH : new ColumnBatch(rows, texts, columns, bytes);
        done(batch instanceof ColumnBatch ? batch.error : undefined, batch);
      });
    },
  };
}

class ColumnBatch implements Batch {
  readonly #texts: readonly string[];
  readonly #doubles: Float64Array;
  readonly #integers: Int32Array;
  readonly #headers: Int32Array;
  readonly #bytes: Buffer;
  readonly length: number;
  readonly ends: readonly Position[];
  /** The error that ended the batch. */
  readonly error: ReadError | undefined;

  constructor(rows: number, texts: readonly string[], columns: ArrayBuffer, bytes: ArrayBuffer) {
    const integersAt = rows * DOUBLES * Float64Array.BYTES_PER_ELEMENT;
    this.#texts = texts;
    this.#doubles = new Float64Array(columns, 0, rows * DOUBLES);
    this.#integers = new Int32Array(columns, integersAt, rows * INTEGERS);
    this.#headers = new Int32Array(columns, integersAt + this.#integers.byteLength);
    this.#bytes = Buffer.from(bytes);
    let length = 0;
    let ends: Position[] | undefined;
    for (let row = 0; row < rows; row += 1) {
      const code = this.#integer(row, CODE);
      if (code === 0) {
        if (length < row) this.#move(row, length);
        length += 1;
      } else if (code === PARTITION_EOF) {
        (ends ??= []).push({ topic: this.topic(row), partition: this.partition(row), offset: this.offset(row) });
      } else {
        this.error = { code, message: String(this.#view(this.#integer(row, START), this.#integer(row, VALUE))) };
      }
    }
    this.length = length;
    this.ends = ends ?? NO_ENDS;
  }

  topic(row: number): string {
    return this.#texts[this.#integer(row, TOPIC)] as string;
  }

  partition(row: number): number {
    return this.#integer(row, PARTITION);
  }

  offset(row: number): number {
    return this.#doubles[row * DOUBLES + OFFSET] as number;
  }

  bytes(row: number): number {
    return this.#integer(row, SIZE);
  }

  record(row: number, lane: Lane): KafkaRecord {
    const integers = this.#integers;
    const at = row * INTEGERS;
    const start = integers[at + START] as number;
    const keyLength = integers[at + KEY] as number;
    const valueLength = integers[at + VALUE] as number;
    const headers = integers[at + HEADERS] as number;
    const valueStart = keyLength > 0 ? start + keyLength : start;
    const end = valueLength > 0 ? valueStart + valueLength : valueStart;
    const epoch = integers[at + EPOCH] as number;
    return {
      topic: this.#texts[integers[at + TOPIC] as number] as string,
      partition: integers[at + PARTITION] as number,
      offset: this.#doubles[row * DOUBLES + OFFSET] as number,
      timestamp: this.#doubles[row * DOUBLES + TIMESTAMP] as number,
      timestampType: TIMESTAMP_TYPES[integers[at + TIME_TYPE] as number],
      leaderEpoch: epoch < 0 ? undefined : epoch,
      key: keyLength < 0 ? null : this.#bytes.subarray(start, valueStart),
      value: valueLength < 0 ? null : this.#bytes.subarray(valueStart, end),
      headers: headers === 0 ? NO_HEADERS : this.#headersOf(integers[at + HEADER] as number, headers, end),
      [LANE]: lane,
    };
  }

  #headersOf(first: number, count: number, start: number): Headers {
    const headers = new Array<Headers[number]>(count);
    for (let i = 0; i < count; i += 1) {
      const at = 2 * (first + i);
      const length = this.#headers[at + 1] as number;
      headers[i] = [this.#texts[this.#headers[at] as number] as string, this.#view(start, length)];
      if (length > 0) start += length;
    }
    return headers;
  }

  #view(start: number, length: number): Buffer | null {
    return length < 0 ? null : this.#bytes.subarray(start, start + length);
  }

  #integer(row: number, column: number): number {
    return this.#integers[row * INTEGERS + column] as number;
  }

  /** Over a row that says that a partition has ended. */
  #move(from: number, to: number): void {
    this.#doubles.copyWithin(to * DOUBLES, from * DOUBLES, (from + 1) * DOUBLES);
    this.#integers.copyWithin(to * INTEGERS, from * INTEGERS, (from + 1) * INTEGERS);
  }
}
