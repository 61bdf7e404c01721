import type { Journal, Lane, Retry, TopicPartition } from '../position.js';
import type { Checkpoint, Fingerprint } from '../offsets/store.js';
import { Intervals } from './intervals.js';
import { OpenOffsets } from './openOffsets.js';
import { RetryTable } from './retryTable.js';

/** Who is told what happens in a lane. */
export interface LaneOwner extends Journal {
  /** Whether a `commit()` has been seen: without one nothing has to be remembered. */
  readonly committing: boolean;
  /** Whether records are finished in the order of their partition: one that is ahead of others stays open until they are finished. */
  readonly inOrder: boolean;
  /** Operators that finish records are on their way: as long as the returned function was not called, it is not true that all have gone. */
  expect(): () => void;
  /** Records of the lane are finished and are to be remembered. */
  finished(lane: PartitionLane, records: number, bytes: number): void;
  /** Records of the lane are finished and are not to be remembered. */
  released(lane: PartitionLane, records: number, bytes: number): void;
  /** A record of the lane has failed, which is to be remembered. */
  noted(lane: PartitionLane): void;
  /** A record of the lane is finished, or released, after the lane was fenced: that changes nothing. */
  late(lane: PartitionLane): void;
}

/** Where a lane starts. */
export interface LaneStart extends TopicPartition {
  readonly epoch: number;
  /** The first offset that is not known to be finished. */
  readonly frontier: number;
  /** Finished stretches beyond it: flat pairs `[from, to)`. */
  readonly runs: readonly number[];
  readonly metadata: string;
  /** Of one of the last records below the frontier. */
  readonly fingerprint?: Fingerprint;
  /** What an earlier epoch has left of records that are tried again. */
  readonly retries?: readonly Retry[];
  /** How many offsets may be open at once: a bound for memory, not a rule that the lane enforces. */
  readonly maxOpen: number;
}

/** What was seen again, and what was gone, over all epochs of a partition. */
export interface Tally {
  /** What is below was emitted before, by this lane's forerunners or, as far as it was finished, by whoever has left the checkpoint. */
  seen: number;
  repeats: number;
  misses: number;
}

/** How far apart samples are at least, and how many may wait for the frontier. */
const SAMPLE_EVERY = 256;
const MAX_SAMPLES = 32;

/**
 * One partition during one assignment: which of its records are open, finished, or released.
 *
 * Pure bookkeeping; whoever emits calls `skips` and `open`, operators call `finish` and `release`, and `checkpoint` says what to remember.
 */
export class PartitionLane implements Lane {
  readonly topic: string;
  readonly partition: number;
  readonly epoch: number;
  readonly journal: LaneOwner;
  metadata: string;
  /** Whether the journal has it on its list for the next write. */
  dirty = false;
  ticket = 0;
  durable = 0;
  /** What the store has of it, for good. */
  remembered: Pick<Checkpoint, 'frontier' | 'runs'>;
  tally: Tally;
  #emitting = true;
  #live = true;
  /** In order: from here on nothing will be finished, for this record was released. */
  #heldFrom = Infinity;
  readonly #open: OpenOffsets;
  readonly #released = new Intervals();
  /** What is finished, and open all the same, for it is ahead of others. */
  readonly #ahead = new Intervals();
  /** What an earlier epoch finished beyond the frontier, flat. */
  readonly #restored: readonly number[];
  #restoredAt = 0;
  /** Only if there are any: records that never fail are not to pay for it. */
  #retries: RetryTable | undefined;
  /** The fingerprint that an earlier epoch has left, until the log has shown what stands there. */
  expected: Fingerprint | undefined;
  #fingerprint: Fingerprint | undefined;
  /** Of records that may not be below the frontier yet, ascending. */
  readonly #samples: Fingerprint[] = [];
  /** From which offset on a record is to be among them. */
  #nextSample = 0;
  #whenIdle: (() => void)[] = [];

  constructor(start: LaneStart, journal: LaneOwner) {
    this.topic = start.topic;
    this.partition = start.partition;
    this.epoch = start.epoch;
    this.journal = journal;
    this.metadata = start.metadata;
    this.#restored = start.runs;
    this.remembered = { frontier: start.frontier, runs: start.runs };
    this.tally = { seen: start.runs.at(-1) ?? start.frontier, repeats: 0, misses: 0 };
    this.expected = start.fingerprint;
    this.#fingerprint = start.fingerprint;
    this.#planSample();
    if (start.retries !== undefined) this.#retries = new RetryTable(start.retries);
    this.#open = new OpenOffsets({ start: start.frontier, maxRing: 2 * start.maxOpen });
  }

  get whole(): this {
    return this;
  }

  beforeFinish(work: () => void): void {
    work();
  }

