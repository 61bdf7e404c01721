import type { Observable } from 'rxjs';
import type { ApplyState } from './state.js';

/** A partition of a topic. */
export interface TopicPartition {
  readonly topic: string;
  readonly partition: number;
}

/** The partition of something that says more. */
export function bare({ topic, partition }: TopicPartition): TopicPartition {
  return { topic, partition };
}

/** One text for each partition: a key, and a name in messages. */
export function nameOf({ topic, partition }: TopicPartition): string {
  return `${topic}/${partition}`;
}

/** Where a record stands in its log. Offsets are whole numbers below 2^53. */
export interface Position extends TopicPartition {
  readonly offset: number;
}

/** Records `[from, to)` that were gone before they were read. */
export interface Gap extends TopicPartition {
  readonly from: number;
  readonly to: number;
}

/** A partition that others worked on: the group is further than what is remembered here. */
export interface StaleState extends TopicPartition {
  /** The frontier that is remembered here, if any is. */
  readonly local: number | undefined;
  /** The frontier of the group, where the source goes on. */
  readonly committed: number;
}

/**
 * The key under which a value carries its lane.
 *
 * A symbol property that is enumerable: object spread keeps it, `JSON.stringify` and `structuredClone` do not see it.
 */
export const LANE: unique symbol = Symbol('kafka-rx.lane');

/**
 * Anything that still knows which record it came from.
 *
 * `map((r) => ({ ...r, value: f(r.value) }))` keeps it; `map((r) => f(r.value))` loses it, and `commit()` after that does not compile.
 */
export interface Positioned {
  readonly offset: number;
  readonly [LANE]: Lane;
}

/**
 * What a compile error says where something that is no record any more comes to an operator that needs its position.
 *
 * It stands in the constraint of such an operator, which is what the compiler shows when nothing else fits.
 */
export type LostPosition =
  'The position of the record was lost above. Keep it with map((r) => ({ ...r, value: f(r.value) })), or with mapValue(f).';

/** What finishing a record means to the source that emitted it. One lane is one partition during one assignment (an epoch). */
export interface Lane extends TopicPartition {
  /** Rises with every assignment of the partition, so that a late word about an older one can be told apart. */
  readonly epoch: number;
  readonly journal: Journal;
  /** The lane of the partition: itself, unless it is the lane of one of several values that one record became. */
  readonly whole: Lane;
  /** Whether completions still count. */
  readonly live: boolean;
  /** Whether more records may come. If not, and the lane is live, its partition is being given up: what is open should be finished soon. */
  readonly emitting: boolean;
  /** The journal's ticket when a record of this lane was finished last. */
  readonly ticket: number;
  /** The ticket up to which this lane's finished records are remembered. */
  readonly durable: number;
  /** Kept with the next checkpoint of this partition. */
  metadata: string;
  /** The record is finished, and is to be remembered. Saying so twice, or after the lane was closed, changes nothing: then it answers false. */
  finish(offset: number): boolean;
  /** Every record up to and including `offset` is finished, and is to be remembered; also those that were released. */
  finishThrough(offset: number): void;
  /** The record is finished, and is not to be remembered. */
  release(offset: number): void;
  /** Does `work` just before the record counts as finished: at once, unless other values that it became are still open. Not if one was released. */
  beforeFinish(work: () => void): void;
  /** What an open record weighs, as the source counts it. */
  bytesAt(offset: number): number;
  /** What is remembered of the failures of a record that is tried again under this name. */
  retryOf(offset: number, name: string): Retry | undefined;
  /** An open record has failed, and is to be tried again. Remembered until the record is finished, as of the lane's next ticket. */
  noteRetry(retry: Retry): void;
}

/** What is remembered of a record that has failed and is tried again. */
export interface Retry {
  readonly offset: number;
  /** Who tries: the `name` of a `retryRecord`. */
  readonly name: string;
  /** How many attempts have failed. */
  readonly failed: number;
  /** When the next one is to begin: milliseconds since the epoch. */
  readonly due: number;
}

/** The one writer behind all lanes of a subscription: it turns finished records into checkpoints on disk. */
export interface Journal {
  /** Counts what was finished, and failures that were noted; a number that `durable$` has reached stands for what is remembered. */
  readonly ticket: number;
  /** Emits the durable ticket on subscription and after every write. Errors when a write failed. */
  readonly durable$: Observable<number>;
  /** Starts no write until `resume` is called as often: what is finished until then goes into one. */
  hold(): void;
  resume(): void;
  /** Writes what there is to remember by now, however seldom that is done; completes when it is durable, or when a write has failed. */
  flush(): Observable<never>;
  /** Gives the value to `apply` in the transaction that remembers its records. They are to be finished before the next `resume`. */
  stage<T extends Positioned | readonly Positioned[]>(value: T, apply: ApplyState<T>): void;
  /**
   * An operator that finishes records says that it is there, and with `'durable'` that its values wait for the disk; the returned function says that
   * it will finish no more.
   */
  attach(operator: 'commit' | 'durable' | 'release', pace?: Pace): () => void;
  /**
   * From now on the group's offsets are committed through this, in the order of each partition: a record that is finished ahead of others stays
   * open until they are finished as well.
   * @throws {OptionError} if that cannot be: the offsets are kept elsewhere, or are committed through something else already.
   */
  commitThrough(transaction: GroupTransaction): void;
  /** An operator that keeps records back says that it is there; the returned function says that it keeps no more. */
  addKeeper(keeper: Keeper): () => void;
  /**
   * To be said when a record was kept. If the source can emit nothing more, and all that is out is kept, every keeper is asked to let go; so are
   * those of the record's lane, if the same is true of that alone.
   */
  kept(lane: Lane): void;
}

/** An operator that keeps records back. */
export interface Keeper {
  /** Whose records they are, if it keeps those of one lane only. */
  readonly lane?: Lane;
  /** How many it keeps. */
  readonly records: number;
  /** Whether it keeps them on somebody's word: that nothing is finished meanwhile is no stall. */
  readonly shut: boolean;
  /** Lets go what it keeps, if it may. */
  letGo(): void;
}

/** How often finished records are written. */
export interface Pace {
  readonly everyMs: number;
  readonly everyRecords: number;
}

/** Commits a group's offsets together with what was made of the records below them, all or none. */
export interface GroupTransaction {
  /** Resolves when it is done. Rejects when nothing of it is; with an error that is `retriable` it may be asked to do the same again. */
  commit(positions: readonly Position[], member: TransactionMember): Promise<void>;
}

/** The member of a group for which a transaction commits. */
export interface TransactionMember {
  /**
   * Lets `add` put the member's offsets into a transaction; `consumer` is the client's own handle. Rejects if the member has given
   * partitions back since the commit was asked for: the group may have taken the offsets for those of its next generation, and they must not be committed.
   */
  addOffsets(add: (consumer: object) => Promise<void>): Promise<void>;
  /** What the group has committed, once no transaction is under way that could change it; partitions of which it has nothing are left out. */
  committed(partitions: readonly TopicPartition[]): Promise<readonly Position[]>;
}
