import { NO_ANSWER, PUT_OUT, REBALANCING } from '../brokerErrors.js';
import { BrokerError, KafkaRxError, OptionError, StoreFailedError } from '../errors.js';
import type { Kafka } from '../kafka.js';
import type { GroupTransaction, Position, TopicPartition, TransactionMember } from '../position.js';
import type { StateReader } from '../state.js';
import { assertForward } from './forward.js';
import type { ApplyWrite, Checkpoint, Claim, GroupCommits, OffsetStore } from './store.js';

/**
 * An offset store that keeps nothing here: the group's own committed offsets, in Kafka.
 *
 * For services without a disk of their own. At least once by the contiguous frontier: what was finished beyond the oldest open record comes
 * again after a crash, `retryRecord` then counts from one, and `commit({ apply })` and `metadata` need another store.
 *
 * @param kafka The one that the sources are opened with: offsets can only be committed by the members of the group.
 *
 * @example
 * ```ts
 * const orders$ = fromTopic(kafka, 'orders', { group: 'billing', offsets: groupOffsets(kafka) }).pipe(commit());
 * ```
 */
export function groupOffsets(kafka: Kafka): OffsetStore {
  return new GroupOffsets(kafka);
}

/** What passes by itself. */
const PASSING: ReadonlySet<number> = new Set([...NO_ANSWER, ...REBALANCING]);
const TRIES = 30;
const PAUSE_MS = 200;

class GroupOffsets implements OffsetStore {
  readonly #kafka: Kafka;
  readonly #epochs = new Map<string, number>();
  #closing: Promise<void> | undefined;

  constructor(kafka: Kafka) {
    this.#kafka = kafka;
  }

  forMember(member: GroupCommits, kafka: object): OffsetStore {
    if (kafka !== this.#kafka) {
      throw new OptionError('groupOffsets: it was made with another Kafka than the source is opened with: give both the same.');
    }
    return new MemberOffsets(this, member);
  }

  claim(): never {
    throw notAlone();
  }

  write(): never {
    throw notAlone();
  }

  reset(): never {
    throw notAlone();
  }

  list(): never {
    throw notAlone();
  }

  state(): never {
    throw new OptionError('groupOffsets keeps no state: use openOffsets for commit({ apply }).');
  }

  close(): Promise<void> {
    this.#closing ??= Promise.resolve();
    return this.#closing;
  }

  [Symbol.asyncDispose](): Promise<void> {
    return this.close();
  }

  report(message: string): void {
    this.#kafka.emit({ type: 'notice', message });
  }

  get closed(): boolean {
    return this.#closing !== undefined;
  }

