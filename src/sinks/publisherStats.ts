import type { Backlog } from './spill.js';

/**
 * Where a publisher's messages go: straight to Kafka; to the disk, while Kafka cannot be reached; or to Kafka, while what is on disk follows.
 *
 * It begins with `'replaying'`, until it is known what is on disk: `'kafka'` means that nothing is left there.
 */
export type PublisherState = 'kafka' | 'spilling' | 'replaying';

/** Why a message was not taken at all. */
export type Rejection = 'invalid' | 'too-large' | 'queue-full' | 'closed';

/** Why a message that was taken is lost. */
export type Drop = 'refused' | 'quota' | 'disk' | 'age' | 'damaged';

/**
 * What a publisher has done since `since`, and what it holds now.
 *
 * Since the start, `accepted` is `delivered + spilled + queued.messages` and what was dropped because it was refused, or by quota or disk; of
 * those that were dropped as refused, some may have been replayed.
 */
export interface PublisherStats {
  /** When counting began, in milliseconds since the epoch: at the start, or at the last `resetStats()`. */
  readonly since: number;
  readonly state: PublisherState;
  /** Messages that `send` took. */
  readonly accepted: number;
  /** Messages that `send` did not take, by reason. */
  readonly rejected: Readonly<Record<Rejection, number>>;
  /** Messages that Kafka acknowledged without having been on disk. */
  readonly delivered: number;
  /** Messages that went to the disk. */
  readonly spilled: number;
  /** Messages from the disk that Kafka acknowledged. */
  readonly replayed: number;
  /** Messages that were taken and are lost, by reason. `damaged` are those on disk that can no longer be read, as far as they can be told. */
  readonly dropped: Readonly<Record<Drop, number>>;
  /** Deliveries that were tried again. */
  readonly retries: number;
  /** Times that Kafka was found not to be there. */
  readonly outages: number;
  /** What is in memory now, on its way to Kafka or to the disk. */
  readonly queued: { readonly messages: number; readonly bytes: number };
  /** What is on disk now and has not arrived. */
  readonly onDisk: Backlog;
}

/** The part that counts, and can be set back. */
export class Counters {
  since: number;
  accepted = 0;
  readonly rejected: Record<Rejection, number> = { 'invalid': 0, 'too-large': 0, 'queue-full': 0, 'closed': 0 };
  delivered = 0;
  spilled = 0;
  replayed = 0;
  readonly dropped: Record<Drop, number> = { refused: 0, quota: 0, disk: 0, age: 0, damaged: 0 };
  retries = 0;
  outages = 0;

  constructor(since: number) {
    this.since = since;
  }
}
