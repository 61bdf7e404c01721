import type { ObservableInput, SchedulerLike, Subscription } from 'rxjs';
import { ReplaySubject, asyncScheduler, lastValueFrom, throwError } from 'rxjs';
import { BrokerError } from '../errors.js';
import type { OffsetStore } from '../offsets/store.js';
import type { Position, TopicPartition } from '../position.js';
import { LANE } from '../position.js';
import type { Watermarks } from '../sources/fetcher.js';
import { OFFSET_BEGINNING, OFFSET_END } from '../sources/fetcher.js';
import type { Membership, RebalanceListener } from '../sources/membership.js';
import type { Batch, ReadError, Reader } from '../sources/reader.js';
import type { Contents, PartitionLog, TopicLog } from './topicLog.js';

export interface MemberSettings {
  readonly scheduler?: SchedulerLike;
  /** How long a read takes that finds records. Default 1. */
  readonly readMs?: () => number;
  /** How many records one read may be asked for. Default 1,000. */
  readonly mostRecords?: number;
  /** How many records of one partition come before those of the next. Default: all there are. */
  readonly chunk?: number;
  /** Whether the group may give partitions while a read holds records that came before: librdkafka asks with its reads. Default `false`. */
  readonly givesDuringReads?: boolean;
  /** How questions to the group are answered. Default `'at once'`. */
  readonly answers?: 'at once' | 'by promises';
  /**
   * Whether a question of the group ends the wait of a read that has found nothing, and commits are answered without a read: then nothing takes
   * time that need not. Default `false`: a question finds a read in flight, and answers come with reads, as with librdkafka.
   */
  readonly prompt?: boolean;
  /** It joins the group. */
  readonly onJoined?: (member: FakeMember) => void;
  /** The client has answered what the group asked. */
  readonly onAnswered?: () => void;
}

interface Row {
  readonly partition: number;
  readonly offset: number;
  readonly bytes: number;
  readonly contents: Contents;
}

/** What a read brings in place of records. */
interface Met {
  readonly error: ReadError;
  /** What happens after it. */
  readonly then: () => void;
}

/** Where a partition is read; `stopped`: its position is outside of the log, which is said once. */
interface Fetching {
  offset: number;
  stopped: boolean;
}

const AUTO_OFFSET_RESET = -140;
const REBALANCE_IN_PROGRESS = 27;
const EMPTY: Contents = { timestamp: 0, key: null, value: null, headers: [] };

/**
 * A member of a group without a broker, as strict as librdkafka: one read at a time, one question at a time, no partition assigned twice,
 * none given back that was not given. What is paused is not read; what is fetched outside of the log stops.
 */
export class FakeMember implements Membership {
  readonly reader: Reader;
  incremental = true;
  readonly rdkafkaStats = undefined;
  closed = false;
  /** Whether it has joined the group: before that it is asked nothing. */
  joined = false;
  /** How many records each read asked for. */
  readonly reads: number[] = [];
  readonly paused = new Set<number>();
  pauses = 0;
  resumes = 0;
  /** Of which partitions the next records come, and how many, before the usual turns go on. */
  readonly order: [partition: number, count: number][] = [];
  /** What the group takes for this member's, assigned or not. */
  readonly owned = new Set<number>();
  /** Whether the next answer, or the next commit, fails. */
  refusesAnswer = false;
  refusesCommit = false;
  readonly #brokers: TopicLog;
  readonly #listener: RebalanceListener;
  readonly #scheduler: SchedulerLike;
  readonly #settings: MemberSettings;
  readonly #fetching = new Map<number, Fetching>();
  readonly #ends = new Map<number, number>();
  #asked: { readonly takes: boolean; readonly partitions: readonly number[] } | undefined;
  #commits: ((error?: Error) => void)[] = [];
  #met: Met[] = [];
  #reading = false;
  /** Whether the read in flight has found records. */
  #hasRows = false;
  #afterRead: () => void = () => undefined;
  /** Ends the wait of a read that has found nothing so far: there may be something now. */
  #wake: () => void = () => undefined;
  /** Ends it also if there is nothing. */
  #endWait: () => void = () => undefined;

