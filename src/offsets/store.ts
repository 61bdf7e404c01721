import type { ObservableInput } from 'rxjs';
import type { GroupTransaction, Position, Retry, TopicPartition, TransactionMember } from '../position.js';
import type { StateKey, StateReader, StateTransaction } from '../state.js';

/**
 * What is remembered of one partition: exactly which of its records are finished.
 *
 * Everything below `frontier` is finished, the record at `frontier` is not (as far as is known), and of those beyond it the ones in `runs` are.
 */
export interface Checkpoint extends TopicPartition {
  /** The assignment in which it was written. */
  readonly epoch: number;
  /** The first offset that is not known to be finished: the next one to read. */
  readonly frontier: number;
  /** Finished stretches beyond the frontier, ascending and apart: `[from, to, from, to, …]`, `to` not included. */
  readonly runs: readonly number[];
  /** What `commit({ metadata })` said last. */
  readonly metadata: string;
  /** Of a record below the frontier, one of the last. */
  readonly fingerprint?: Fingerprint;
  /** Of its records those that have failed and are tried again, none below the frontier. Left out if there are none. */
  readonly retries?: readonly Retry[];
}

/** What a write does to the user's state. */
export type ApplyWrite = (refused: readonly Checkpoint[], txn: StateTransaction) => void;

/** What tells a record from any other one that may stand at its offset, as in a topic that was created anew. */
export interface Fingerprint {
  readonly offset: number;
  readonly timestamp: number;
  /** CRC-32 of key and value. */
  readonly crc: number;
}

/** A partition taken over by a new assignment. */
export interface Claim extends TopicPartition {
  /** Higher than any that this store has given out for the partition before. */
  readonly epoch: number;
  /** What is remembered, or `undefined` if the partition was never committed. */
  readonly checkpoint: Checkpoint | undefined;
}

/** What a store that keeps offsets in the group itself asks of the group's member. */
export interface GroupCommits extends Pick<TransactionMember, 'committed'> {
  /** Rejects if the group does not take them. */
  commit(positions: readonly Position[]): Promise<void>;
  /** Whether the partition is the member's. */
  owns(partition: TopicPartition): boolean;
  /** How often it has given partitions back. */
  readonly givenBack: number;
  /** As a {@link TransactionMember} has it; rejects if the member has given partitions back since it had done so `since` times. */
  addOffsets(since: number, add: (consumer: object) => Promise<void>): Promise<void>;
}

/**
 * Where checkpoints are kept. The port that sources know; LMDB, memory and others are behind it.
 *
 * Every answer may be an Observable, a promise or an array, so that a test can answer in virtual time.
 */
export interface OffsetStore {
  /**
   * Takes partitions over: gives each a new epoch and tells what is remembered of it.
   * Once it has answered, writes with an older epoch change nothing.
   */
  claim(group: string, partitions: readonly TopicPartition[]): ObservableInput<readonly Claim[]>;

  /**
   * Remembers checkpoints, all or none; completes when they are durable.
   * Emits those whose epoch is no longer the current one: they changed nothing.
   *
   * `apply` changes the user's state in the same transaction. It is told which checkpoints are refused; what it throws undoes everything,
   * and is what `write` errors with.
   */
  write(group: string, checkpoints: readonly Checkpoint[], apply?: ApplyWrite): ObservableInput<readonly Checkpoint[]>;

  /** Like `write`, but may set a frontier back: the deliberate choice of a new start. */
  reset(group: string, checkpoints: readonly Checkpoint[]): ObservableInput<readonly Checkpoint[]>;

  /** Everything that is remembered of a group. */
  list(group: string): ObservableInput<readonly Checkpoint[]>;

  /**
   * A table of the user's own state, which `commit({ apply })` writes. It is read as of the last write that is durable.
   * @throws {OptionError} if this store keeps no state.
   */
  state<V, K extends StateKey = string>(name: string): StateReader<V, K>;

  /** For a store that keeps offsets in the group itself: the store as one member of it sees it. `kafka` is the one that the source was opened with. */
  forMember?(member: GroupCommits, kafka: object): OffsetStore;

  /**
   * For a store that keeps offsets in the group itself, as one member sees it: writes go through the transaction from now on.
   * @throws {OptionError} if they go through another one.
   */
  commitThrough?(transaction: GroupTransaction): void;

  /** Waits for the write in flight and lets go of the store. Calling it again gives the same promise. */
  close(): Promise<void>;
  [Symbol.asyncDispose](): Promise<void>;
}
