import type { SchedulerLike, Subscription } from 'rxjs';
import { asyncScheduler } from 'rxjs';
import type { Fingerprint } from '../offsets/store.js';
import type { Position } from '../position.js';
import type { KafkaRecord } from '../record.js';
import type { Checkpointer } from './checkpointer.js';
import type { Demand } from './demand.js';
import { fingerprintOf, isSame } from './fingerprint.js';
import type { PartitionLane } from './lane.js';
import type { Batch, ReadError, Reader } from './reader.js';
import { BATCH_BYTES } from './reader.js';

/** What a pump moves records between. */
export interface PumpOptions {
  readonly reader: Reader;
  readonly demand: Demand;
  readonly checkpointer: Checkpointer;
  readonly laneOf: (topic: string, partition: number) => PartitionLane | undefined;
  readonly emit: (record: KafkaRecord) => void;
  readonly onError: (error: ReadError) => void;
  /** The end of a partition's log was met, and what comes before it was emitted. */
  readonly onEnd?: (end: Position) => void;
  /** Out of credit, and nothing has come back for `stallAfterMs`. */
  readonly onStall: () => void;
  readonly stallAfterMs: number;
  /** Whether an answer is awaited that only a poll brings. */
  readonly awaitsAnswer: () => boolean;
  /** The log of a partition is not the one that its position was remembered of: nothing of it was emitted. */
  readonly onStranger: (lane: PartitionLane) => void;
  /** Throws the prefetched records away and fetches no more: for long droughts only. */
  readonly pause: () => void;
  readonly resume: () => void;
  readonly scheduler?: SchedulerLike;
}

/** A larger batch gains nothing and holds the event loop longer. */
const BATCH_RECORDS = 1_000;
/** How long a read waits for the first record. It holds a thread of the pool that long, and a rebalance waits for it. */
const WAIT_MS = 100;
/** How often to poll while out of credit: it keeps the membership, and lets rebalances through. */
const SIP_MS = 250;
/** How often, while an answer is awaited, and for how many sips: each brings a record that has to be held. */
const AWAITING_SIP_MS = 5;
const MAX_AWAITING_SIPS = 16;
/** How long to let credits gather before reading for a few. */
const GATHER_MS = 1;
/** After so many sips since the last record went out of the backlog, fetching is paused: a drought of a quarter of a minute, or a slow trickle. */
const MAX_SIPPED = 64;

/** A batch, from a row on, with the lanes of its rows as they were when it was read. */
interface Held {
  readonly batch: Batch;
  row: number;
  readonly lanes: readonly (PartitionLane | undefined)[];
}

/**
 * Reads as many records as there are free credits, and emits them.
 *
 * Out of credit it sips: it polls for one record now and then, which keeps the group membership and costs none of the prefetched records, as
 * `pause()` would. Never more than one read is in flight, so each partition stays in order.
 */
export class Pump {
  readonly #options: PumpOptions;
  readonly #scheduler: SchedulerLike;
  /** Records that were read but found no credit. */
  #backlog: Held[] = [];
  #sipped = 0;
  /** For how long nothing has come back, and how much had by then. */
  #dryMs = 0;
  #given = 0;
  #paused = false;
  #reading = false;
  #emitting = false;
  #started = false;
  #draining = false;
  #stopped = false;
  #gathered = false;
  #recordBytes = 0;
  /** The next sip, and the end of the gathering. */
  #sip: Subscription | undefined;
  #gather: Subscription | undefined;
  #afterRead: (() => void)[] = [];

  constructor(options: PumpOptions) {
    this.#options = options;
    this.#scheduler = options.scheduler ?? asyncScheduler;
  }

  start(): void {
    this.#started = true;
    this.poke();
  }

  /** Whether fetching is paused. */
  get paused(): boolean {
    return this.#paused;
  }