  constructor(brokers: TopicLog, listener: RebalanceListener, settings: MemberSettings = {}) {
    this.#brokers = brokers;
    this.#listener = listener;
    this.#settings = settings;
    this.#scheduler = settings.scheduler ?? asyncScheduler;
    this.reader = {
      mostRecords: settings.mostRecords ?? 1_000,
      read: (max, waitMs, done) => {
        this.#read(max, waitMs, done);
      },
    };
  }

  /** The group gives partitions; the answer is awaited. */
  give(...partitions: readonly number[]): void {
    if (this.closed) return;
    this.#ask(false, partitions);
    for (const partition of partitions) this.owned.add(partition);
    const tell = (): void => {
      this.#listener.onAssigned(partitions.map(this.#named));
      if (this.#settings.prompt === true) this.#endWait();
    };
    // Questions come with reads: what a read has brought was read before the next question that gives something.
    if (this.#hasRows && this.#settings.givesDuringReads !== true) this.#afterRead = tell;
    else tell();
  }

  /** The group takes partitions away; the answer is awaited. */
  take(...partitions: readonly number[]): void {
    if (this.closed) return;
    this.#ask(true, partitions);
    this.#listener.onRevoked(partitions.map(this.#named));
    if (this.#settings.prompt === true) this.#endWait();
  }

  /** Whether the group waits for an answer. */
  get asked(): boolean {
    return this.#asked !== undefined;
  }

  /** The partitions that are being taken away. */
  get taking(): readonly number[] {
    return this.#asked?.takes === true ? this.#asked.partitions : [];
  }

  /** The group no longer waits for an answer: the client refused it. */
  forget(): void {
    this.#asked = undefined;
  }

  /** A read that has found nothing so far waits no longer. */
  endWait(): void {
    this.#endWait();
  }

  /** The client can do nothing more. */
  die(reason: string): void {
    this.#listener.onFatal(reason);
  }

  /** The next read brings this in place of records, and then something happens. */
  failNext(error: ReadError, then: () => void = () => undefined): void {
    this.#met.push({ error, then });
    this.#wake();
  }

  /** There may be records now. */
  notice(): void {
    this.#wake();
  }

  /** The offset that is read next, if the partition is assigned. */
  position(partition: number): number | undefined {
    return this.#fetching.get(partition)?.offset;
  }

  storeOf(offsets: OffsetStore): OffsetStore {
    return offsets;
  }

  connect(): ObservableInput<void> {
    this.#settings.onJoined?.(this);
    this.joined = true;
    return this.#say(undefined);
  }

  assign(positions: readonly Position[]): void {
    if (this.#answer() === undefined) return;
    for (const { partition, offset } of positions) {
      if (!this.owned.has(partition)) throw new Error(`partition ${partition} was not given`);
      if (this.#fetching.has(partition)) throw new Error(`partition ${partition} is assigned already`);
      this.#fetch(partition, offset);
    }
    this.#wake();
  }

  unassign(partitions: readonly TopicPartition[]): void {
    const question = this.#answer();
    if (question === undefined) return;
    if (!question.takes) throw new Error('partitions were given, and given back at once');
    for (const { partition } of partitions) {
      if (!this.owned.delete(partition)) throw new Error(`partition ${partition} was never given`);
      this.#fetching.delete(partition);
      this.paused.delete(partition);
    }
  }

  refetch({ partition, offset }: Position): void {
    if (this.taking.length > 0) throw new Error('the group would take it for the answer to what it asks');
    if (!this.#fetching.has(partition)) throw new Error(`partition ${partition} is not assigned`);
    this.#fetch(partition, offset);
    this.#wake();
  }

  pause(partitions: readonly TopicPartition[]): void {
    this.pauses += 1;
    for (const { partition } of partitions) if (this.#fetching.has(partition)) this.paused.add(partition);
  }

  resume(partitions: readonly TopicPartition[]): void {
    this.resumes += 1;
    for (const { partition } of partitions) this.paused.delete(partition);
    this.#wake();
  }

  readonly readsCommitted = true;

  get committing(): boolean {
    return this.#commits.length > 0;
  }

  /** Answered with a read, as librdkafka does. */
  commit(positions: readonly Position[]): ObservableInput<void> {
    const answer$ = new ReplaySubject<undefined>(1);
    this.#commits.push((error) => {
      if (error !== undefined) {
        answer$.error(error);
        return;
      }
      for (const { partition, offset } of positions) this.#brokers.committed.set(partition, offset);
      answer$.next(undefined);
      answer$.complete();
    });
    const { prompt, answers } = this.#settings;
    if (prompt === true) {
      this.#scheduler.schedule(() => {
        this.#answerCommits();
      });
    }
    return answers === 'by promises' ? lastValueFrom(answer$, { defaultValue: undefined }) : answer$;
  }

  committed(partitions: readonly TopicPartition[]): ObservableInput<readonly Position[]> {
    const found = partitions.map((partition) => ({ ...partition, offset: this.#brokers.committed.get(partition.partition) ?? -1 }));
    return this.#say(found.filter(({ offset }) => offset >= 0));
  }

  missing(): ObservableInput<readonly string[]> {
    return this.#say(this.#brokers.missing);
  }

  watermarks({ partition }: TopicPartition, { uncommitted } = { uncommitted: false }): ObservableInput<Watermarks> {
    const { low, high, stable } = this.#brokers.log(partition);
    return this.#say({ low, high: uncommitted ? high : Math.min(high, stable) });
  }

  lastKnownEnd({ partition }: TopicPartition): number {
    return this.#ends.get(partition) ?? -1;
  }

  offsetAt({ partition }: TopicPartition, timestamp: number): ObservableInput<number> {
    const { offsets, contents } = this.#brokers.log(partition);
    if (contents.size === 0) return throwError(() => new BrokerError('records of a fake have no time', { kafkaCode: -1 }));
    return this.#say(offsets.find((offset) => (contents.get(offset) ?? EMPTY).timestamp >= timestamp) ?? OFFSET_END);
  }

  close(): ObservableInput<void> {
    this.closed = true;
    this.#asked = undefined;
    this.owned.clear();
    this.#fetching.clear();
    return this.#say(undefined);
  }

  #say<T>(answer: T): ObservableInput<T> {
    return this.#settings.answers === 'by promises' ? Promise.resolve(answer) : [answer];
  }

  readonly #named = (partition: number): TopicPartition => ({ topic: this.#brokers.topic, partition });

  #ask(takes: boolean, partitions: readonly number[]): void {
    if (this.#asked !== undefined) throw new Error('the group asks one question at a time');
    for (const partition of partitions) {
      if (this.owned.has(partition) !== takes) throw new Error(`partition ${partition} is ${takes ? 'not ' : ''}this member's`);
    }
    this.#asked = { takes, partitions };
  }

  /** A late answer, as after `close()`, is none. */
  #answer(): { readonly takes: boolean } | undefined {
    const asked = this.#asked;
    if (asked !== undefined && this.refusesAnswer) {
      this.refusesAnswer = false;
      throw new Error('the client refused the answer');
    }
    this.#asked = undefined;
    if (asked !== undefined) this.#settings.onAnswered?.();
    return asked;
  }

  #fetch(partition: number, offset: number): void {
    this.#fetching.set(partition, { offset: offset === OFFSET_BEGINNING ? this.#brokers.log(partition).low : offset, stopped: false });
  }

  #read(max: number, waitMs: number, done: (error: ReadError | undefined, batch: Batch) => void): void {
    if (this.#reading) throw new Error('two reads at a time');
    this.#reading = true;
    this.reads.push(max);
    const finish = (met: Met | undefined, rows: readonly Row[], afterMs: number): Subscription =>
      this.#scheduler.schedule(() => {
        this.#reading = false;
        this.#wake = () => undefined;
        this.#endWait = () => undefined;
        this.#hasRows = false;
        this.#answerCommits();
        done(met?.error, this.#batchOf(rows));
        met?.then();
        const tell = this.#afterRead;
        this.#afterRead = () => undefined;
        if (!this.closed) tell();
      }, afterMs);
    const look = (): boolean => {
      const { met, rows } = this.#look(max);
      if (met === undefined && rows.length === 0) return false;
      this.#hasRows = rows.length > 0;
      finish(met, rows, this.#settings.readMs?.() ?? 1);
      return true;
    };
    if (look()) return;
    const wait = finish(undefined, [], waitMs);
    this.#wake = () => {
      if (!look()) return;
      this.#wake = () => undefined;
      this.#endWait = () => undefined;
      wait.unsubscribe();
    };
    this.#endWait = () => {
      this.#wake = () => undefined;
      this.#endWait = () => undefined;
      wait.unsubscribe();
      finish(undefined, [], 0);
    };
  }

  /** What a read finds. */
  #look(max: number): { readonly met: Met | undefined; readonly rows: readonly Row[] } {
    const rows: Row[] = [];
    const outOfRange = this.#met.length === 0 && this.#collect(rows, max);
    // What a batch read meets after records it keeps for itself.
    if (!outOfRange || rows.length > 0) return { met: this.#met.shift(), rows };
    return { met: { error: { code: AUTO_OFFSET_RESET, message: 'offset out of range' }, then: () => undefined }, rows };
  }

  /** Says whether a position was found to be outside of its log. */
  #collect(rows: Row[], max: number): boolean {
    let outOfRange = false;
    while (this.order.length > 0 && rows.length < max) {
      const [next] = this.order as [[number, number]];
      const got = this.#takeRows(next[0], Math.min(next[1], max - rows.length));
      rows.push(...got);
      next[1] -= got.length;
      if (got.length === 0 || next[1] === 0) this.order.shift();
    }
    const { chunk = Infinity } = this.#settings;
    for (let before = -1; before < rows.length && rows.length < max;) {
      before = rows.length;
      for (const [partition, fetching] of this.#fetching) {
        if (this.#checkRange(partition, fetching)) outOfRange = true;
        rows.push(...this.#takeRows(partition, Math.min(chunk, max - rows.length)));
      }
    }
    return outOfRange;
  }

  #checkRange(partition: number, fetching: Fetching): boolean {
    const { low, high } = this.#brokers.log(partition);
    if (fetching.stopped || this.paused.has(partition) || (fetching.offset >= low && fetching.offset <= high)) return false;
    fetching.stopped = true;
    return true;
  }

  #takeRows(partition: number, max: number): Row[] {
    const fetching = this.#fetching.get(partition);
    if (fetching === undefined || fetching.stopped || this.paused.has(partition)) return [];
    const log = this.#brokers.log(partition);
    const { offsets, high, stable } = log;
    const end = Math.min(high, stable);
    this.#ends.set(partition, high);
    const rows: Row[] = [];
    for (let at = firstFrom(offsets, fetching.offset); at < offsets.length && rows.length < max; at += 1) {
      const offset = offsets[at] as number;
      if (offset >= end) break;
      rows.push(rowAt(log, partition, offset));
      fetching.offset = offset + 1;
    }
    return rows;
  }

