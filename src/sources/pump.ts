import type { SchedulerLike, Subscription } from 'rxjs';
import { asyncScheduler } from 'rxjs';
import { HOLD_MS } from '../eventLoop.js';
import type { Backlog, BacklogOptions } from './backlog.js';
import { SharedBacklog } from './backlog.js';
import type { EmitterOptions } from './emitter.js';
import { Emitter } from './emitter.js';
import type { PartitionLane } from './lane.js';
import type { Batch, ReadError, Reader } from './reader.js';

/** What a pump moves records between. */
export interface PumpOptions extends EmitterOptions, Omit<BacklogOptions, keyof EmitterOptions | 'emitter' | 'pokeSoon'> {
  readonly reader: Reader;
  readonly onError: (error: ReadError) => void;
  readonly stallAfterMs: number;
  /** Whether an answer is awaited that only a poll brings. */
  readonly awaitsAnswer: () => boolean;
  /** Who may emit what was read. Default: all partitions share one budget. */
  readonly backlog?: (options: BacklogOptions) => Backlog;
  readonly scheduler?: SchedulerLike;
}

/** How many are read at a time at first, and for whoever still works on them when they were emitted: more would only be kept in memory. */
const FIRST_RECORDS = 1_000;
/** Reads do not grow beyond this share of the records that may be open: others are to be on their way meanwhile. */
const LARGEST_SHARE = 1 / 4;
/** So many rows say how large records are. */
const WEIGHED = 16;
/** How long a read waits for the first record. It holds a thread of the pool that long, and a rebalance waits for it. */
const WAIT_MS = 100;
/** How often to poll while out of credit: it keeps the membership, and lets rebalances through. */
const SIP_MS = 250;
/** How often, while an answer is awaited, and for how many sips: each brings a record that has to be held. */
const AWAITING_SIP_MS = 5;
const MAX_AWAITING_SIPS = 16;
/** So few that did not fill a read are emitted before the next one is asked for: to wake its thread takes longer, and nothing more was there. */
const FEW_RECORDS = 16;
/** How long to let credits gather before reading for a few. */
const GATHER_MS = 1;
/** How long others have the event loop. */
const YIELD_MS = 1;
/** After so many sips since the last record went out of the backlog, fetching is paused: a drought of a quarter of a minute, or a slow trickle. */
const MAX_SIPPED = 64;

/**
 * Reads as many records as there are free credits, and emits them.
 *
 * Out of credit it sips: it polls for one record now and then, which keeps the group membership and costs none of the prefetched records, as
 * `pause()` would. Never more than one read is in flight, so each partition stays in order.
 */
export class Pump {
  readonly #options: PumpOptions;
  readonly #scheduler: SchedulerLike;
  readonly #emitter: Emitter;
  /** Records that were read but found no credit. */
  readonly #backlog: Backlog;
  #sipped = 0;
  /** For how long nothing has come back, and how much had by then. */
  #dryMs = 0;
  #given = 0;
  #reading = false;
  /** Whether rows of a batch are left for a later turn of the event loop, and what is to be done with a read that came back meanwhile. */
  #taking = false;
  #come: (() => void) | undefined;
  #started = false;
  #draining = false;
  #stopped = false;
  #gathered = false;
  /** How many are read at a time at most. */
  #atATime = FIRST_RECORDS;
  /** What a record of the last batch weighed, on average; 0 before there was one. */
  #recordBytes = 0;
  /** The next sip, and the end of the gathering. */
  #sip: Subscription | undefined;
  #gather: Subscription | undefined;
  #afterRead: (() => void)[] = [];

