import type { Outgoing } from './outgoing.js';

/** A record that is on disk. */
export interface Stored {
  readonly record: Outgoing;
  /** When it was written down, in milliseconds since the epoch. */
  readonly at: number;
}

/** A record that goes to the disk; one that was there before keeps the time at which it came. */
export interface ToStore {
  readonly record: Outgoing;
  readonly at: number | undefined;
}

/** What is on disk and has not arrived. */
export interface Backlog {
  readonly records: number;
  /** Bytes of files; a file goes when all that it holds has arrived. */
  readonly bytes: number;
}

/** Where a publisher keeps what Kafka does not take. Callbacks, not promises: the order of what follows is the caller's, also in virtual time. */
export interface Spill {
  readonly backlog: Backlog;
  /** How many of the records on disk were not read yet. */
  readonly unread: number;
  /** How many more bytes of records may be written. */
  readonly room: number;
  /** Finds out what earlier lives have left. */
  open(done: () => void): void;
  /** Appends the records; they are on disk, whatever happens now, when `done` is called without an error. One write at a time. */
  write(records: readonly ToStore[], done: (error: Error | undefined) => void): void;
  /** The oldest records that were not read yet, in the order in which they were written: one at least if there is any. One read at a time. */
  read(
    limit: { readonly records: number; readonly bytes: number },
    done: (error: Error | undefined, found: readonly Stored[]) => void,
  ): void;
  /** The record has arrived, or is given up: it is not to come again. */
  done(stored: Stored): void;
  /** Gives up whole files of records that were written before this time and not read. Answers how many records. */
  expire(before: number): number;
}