  /** Goes on, if it can: credits have come back. */
  poke(): void {
    if (!this.#started || this.#emitting || this.#stopped) return;
    this.#emitBacklog();
    const { demand, checkpointer } = this.#options;
    checkpointer.kept();
    if (this.#reading) return;
    const free = this.#draining || this.#backlog.length > 0 ? 0 : demand.free;
    if (free <= 0) this.#sipLater();
    else if (free >= this.#enough || this.#gathered) this.#read(this.#batchSize(free), WAIT_MS);
    else this.#gatherLater();
  }

  /** Goes on before long: a record that is being finished must not make the source emit inside whatever finishes it. */
  pokeSoon(): void {
    if (this.#started && !this.#emitting && !this.#stopped) this.#gatherLater();
  }

  /** Calls back when the read in flight has been dealt with; at once if there is none. */
  afterRead(callback: () => void): void {
    if (this.#reading) this.#afterRead.push(callback);
    else callback();
  }

  /** Emits no more, and only sips: for a source that has ended but still owns its partitions until the work in flight is done. */
  drain(): void {
    this.#draining = true;
    this.#backlog = [];
    this.poke();
  }

  /** Reads no more. A read in flight still comes back, to nobody. */
  stop(): void {
    this.#stopped = true;
    this.#backlog = [];
    this.#cancelTimers();
  }

  /** A sip that is due stays due: credits that trickle in must not put it off for ever. */
  #sipLater(): void {
    if (this.#sip !== undefined) return;
    const ms = this.#options.awaitsAnswer() && this.#sipped < MAX_AWAITING_SIPS ? AWAITING_SIP_MS : SIP_MS;
    this.#sip = this.#scheduler.schedule(() => {
      this.#checkStall(ms);
      if (this.#stopped || this.#reading) return;
      this.#sipped += 1;
      this.#pauseIfLong();
      this.#read(1, 0);
    }, ms);
  }

  /** Adds up how long was waited, for a clock may be set meanwhile. */
  #checkStall(waitedMs: number): void {
    const { demand, checkpointer, stallAfterMs, onStall } = this.#options;
    // What is finished waits for its write, and a write that fails says so itself.
    const dry = this.#given === demand.given && demand.open > 0;
    this.#dryMs = dry && !checkpointer.shut ? this.#dryMs + waitedMs : 0;
    this.#given = demand.given;
    if (dry) checkpointer.letGo();
    if (this.#dryMs >= stallAfterMs && !this.#draining) onStall();
  }

  #gatherLater(): void {
    this.#gather ??= this.#scheduler.schedule(() => {
      this.#gather = undefined;
      this.#gathered = true;
      this.poke();
    }, GATHER_MS);
  }

  #cancelTimers(): void {
    this.#sip?.unsubscribe();
    this.#gather?.unsubscribe();
    this.#sip = undefined;
    this.#gather = undefined;
  }

  /** So many credits are worth a read of their own. */
  get #enough(): number {
    return Math.min(BATCH_RECORDS / 2, Math.ceil(this.#options.demand.maxRecords / 2));
  }

  #batchSize(free: number): number {
    const byBytes = this.#recordBytes === 0 ? BATCH_RECORDS : Math.ceil(BATCH_BYTES / this.#recordBytes);
    return Math.max(1, Math.min(BATCH_RECORDS, free, byBytes));
  }