  /** The epochs are those of this process; between processes the group's own generations tell old from new. */
  nextEpoch(key: string): number {
    const epoch = (this.#epochs.get(key) ?? 0) + 1;
    this.#epochs.set(key, epoch);
    return epoch;
  }

  isCurrent(key: string, epoch: number): boolean {
    return (this.#epochs.get(key) ?? 0) === epoch;
  }
}

/** The offsets of a group as one of its members sees them. */
class MemberOffsets implements OffsetStore, TransactionMember {
  readonly #store: GroupOffsets;
  readonly #member: GroupCommits;
  /** What this member has claimed and written, with its group. */
  readonly #known = new Map<string, { readonly group: string; readonly checkpoint: Checkpoint }>();
  #transaction: GroupTransaction | undefined;
  /** How often the member had given partitions back when its transaction began; one write is under way at a time. */
  #since = 0;

  constructor(store: GroupOffsets, member: GroupCommits) {
    this.#store = store;
    this.#member = member;
  }

  async claim(group: string, partitions: readonly TopicPartition[]): Promise<readonly Claim[]> {
    this.#assertOpen();
    const committed = await this.#committed(group, partitions);
    return partitions.map(({ topic, partition }) => {
      const epoch = this.#store.nextEpoch(keyOf(group, { topic, partition }));
      const found = committed.find((position) => position.topic === topic && position.partition === partition);
      const checkpoint = found === undefined ? undefined : { topic, partition, epoch, frontier: found.offset, runs: [], metadata: '' };
      if (checkpoint !== undefined) this.#remember(group, checkpoint);
      return { topic, partition, epoch, checkpoint };
    });
  }

  async write(group: string, checkpoints: readonly Checkpoint[], apply?: ApplyWrite): Promise<readonly Checkpoint[]> {
    this.#assertOpen();
    if (apply !== undefined) return this.#store.state();
    return this.#put(group, checkpoints, 'forward');
  }

  addOffsets(add: (consumer: object) => Promise<void>): Promise<void> {
    return this.#member.addOffsets(this.#since, add);
  }

  committed(partitions: readonly TopicPartition[]): Promise<readonly Position[]> {
    return this.#member.committed(partitions);
  }

  commitThrough(transaction: GroupTransaction): void {
    if (this.#transaction !== undefined && this.#transaction !== transaction) {
      throw new OptionError('toTransaction: a record can be in one transaction only: put one toTransaction() below each source.');
    }
    this.#transaction = transaction;
  }

  async reset(group: string, checkpoints: readonly Checkpoint[]): Promise<readonly Checkpoint[]> {
    this.#assertOpen();
    return this.#put(group, checkpoints, 'anywhere');
  }

  // eslint-disable-next-line @typescript-eslint/require-await -- A closed store rejects, like every other answer.
  async list(group: string): Promise<readonly Checkpoint[]> {
    this.#assertOpen();
    return [...this.#known.values()].filter((known) => known.group === group).map(({ checkpoint }) => checkpoint);
  }

  state<V>(): StateReader<V, never> {
    return this.#store.state();
  }

  close(): Promise<void> {
    return this.#store.close();
  }

  [Symbol.asyncDispose](): Promise<void> {
    return this.close();
  }

  /** It may take as long as a transaction of the last owner that has yet to end. */
  async #committed(group: string, partitions: readonly TopicPartition[]): Promise<readonly Position[]> {
    for (;;) {
      try {
        return await this.#member.committed(partitions);
      } catch (error) {
        if (!(error instanceof BrokerError && error.retriable)) throw error;
        this.#store.report(
          `the group ${group} does not say yet where partitions start, for a transaction may be under way: ${error.message}.`,
        );
        await new Promise((resolve) => setTimeout(resolve, PAUSE_MS));
      }
    }
  }

  async #put(group: string, checkpoints: readonly Checkpoint[], direction: 'forward' | 'anywhere'): Promise<readonly Checkpoint[]> {
    const refused: Checkpoint[] = [];
    const moved = new Map<string, Checkpoint>();
    for (const checkpoint of checkpoints) {
      const key = keyOf(group, checkpoint);
      if (!this.#store.isCurrent(key, checkpoint.epoch)) {
        refused.push(checkpoint);
        continue;
      }
      const before = (moved.get(key) ?? this.#known.get(key)?.checkpoint)?.frontier;
      if (direction === 'forward') assertForward(before, checkpoint);
      // Also an offset of 0 that was never committed: without it the group would begin where its policy says.
      if (checkpoint.frontier !== before) moved.set(key, checkpoint);
    }
    const changed = [...moved.values()];
    const lost =
      direction === 'forward' && this.#transaction !== undefined
        ? await this.#commitThrough(this.#transaction, group, changed)
        : await this.#commit(group, changed, direction);
    for (const checkpoint of changed) {
      if (lost.includes(checkpoint)) refused.push(checkpoint);
      else if (this.#store.isCurrent(keyOf(group, checkpoint), checkpoint.epoch)) this.#remember(group, checkpoint);
    }
    return refused;
  }

  /** Answers those that are not the member's any more. After what passes it does the same again, with those that still are. */
  async #commitThrough(transaction: GroupTransaction, group: string, checkpoints: readonly Checkpoint[]): Promise<readonly Checkpoint[]> {
    for (;;) {
      // What is given back from now on may come back as another assignment, with a generation that the group would take.
      this.#since = this.#member.givenBack;
      const ours = checkpoints.filter((one) => this.#member.owns(one) && this.#store.isCurrent(keyOf(group, one), one.epoch));
      try {
        if (ours.length > 0) await transaction.commit(ours.map(positionOf), this);
        return checkpoints.filter((one) => !ours.includes(one));
      } catch (error) {
        if (error instanceof BrokerError && PUT_OUT.has(error.kafkaCode)) return checkpoints;
        if (!(error instanceof KafkaRxError && error.retriable)) throw error;
        await new Promise((resolve) => setTimeout(resolve, PAUSE_MS));
      }
    }
  }

  #remember(group: string, checkpoint: Checkpoint): void {
    const { topic, partition, epoch, frontier, metadata } = checkpoint;
    this.#known.set(keyOf(group, checkpoint), { group, checkpoint: { topic, partition, epoch, frontier, runs: [], metadata } });
  }

  /** Answers those that are not the member's any more; after what passes it tries again with those that still are. A new start is set before they are. */
  async #commit(group: string, checkpoints: readonly Checkpoint[], direction: 'forward' | 'anywhere'): Promise<readonly Checkpoint[]> {
    for (let tries = 1; ; tries += 1) {
      const ours = checkpoints.filter(
        (one) => (direction === 'anywhere' || this.#member.owns(one)) && this.#store.isCurrent(keyOf(group, one), one.epoch),
      );
      try {
        if (ours.length > 0) await this.#member.commit(ours.map(positionOf));
        return checkpoints.filter((one) => !ours.includes(one));
      } catch (error) {
        const code = error instanceof BrokerError ? error.kafkaCode : 0;
        if (PUT_OUT.has(code)) return checkpoints;
        if (!PASSING.has(code) || tries === TRIES) throw error;
        await new Promise((resolve) => setTimeout(resolve, PAUSE_MS));
      }
    }
  }

  #assertOpen(): void {
    if (this.#store.closed) throw new StoreFailedError('the offset store of the group was closed.');
  }
}

function positionOf({ topic, partition, frontier }: Checkpoint): Position {
  return { topic, partition, offset: frontier };
}

function keyOf(group: string, { topic, partition }: TopicPartition): string {
  return JSON.stringify([group, topic, partition]);
}

function notAlone(): OptionError {
  return new OptionError('groupOffsets: the offsets of a group can only be read and written by its members: give it to fromTopic.');
}