  constructor(options: PumpOptions) {
    this.#options = options;
    this.#scheduler = options.scheduler ?? asyncScheduler;
    this.#emitter = new Emitter(options, this.#scheduler);
    const { backlog = (all: BacklogOptions): Backlog => new SharedBacklog(all) } = options;
    this.#backlog = backlog({
      ...options,
      emitter: this.#emitter,
      pokeSoon: () => {
        this.pokeSoon();
      },
    });
  }

  start(): void {
    this.#started = true;
    this.poke();
  }

  /** These were assigned. */
  opened(lanes: readonly PartitionLane[]): void {
    this.#backlog.opened(lanes);
  }

  /** What was read and waits for credit. */
  get bufferedBytes(): number {
    return this.#backlog.heldBytes;
  }

  /** Whether nothing is fetched. */
  get paused(): boolean {
    return this.#backlog.paused;
  }

  /** Whether records that were read wait for a later turn of the event loop. */
  get taking(): boolean {
    return this.#taking;
  }

  /** Goes on, if it can: credits have come back. */
  poke(): void {
    if (this.#emitter.emitting) return;
    this.#callBack();
    if (!this.#started || this.#stopped) return;
    if (this.#backlog.flush()) this.#sipped = 0;
    this.#options.checkpointer.kept();
    this.#callBack();
    if (this.#busy) return;
    const free = this.#draining ? 0 : this.#backlog.room;
    if (free <= 0) this.#sipLater();
    else if (free >= this.#enough || this.#gathered) this.#read(this.#batchSize(free), WAIT_MS);
    else this.#gatherLater();
  }

  /** Goes on before long: a record that is being finished must not make the source emit inside whatever finishes it. */
  pokeSoon(): void {
    if (this.#started && !this.#emitter.emitting && !this.#stopped) this.#gatherLater();
  }

  /** Calls back when the read in flight has been dealt with, and what it brought was emitted or put aside; at once if there is none. */
  afterRead(callback: () => void): void {
    this.#afterRead.push(callback);
    if (this.#reading) this.#options.reader.wake?.();
    this.#callBack();
  }

  /** Whether a read is in flight, or has not been dealt with. */
  get #busy(): boolean {
    return this.#reading || this.#taking;
  }

  #callBack(): void {
    while (!this.#busy && !this.#emitter.emitting) {
      const callback = this.#afterRead.shift();
      if (callback === undefined) return;
      callback();
    }
  }

  /** Emits no more, and only sips: for a source that has ended but still owns its partitions until the work in flight is done. */
  drain(): void {
    this.#draining = true;
    this.#backlog.close();
    this.poke();
  }

  /** Reads no more. A read in flight still comes back, to nobody. */
  stop(): void {
    this.#stopped = true;
    this.#backlog.close();
    this.#cancelTimers();
  }

  /** A sip that is due stays due: credits that trickle in must not put it off for ever. */
  #sipLater(): void {
    if (this.#sip !== undefined) return;
    const ms = this.#options.awaitsAnswer() && this.#sipped < MAX_AWAITING_SIPS ? AWAITING_SIP_MS : SIP_MS;
    this.#sip = this.#scheduler.schedule(() => {
      this.#checkStall(ms);
      if (this.#stopped || this.#busy) return;
      this.#sipped += 1;
      if (this.#sipped >= MAX_SIPPED) this.#backlog.drought();
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
    return Math.min(FIRST_RECORDS / 2, Math.ceil(this.#options.demand.maxRecords / 2));
  }

  #batchSize(free: number): number {
    const byBytes = this.#recordBytes === 0 ? FIRST_RECORDS : Math.ceil(this.#backlog.batchBytes / this.#recordBytes);
    const most = Math.max(FIRST_RECORDS, Math.floor(this.#backlog.credits * LARGEST_SHARE));
    return Math.max(1, Math.min(this.#atATime, most, free, byBytes));
  }

  #read(max: number, waitMs: number): void {
    this.#cancelTimers();
    this.#gathered = false;
    this.#reading = true;
    this.#options.reader.read(max, waitMs, (error, batch) => {
      const come = (): void => {
        this.#came(error, batch);
      };
      if (this.#taking) this.#come = come;
      else come();
    });
  }

  #came(error: ReadError | undefined, batch: Batch): void {
    // Whoever waits for this read must not get the next one's records as well.
    const goesOn = error === undefined && this.#afterRead.length === 0;
    if (goesOn) {
      this.#reading = false;
      if (!this.#stopped) this.#readAhead(batch.length);
    }
    const dealtWith = (): void => {
      this.#reading = false;
      this.poke();
    };
    this.#take(batch, () => {
      // First what came before the error: if that ends the stream, the next one does not have to meet it without having got any further.
      if (error !== undefined && !this.#stopped) this.#options.onError(error);
      if (goesOn) this.poke();
      // What the group has asked meanwhile may be told a turn of the event loop after the read.
      else if (this.#afterRead.length > 0) this.#scheduler.schedule(dealtWith);
      else dealtWith();
    });
  }

  /** Lets the client gather the next batch while this one is emitted, if there is credit for both, and it is known how large records are. */
  #readAhead(records: number): void {
    const free = this.#backlog.room - records;
    if (records < Math.min(FEW_RECORDS, this.#batchSize(Infinity) / 2) || this.#recordBytes === 0 || this.#draining || free < this.#enough)
      return;
    this.#read(this.#batchSize(free), WAIT_MS);
  }

  /** Work that takes long leaves the event loop to others now and then. The read has not been dealt with before all of it was taken. */
  #take(batch: Batch, then: () => void): void {
    if ((batch.length === 0 && batch.ends.length === 0) || this.#isOver) {
      then();
      return;
    }
    this.#weigh(batch);
    const { demand } = this.#options;
    const before = demand.finished;
    let [row, tookMs] = [0, 0];
    const takeSome = (): void => {
      const began = this.#scheduler.now();
      row = this.#isOver ? batch.length : this.#backlog.take(batch, row);
      tookMs += this.#scheduler.now() - began;
      this.#taking = row < batch.length;
      if (this.#taking) {
        this.#scheduler.schedule(takeSome, YIELD_MS);
        return;
      }
      this.#adapt(batch.length, tookMs, demand.finished - before);
      then();
      const come = this.#come;
      this.#come = undefined;
      come?.();
    };
    takeSome();
  }

  get #isOver(): boolean {
    return this.#stopped || this.#draining;
  }

  /** Whoever takes long over the records of a batch gets fewer at a time; whoever is quick, and has finished most of them, gets more. */
  #adapt(records: number, tookMs: number, finished: number): void {
    if (tookMs > HOLD_MS) this.#atATime = Math.max(1, Math.floor((records * HOLD_MS) / tookMs));
    else if (2 * tookMs <= HOLD_MS && records >= this.#atATime) this.#atATime *= 2;
    this.#atATime = Math.min(this.#atATime, 2 * finished < records ? FIRST_RECORDS : this.#options.reader.mostRecords);
  }

  /** A few rows of it will do. */
  #weigh(batch: Batch): void {
    if (batch.length === 0) return;
    const step = Math.ceil(batch.length / WEIGHED);
    let [bytes, rows] = [0, 0];
    for (let row = 0; row < batch.length; row += step) {
      bytes += batch.bytes(row);
      rows += 1;
    }
    this.#recordBytes = Math.max(1, bytes / rows);
  }
}
