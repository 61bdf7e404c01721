import type { ObservableInput } from 'rxjs';
import type { OffsetStore } from '../offsets/store.js';
import type { Position, TopicPartition } from '../position.js';
import type { Watermarks } from './fetcher.js';
import type { Reader } from './reader.js';

/** Called when partitions are given or taken. Each call has to be answered, by `assign` or `unassign`. */
export interface RebalanceListener {
  onAssigned(partitions: readonly TopicPartition[]): void;
  onRevoked(partitions: readonly TopicPartition[]): void;
  /** The client can do nothing more. */
  onFatal(reason: string): void;
}

/**
 * How a source comes by its partitions, and reads them: as a member of a group, or alone. Answers may be Observables, promises or arrays, so
 * that a test can answer in virtual time.
 */
export interface Membership {
  readonly reader: Reader;
  /** The store, as this member sees it. */
  storeOf(offsets: OffsetStore): OffsetStore;
  /** Connects, checks that the topics exist, and asks for partitions. */
  connect(): ObservableInput<void>;
  /** Answers `onAssigned`: fetching starts at these offsets. */
  assign(positions: readonly Position[]): void;
  /** Answers `onRevoked`. */
  unassign(partitions: readonly TopicPartition[]): void;
  /** Whether an answer is awaited. */
  readonly asked: boolean;
  /** Whether single partitions can be assigned: not with the older assignment strategies. */
  readonly incremental: boolean;
  /**
   * Fetches a partition that is assigned from another offset on, also where fetching it had stopped. Only if `incremental`, and not while it is
   * `asked`: a group would take it for an answer.
   */
  refetch(position: Position): void;
  pause(partitions: readonly TopicPartition[]): void;
  resume(partitions: readonly TopicPartition[]): void;
  /** Commits offsets to the group. Rejects if the group does not take them, as from a member that it has put out. */
  commit(positions: readonly Position[]): ObservableInput<void>;
  /** Whether the group has yet to answer a commit: its answers come with reads. */
  readonly committing: boolean;
  /** What the group has committed of these partitions, once no transaction is under way that could change it; those of which it has nothing are left out. */
  committed(partitions: readonly TopicPartition[]): ObservableInput<readonly Position[]>;
  /** Whether it sees what transactions have committed, and no more. */
  readonly readsCommitted: boolean;
  /** The topics that were named and do not exist. */
  missing(): ObservableInput<readonly string[]>;
  /** As its readers see it; `uncommitted`: with the records of transactions that are still open. */
  watermarks(partition: TopicPartition, options?: { readonly uncommitted: boolean }): ObservableInput<Watermarks>;
  /** The end of the log as the last fetch saw it, without asking; below 0 if none did. */
  lastKnownEnd(partition: TopicPartition): number;
  /** librdkafka's own statistics, as it reported them last; `undefined` if it is not to. */
  readonly rdkafkaStats: unknown;
  /** The first offset at or after a time, or `OFFSET_END`. */
  offsetAt(partition: TopicPartition, timestamp: number): ObservableInput<number>;
  /** Gives everything up and lets go of the client. Never rejects. */
  close(): ObservableInput<void>;
}