  bytesAt(offset: number): number {
    return this.#open.bytesAt(offset);
  }

  retryOf(offset: number, name: string): Retry | undefined {
    return this.#retries?.get(offset, name);
  }

  noteRetry(retry: Retry): void {
    if (!this.#live) return;
    this.#retries ??= new RetryTable();
    this.#retries.put(retry);
    this.journal.noted(this);
  }

  /** How many records are open. */
  get records(): number {
    return this.#open.records;
  }

  /** How many bytes the open records hold. */
  get bytes(): number {
    return this.#open.bytes;
  }

  /** The next offset that the lane has not seen. */
  get top(): number {
    return this.#open.top;
  }

  /** The lowest offset that is open, or `top` if none is. */
  get oldest(): number {
    return this.#open.first;
  }

  /** Whether records of this partition may still be emitted. */
  get emitting(): boolean {
    return this.#emitting;
  }

  /** Whether completions still count. */
  get live(): boolean {
    return this.#live;
  }

  /** Whether a record of this size may go out now, as far as the partition is concerned: here only the whole source has a bound. */
  // eslint-disable-next-line @typescript-eslint/no-unused-vars -- One that has a share of its own does.
  admits(_bytes: number): boolean {
    return true;
  }

  /** Whether nothing of the partition goes out before something of it comes back, whatever others do. */
  // eslint-disable-next-line @typescript-eslint/class-literal-property-style -- One that has a share of its own finds out.
  get starved(): boolean {
    return false;
  }

  /** Whether the offset need not be emitted: it was finished in an earlier epoch, or it has been seen already. */
  skips(offset: number): boolean {
    if (offset < this.#open.top) return true;
    const restored = this.#restored;
    while (this.#restoredAt < restored.length && (restored[this.#restoredAt + 1] as number) <= offset) this.#restoredAt += 2;
    if (this.#restoredAt >= restored.length || (restored[this.#restoredAt] as number) > offset) return false;
    if (offset > this.#open.top) this.tally.misses += this.#goneBefore(offset);
    this.#open.passTo(offset + 1);
    return true;
  }

  /** The record at `offset` is about to be emitted. Offsets come in ascending order. */
  open(offset: number, bytes: number): void {
    const { tally } = this;
    if (offset < tally.seen) tally.repeats += 1;
    if (offset > this.#open.top) tally.misses += this.#goneBefore(offset);
    this.#open.open(offset, bytes);
  }

  /** The records below `offset` that were not seen are gone. */
  passTo(offset: number): void {
    if (offset > this.#open.top) this.tally.misses += this.#goneBefore(offset);
    this.#open.passTo(offset);
  }

  /** Whether a record at this offset is to be remembered by its fingerprint: one now and then will do. */
  wantsSample(offset: number): boolean {
    return offset >= this.#nextSample;
  }

  sample(fingerprint: Fingerprint): void {
    this.#samples.push(fingerprint);
    this.#planSample();
  }

  finish(offset: number): boolean {
    if (!this.#live) {
      this.journal.late(this);
      return false;
    }
    if (this.journal.inOrder) return this.#finishInOrder(offset);
    const bytes = this.#open.close(offset);
    if (bytes < 0) return false;
    this.#retries?.remove(offset);
    this.journal.finished(this, 1, bytes);
    this.#checkIdle();
    return true;
  }

  finishThrough(offset: number): void {
    if (!this.#live) {
      this.journal.late(this);
      return;
    }
    const { records, bytes } = this.#open;
    this.#open.closeThrough(offset);
    const closed = records - this.#open.records;
    if (!this.#released.removeThrough(offset) && closed === 0) return;
    this.journal.finished(this, closed, bytes - this.#open.bytes);
    this.#checkIdle();
  }

  release(offset: number): void {
    if (!this.#live) {
      this.journal.late(this);
      return;
    }
    // It comes again, and so does all that is after it: what is in order cannot be remembered beyond it.
    if (this.journal.inOrder) {
      this.#heldFrom = Math.min(this.#heldFrom, offset);
      this.#checkIdle();
      return;
    }
    const bytes = this.#open.close(offset);
    if (bytes < 0) return;
    // Where no commit() stands, nothing needs to be told apart: one stretch grows, instead of one per record that a filter dropped between.
    const { end } = this.#released;
    const from = !this.journal.committing && Number.isFinite(end) ? Math.min(end, offset) : offset;
    this.#released.add(from, offset + 1);
    this.journal.released(this, 1, bytes);
    this.#checkIdle();
  }

  /** Emits nothing more; what is open may still be finished. */
  stop(): void {
    this.#emitting = false;
    this.tally.seen = Math.max(this.tally.seen, this.#open.top);
    this.#checkIdle();
  }

  /** Completions count no more. What was open stays open, in the next epoch it comes again. */
  fence(): void {
    this.#live = false;
    this.stop();
  }

  /** Calls back, once, when nothing is open or the lane is fenced; at once if that is so already. */
  whenIdle(callback: () => void): void {
    this.#whenIdle.push(callback);
    this.#checkIdle();
  }

  /** What to remember now: exactly the finished records. */
  checkpoint(): Checkpoint {
    let frontier: number | undefined;
    const runs: number[] = [];
    let from = -Infinity;
    const finished = (to: number): void => {
      if (frontier === undefined) frontier = to;
      else if (to > from) runs.push(from, to);
    };
    const released = this.#released.flat;
    let at = 0;
    const passReleased = (before: number): void => {
      for (; at < released.length && (released[at] as number) < before; at += 2) {
        finished(released[at] as number);
        from = released[at + 1] as number;
      }
    };
    this.#open.forEach((offset) => {
      passReleased(offset);
      finished(offset);
      from = Math.max(from, offset + 1);
    });
    passReleased(Infinity);
    // Beyond what this epoch has seen, what earlier ones finished still counts.
    let to = this.#open.top;
    for (let i = this.#restoredAt; i < this.#restored.length; i += 2) {
      const runFrom = this.#restored[i] as number;
      const runTo = this.#restored[i + 1] as number;
      if (runTo <= to) continue;
      if (runFrom > to) {
        finished(to);
        from = runFrom;
      }
      to = runTo;
    }
    finished(to);
    const { topic, partition, epoch, metadata } = this;
    const fingerprint = this.#fingerprintBelow(frontier ?? to);
    const retries = this.#retriesFrom(frontier ?? to);
    return {
      topic,
      partition,
      epoch,
      frontier: frontier ?? to,
      runs,
      metadata,
      ...(fingerprint === undefined ? {} : { fingerprint }),
      ...(retries === undefined ? {} : { retries }),
    };
  }

  #retriesFrom(frontier: number): readonly Retry[] | undefined {
    // Those of records that were finished together, or are gone from the log.
    this.#retries?.removeBelow(frontier);
    if (this.#retries?.isEmpty === true) this.#retries = undefined;
    return this.#retries?.all();
  }

  /** How many offsets between the top and `offset` hold no record any more: what an earlier epoch has finished there was one. */
  #goneBefore(offset: number): number {
    const { top } = this.#open;
    // Nothing of it was ever seen: it begins where the log does.
    if (top === 0) return 0;
    let gone = offset - top;
    const restored = this.#restored;
    // Those that are passed have ended before `offset`, the one after them may reach up to it.
    for (let i = Math.min(this.#restoredAt, restored.length - 2); i >= 0 && (restored[i + 1] as number) > top; i -= 2) {
      gone -= Math.max(0, Math.min(offset, restored[i + 1] as number) - Math.max(top, restored[i] as number));
    }
    return gone;
  }

  #finishInOrder(offset: number): boolean {
    if (!this.#open.has(offset) || this.#ahead.has(offset)) return false;
    this.#ahead.add(offset, offset + 1);
    let records = 0;
    let bytes = 0;
    for (let first = this.#open.first; this.#ahead.has(first); first = this.#open.first) {
      bytes += this.#open.close(first);
      this.#retries?.remove(first);
      records += 1;
    }
    if (records === 0) return true;
    this.#ahead.removeThrough(this.#open.first - 1);
    this.journal.finished(this, records, bytes);
    this.#checkIdle();
    return true;
  }

  #fingerprintBelow(frontier: number): Fingerprint | undefined {
    const below = this.#samples.findLastIndex(({ offset }) => offset < frontier);
    if (below >= 0) {
      this.#fingerprint = this.#samples.splice(0, below + 1).at(-1);
      this.#planSample();
    }
    return this.#fingerprint;
  }

  #planSample(): void {
    const last = this.#samples.at(-1) ?? this.#fingerprint;
    if (this.#samples.length >= MAX_SAMPLES) this.#nextSample = Infinity;
    else this.#nextSample = last === undefined ? 0 : last.offset + SAMPLE_EVERY;
  }

  /** Logs show the name of the lane, not its insides, when a record is printed. */
  [Symbol.for('nodejs.util.inspect.custom')](): string {
    return `Lane(${this.topic}/${this.partition}, epoch ${this.epoch})`;
  }

  get #isIdle(): boolean {
    return this.#open.records === 0 || (!this.#emitting && this.#open.first >= this.#heldFrom);
  }

  #checkIdle(): void {
    if (this.#whenIdle.length === 0 || (this.#live && !this.#isIdle)) return;
    const callbacks = this.#whenIdle;
    this.#whenIdle = [];
    for (const callback of callbacks) callback();
  }
}