  #batchOf(rows: readonly Row[]): Batch {
    const { topic } = this.#brokers;
    const at = (row: number): Row => rows[row] as Row;
    return {
      length: rows.length,
      ends: [],
      topic: () => topic,
      partition: (row) => at(row).partition,
      offset: (row) => at(row).offset,
      bytes: (row) => at(row).bytes,
      record: (row, lane) => {
        const { partition, offset, contents } = at(row);
        return { topic, partition, offset, ...contents, [LANE]: lane };
      },
    };
  }

  #answerCommits(): void {
    const commits = this.#commits;
    this.#commits = [];
    for (const answer of commits)
      answer(this.refusesCommit ? new BrokerError('the group refused', { kafkaCode: REBALANCE_IN_PROGRESS }) : undefined);
    if (commits.length > 0) this.refusesCommit = false;
  }
}

/** The index of the first offset that is not below `from`. */
function firstFrom(offsets: readonly number[], from: number): number {
  let [low, high] = [0, offsets.length];
  while (low < high) {
    const middle = (low + high) >> 1;
    if ((offsets[middle] as number) < from) low = middle + 1;
    else high = middle;
  }
  return low;
}

function rowAt({ contents, bytes }: PartitionLog, partition: number, offset: number): Row {
  const found = contents.get(offset);
  return { partition, offset, bytes: found === undefined ? bytes : weightOf(found), contents: found ?? EMPTY };
}

function weightOf({ key, value, headers }: Contents): number {
  return headers.reduce((sum, [name, word]) => sum + name.length + (word?.length ?? 0), (key?.length ?? 0) + (value?.length ?? 0));
}
