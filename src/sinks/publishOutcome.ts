import type { Delivery } from '../record.js';
import type { Drop, Rejection } from './publisherStats.js';

/** What became of a message. */
export interface PublishOutcome {
  /** Kafka has it; it is on disk, and will be replayed; it is lost; or it was never taken. */
  readonly where: 'kafka' | 'disk' | 'dropped' | 'rejected';
  readonly topic: string | undefined;
  readonly key: Buffer | null;
  /** Of `'kafka'`: the partition and the offset. */
  readonly delivery?: Delivery;
  /** Of `'dropped'` and `'rejected'`. */
  readonly reason?: Drop | Rejection;
  /** Of `'dropped'` and `'rejected'`: what to tell a person. */
  readonly error?: Error;
  /** It had been on disk, and this is the second that is said about it. */
  readonly replayed: boolean;
}

/** Is told once what became of a message, with no second word when one that is on disk is replayed. */
export type Tell = (outcome: PublishOutcome) => void;