  #read(max: number, waitMs: number): void {
    this.#cancelTimers();
    this.#gathered = false;
    this.#reading = true;
    this.#options.reader.read(max, waitMs, (error, batch) => {
      if (error !== undefined) this.#takeFailed(error, batch);
      this.#reading = false;
      const waiting = this.#afterRead;
      this.#afterRead = [];
      if (error === undefined && !this.#stopped) {
        // Whoever waits for this read must not get the next one's records as well.
        if (waiting.length === 0) this.#readAhead(batch.length);
        this.#take(batch);
      }
      for (const callback of waiting) callback();
      this.poke();
    });
  }

  /** Before the read counts as done: what comes back here must not start the next one at once. */
  #takeFailed(error: ReadError, batch: Batch): void {
    // First what came before the error: if that ends the stream, the next one does not have to meet it without having got any further.
    if (!this.#stopped) this.#take(batch);
    if (!this.#stopped) this.#options.onError(error);
  }

  /** Lets the client gather the next batch while this one is emitted, if there is credit for both, and it is known how large records are. */
  #readAhead(records: number): void {
    const free = this.#options.demand.free - records;
    if (records === 0 || this.#recordBytes === 0 || this.#draining || this.#backlog.length > 0 || free < this.#enough) return;
    this.#read(this.#batchSize(free), WAIT_MS);
  }

  #take(batch: Batch): void {
    if ((batch.length === 0 && batch.ends.length === 0) || this.#draining) return;
    const behind = this.#backlog.length > 0;
    const row = behind ? 0 : this.#emit(batch, 0);
    if (behind || row < batch.length) this.#hold(batch, row);
    else this.#tellEnds(batch);
  }

  #tellEnds({ ends }: Batch): void {
    const { onEnd } = this.#options;
    if (onEnd !== undefined) for (const end of ends) onEnd(end);
  }

  /** Keeps what found no credit, with the lanes that it was read for: a partition may be taken away and come back meanwhile, from its beginning. */
  #hold(batch: Batch, row: number): void {
    const lanes = Array.from({ length: batch.length }, (_, i) => this.#options.laneOf(batch.topic(i), batch.partition(i)));
    this.#backlog.push({ batch, row, lanes });
  }

  #emitBacklog(): void {
    for (let first = this.#backlog[0]; first !== undefined; first = this.#backlog[0]) {
      first.row = this.#emit(first.batch, first.row, first.lanes);
      if (first.row < first.batch.length) return;
      this.#backlog.shift();
      this.#tellEnds(first.batch);
    }
    this.#sipped = 0;
    if (!this.#paused) return;
    this.#paused = false;
    this.#options.resume();
  }

  #pauseIfLong(): void {
    if (this.#paused || this.#sipped < MAX_SIPPED) return;
    this.#paused = true;
    this.#options.pause();
  }

  /** Whether the log still holds what it held when the lane's position was remembered; asked once, at its first record. */
  #recognizes(lane: PartitionLane, expected: Fingerprint, batch: Batch, row: number): boolean {
    lane.expected = undefined;
    // What was deleted or compacted away cannot be compared.
    if (batch.offset(row) !== expected.offset || isSame(fingerprintOf(batch.record(row, lane)), expected)) return true;
    lane.stop();
    this.#options.onStranger(lane);
    return false;
  }

  /** Emits from `row` on while there is credit; answers the row at which it stopped. */
  #emit(batch: Batch, from: number, lanes?: readonly (PartitionLane | undefined)[]): number {
    const { demand, checkpointer, laneOf, emit } = this.#options;
    let row = from;
    let records = 0;
    let bytes = 0;
    this.#emitting = true;
    checkpointer.hold();
    for (; row < batch.length; row += 1) {
      // A revoke or an unsubscribe may happen inside any `emit`: ask the lane every time.
      const lane = lanes === undefined ? laneOf(batch.topic(row), batch.partition(row)) : lanes[row];
      if (!lane?.emitting) continue;
      const offset = batch.offset(row);
      if (lane.expected !== undefined && !this.#recognizes(lane, lane.expected, batch, row)) continue;
      if (lane.skips(offset)) continue;
      const size = batch.bytes(row);
      if (!demand.admits(size)) break;
      lane.open(offset, size);
      demand.take(size);
      bytes += size;
      records += 1;
      const record = batch.record(row, lane);
      if (lane.wantsSample(offset)) lane.sample(fingerprintOf(record));
      emit(record);
    }
    if (records > 0) this.#recordBytes = Math.max(1, bytes / records);
    // Last: a store that answers at once gives credits back here, and they must not start another emission inside this one.
    checkpointer.resume();
    this.#emitting = false;
    return row;
  }
}
