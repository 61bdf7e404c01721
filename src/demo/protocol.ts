import type { Position } from '../index.js';

/** What a worker is to do: its one argument, as JSON. */
export interface Job {
  readonly brokers: readonly string[];
  readonly run: string;
  /** The topic to read. */
  readonly orders: string;
  /** The topic to write. */
  readonly invoices: string;
  readonly group: string;
  /** The directory of its offset store. */
  readonly offsets: string;
  /** Settings of its group membership, under librdkafka's names. */
  readonly membership: Readonly<Record<string, string | number>>;
}

/** The only thing that a worker is told later: finish what is in flight, and end. */
export const STOP = 'stop';

/** What a worker says. The ledger counts none of it. */
export type Word =
  /** It has its partitions. */
  | { readonly type: 'joined' }
  /** How many orders it has read so far. */
  | { readonly type: 'read'; readonly orders: number }
  /** Its frontiers, as they are on disk. */
  | { readonly type: 'committed'; readonly frontiers: readonly Position[] }
  /** It cannot go on. */
  | { readonly type: 'failed'; readonly message: string };
