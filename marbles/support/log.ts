import type { Observable } from 'rxjs';
import { Subject, asyncScheduler } from 'rxjs';
import type { Position } from '../../src/position.js';
import type { KafkaRecord } from '../../src/record.js';
import type { Batch, ReadError, Reader } from '../../src/sources/reader.js';
import { EMPTY_BATCH } from '../../src/sources/reader.js';
import { recordAt } from './source.js';

/** A record that waits to be read. */
export interface Row {
  readonly value: string;
  readonly offset: number;
  readonly partition?: number;
  readonly bytes?: number;
}

/** A log that is read in virtual time. */
export interface Log extends Reader {
  /** Each read as it starts: how many records it asked for at most. */
  readonly reads$: Observable<string>;
  /** When each read started. */
  readonly readAt: readonly number[];
  /** The most reads that were ever in flight at once. */
  readonly mostReads: () => number;
  readonly append: (...rows: readonly Row[]) => void;
  /** The next read brings this in place of records. */
  readonly failNext: (error: ReadError) => void;
  /** The next read brings this after its records. */
  readonly endNext: (error: ReadError) => void;
}

export interface LogSettings {
  /** How long a read takes that finds records. Default 1. */
  readonly readMs?: () => number;
  /** Whether a read that empties the log says that it has ended. Default `false`. */
  readonly tellsEnd?: boolean;
  /** Default 1,000. */
  readonly mostRecords?: number;
}

export function log(rows: readonly Row[], { readMs = () => 1, tellsEnd = false, mostRecords = 1_000 }: LogSettings = {}): Log {
  const waiting = [...rows];
  const reads$ = new Subject<string>();
  const readAt: number[] = [];
  let inFlight = 0;
  let most = 0;
  let failure: ReadError | undefined;
  let end: ReadError | undefined;
  return {
    mostRecords,
    reads$: reads$.asObservable(),
    readAt,
    mostReads: () => most,
    append: (...more) => waiting.push(...more),
    failNext: (error) => {
      failure = error;
    },
    endNext: (error) => {
      end = error;
    },
    read(max, waitMs, done) {
      reads$.next(String(max));
      readAt.push(asyncScheduler.now());
      inFlight += 1;
      most = Math.max(most, inFlight);
      asyncScheduler.schedule(
        () => {
          inFlight -= 1;
          const error = failure;
          const after = end;
          failure = end = undefined;
          const found = error === undefined ? waiting.splice(0, max) : [];
          const ends = tellsEnd && waiting.length === 0 ? found.slice(-1).map(endAfter) : [];
          done(error ?? after, found.length > 0 ? batchOf(found, ends) : EMPTY_BATCH);
        },
        waiting.length > 0 ? readMs() : waitMs,
      );
    },
  };
}

/** `a` stands at offset 0, `b` at 1, and so on. */
export function rowsOf(letters: string, bytes?: number): Row[] {
  return Array.from(letters, (value, offset) => ({ value, offset, ...(bytes === undefined ? {} : { bytes }) }));
}

function endAfter({ offset, partition = 0 }: Row): Position {
  return { topic: 'orders', partition, offset: offset + 1 };
}

function batchOf(rows: readonly Row[], ends: readonly Position[]): Batch {
  const at = (row: number): Row => rows[row] as Row;
  return {
    length: rows.length,
    ends,
    topic: () => 'orders',
    partition: (row) => at(row).partition ?? 0,
    offset: (row) => at(row).offset,
    bytes: (row) => at(row).bytes ?? 10,
    // A test's values are text; a source's are what was written.
    record: (row, lane) => recordAt(lane, at(row).offset, at(row).value) as unknown as KafkaRecord,
  };
}
