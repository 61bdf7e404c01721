import type { Observable, ObservableInput, SchedulerLike, Subscription } from 'rxjs';
import { BehaviorSubject, EMPTY, asyncScheduler, catchError, defer, ignoreElements, takeWhile, tap } from 'rxjs';
import { Latencies } from '../latency.js';
import type { ApplyWrite, Checkpoint } from '../offsets/store.js';
import { timerMs } from '../options.js';
import type { GroupTransaction, Keeper, Lane, Pace, Positioned } from '../position.js';
import { LANE } from '../position.js';
import type { ApplyState } from '../state.js';
import type { Demand } from './demand.js';
import type { LaneOwner } from './lane.js';
import { PartitionLane } from './lane.js';
import { Staged } from './staged.js';

/** What a checkpointer needs. */
export interface CheckpointerOptions {
  readonly demand: Demand;
  /** Remembers checkpoints; emits those that were refused because a newer epoch exists. */
  readonly write: (checkpoints: readonly Checkpoint[], apply: ApplyWrite | undefined) => ObservableInput<readonly Checkpoint[]>;
  /** From now on the store commits through this, if it can. */
  readonly commitThrough: (transaction: GroupTransaction) => void;
  /** A write failed: what it was to remember may or may not be on disk. Nothing is written after it. */
  readonly onFailure: (error: unknown) => void;
  /** These lanes were taken over by a newer epoch. */
  readonly onRefused: (lanes: readonly PartitionLane[]) => void;
  /** A record was finished after its partition was given up. */
  readonly onLate: (lane: PartitionLane) => void;
  /** Every operator that finishes records has gone. */
  readonly onAbandoned: () => void;
  /** Runs the clock of `everyMs`. */
  readonly scheduler?: SchedulerLike;
}

/**
 * A write costs the same whether it remembers one record or thousands, and more the more runs it holds. So after one of many, the next waits
 * for others to join, in proportion to what it costs, unless as many as may be open are ready before.
 */
const MANY_RECORDS = 256;
const REST_MS = 10;
/** Where values wait for the disk. */
const AWAITED_REST_MS = 4;
/** To make, pack and put a million runs takes some 150 ms: most of the time is left for records. */
const REST_MS_PER_RUN = 0.0005;

/**
 * Turns finished records into checkpoints: one write in flight, and everything that is ready goes into the next one.
 *
 * The source is told when a write is durable: what a crash would repeat stays within its bounds however slow the disk is.
 */
export class Checkpointer implements LaneOwner {
  readonly #options: CheckpointerOptions;
  readonly #scheduler: SchedulerLike;
  readonly #durable$ = new BehaviorSubject(0);
  /** The lanes with something new to write. */
  #dirty: PartitionLane[] = [];
  /** How long writes take. */
  readonly latencies = new Latencies();
  #commits = 0;
  readonly #keepers = new Set<Keeper>();
  #staged = new Staged();
  #ticket = 0;
  #records = 0;
  #bytes = 0;
  #holds = 0;
  #urgent = false;
  #writing = false;
  #failed = false;
  #attached = 0;
  /** How many of them have values that wait for the disk. */
  #awaited = 0;
  #expected = 0;
  #everAttached = false;
  #committing = false;
  #inOrder = false;
  #pace: Pace = { everyMs: 0, everyRecords: Infinity };
  #timer: Subscription | undefined;
  /** For how long the next write is to wait after the last one, and until when that is. */
  #restMs = 0;
  #restsUntil = 0;

  constructor(options: CheckpointerOptions) {
    this.#options = options;
    this.#scheduler = options.scheduler ?? asyncScheduler;
  }

  get ticket(): number {
    return this.#ticket;
  }

  get durable$(): Observable<number> {
    return this.#durable$.asObservable();
  }

  get committing(): boolean {
    return this.#committing;
  }

  /** How many writes are durable. */
  get commits(): number {
    return this.#commits;
  }

  get inOrder(): boolean {
    return this.#inOrder;
  }

  commitThrough(transaction: GroupTransaction): void {
    this.#options.commitThrough(transaction);
    this.#inOrder = true;
  }

  /** Whether operators that finish records are there: `'none'` before the first record has reached one, `'gone'` when all have left. */
  get operators(): 'none' | 'there' | 'gone' {
    if (this.#attached > 0) return 'there';
    return this.#everAttached && this.#expected === 0 ? 'gone' : 'none';
  }

  expect(): () => void {
    this.#expected += 1;
    return this.#once(() => {
      this.#expected -= 1;
    });
  }

  attach(operator: 'commit' | 'durable' | 'release', pace?: Pace): () => void {
    this.#attached += 1;
    this.#everAttached = true;
    if (operator !== 'release') this.#committing = true;
    if (operator === 'durable') this.#awaited += 1;
    if (pace !== undefined) this.#pace = pace;
    return this.#once(() => {
      this.#attached -= 1;
      if (operator === 'durable') this.#awaited -= 1;
    });
  }

  /** Says that one has gone. */
  #once(leave: () => void): () => void {
    let here = true;
    return () => {
      if (!here) return;
      here = false;
      leave();
      if (this.operators === 'gone') this.#options.onAbandoned();
    };
  }

  addKeeper(keeper: Keeper): () => void {
    this.#keepers.add(keeper);
    return () => {
      this.#keepers.delete(keeper);
    };
  }

  kept(lane?: Lane): void {
    const { demand } = this.#options;
    if (demand.starved) {
      if (this.#keptOf(this.#keepers) >= demand.records) this.letGo();
    } else if (lane?.whole instanceof PartitionLane && lane.whole.starved) {
      const keepers = [...this.#keepers].filter((keeper) => keeper.lane === lane.whole);
      if (this.#keptOf(keepers) >= lane.whole.records) for (const keeper of keepers) keeper.letGo();
    }
  }

  #keptOf(keepers: Iterable<Keeper>): number {
    let kept = 0;
    for (const { records } of keepers) kept += records;
    return kept;
  }

  /** Asks every operator that keeps records back to let them go. */
  letGo(): void {
    for (const keeper of this.#keepers) keeper.letGo();
  }

  /** Whether an operator keeps records on somebody's word. */
  get shut(): boolean {
    for (const { shut } of this.#keepers) if (shut) return true;
    return false;
  }

  finished(lane: PartitionLane, records: number, bytes: number): void {
    this.#records += records;
    this.#bytes += bytes;
    this.#changed(lane, records);
    this.#options.demand.finish(records, bytes);
    this.#scheduleIfIdle();
  }

  noted(lane: PartitionLane): void {
    this.#changed(lane, 1);
    this.#scheduleIfIdle();
  }

  released(_lane: PartitionLane, records: number, bytes: number): void {
    this.#options.demand.give(records, bytes);
  }

  late(lane: PartitionLane): void {
    this.#options.onLate(lane);
  }

  stage<T extends Positioned | readonly Positioned[]>(value: T, apply: ApplyState<T>): void {
    this.#staged.add(value, apply);
    // Also what was finished before, and is not to be written anew: its lane has to be in the transaction.
    for (const { [LANE]: lane } of Array.isArray(value) ? (value as readonly Positioned[]) : [value as Positioned]) {
      if (lane.whole instanceof PartitionLane) this.#markDirty(lane.whole);
    }
  }

  hold(): void {
    this.#holds += 1;
  }

  resume(): void {
    this.#holds -= 1;
    if (this.#holds > 0) return;
    if (this.#urgent) this.#hurry();
    else this.#scheduleIfIdle();
  }

  flush(): Observable<never> {
    return defer(() => {
      const ticket = this.#ticket;
      return this.#durable$.pipe(
        tap(() => {
          this.#hurry();
        }),
        takeWhile((durable) => durable < ticket),
        ignoreElements(),
        catchError(() => EMPTY),
      );
    });
  }

  /** Whatever the pace; but what is finished together is written together, also if the first of it is what a flush has waited for. */
  #hurry(): void {
    this.#urgent = this.#holds > 0;
    if (!this.#urgent) this.#writeAll();
  }

  #changed(lane: PartitionLane, tickets: number): void {
    this.#ticket += tickets;
    lane.ticket = this.#ticket;
    this.#markDirty(lane);
  }

  #scheduleIfIdle(): void {
    if (this.#holds === 0 && !this.#writing && this.#dirty.length > 0) this.#schedule();
  }

  #markDirty(lane: PartitionLane): void {
    if (lane.dirty) return;
    lane.dirty = true;
    this.#dirty.push(lane);
  }

  #schedule(): void {
    const { everyMs, everyRecords } = this.#pace;
    const { demand } = this.#options;
    const enough = everyMs > 0 ? everyRecords : demand.maxRecords;
    // Out of credit, waiting longer would stop the source.
    if (this.#records >= enough || demand.starved) {
      this.#writeAll();
      return;
    }
    if (this.#timer !== undefined) return;
    const waitMs = everyMs > 0 ? everyMs : this.#restLeftMs();
    if (waitMs === 0) this.#writeAll();
    else
      this.#timer = this.#scheduler.schedule(() => {
        this.#timer = undefined;
        this.#writeAll();
      }, timerMs(waitMs));
  }

  #restLeftMs(): number {
    if (this.#restMs === 0) return 0;
    // A clock may be set meanwhile.
    const left = Math.min(this.#restMs, this.#restsUntil - this.#scheduler.now());
    if (left > 0) return left;
    this.#restMs = 0;
    return 0;
  }

  #restAfter(records: number, runs: number): void {
    const restMs = this.#awaited > 0 ? AWAITED_REST_MS : REST_MS;
    const ms = (records >= MANY_RECORDS ? restMs : 0) + runs * REST_MS_PER_RUN;
    // No timer is that short.
    this.#restMs = ms < 1 ? 0 : ms;
    if (this.#restMs > 0) this.#restsUntil = this.#scheduler.now() + this.#restMs;
  }

  #writeAll(): void {
    // A store that answers at once must not recurse: it loops here.
    while (!this.#writing && !this.#failed && this.#dirty.length > 0) this.#write();
  }

  #write(): void {
    this.#timer?.unsubscribe();
    this.#timer = undefined;
    const lanes = this.#dirty;
    const ticket = this.#ticket;
    const records = this.#records;
    const bytes = this.#bytes;
    const staged = this.#staged;
    this.#dirty = [];
    this.#staged = new Staged();
    this.#records = 0;
    this.#bytes = 0;
    let written: PartitionLane[] = [];
    let runs = 0;
    for (const lane of lanes) {
      lane.dirty = false;
      if (lane.live) written.push(lane);
    }
    const done = (): void => {
      this.#writing = false;
      for (const lane of written) lane.durable = ticket;
      this.#restAfter(records, runs);
      this.#durable$.next(ticket);
      this.#options.demand.remember(records, bytes);
      if (this.#holds === 0 && this.#dirty.length > 0) this.#schedule();
    };
    this.#writing = true;
    if (written.length === 0) {
      done();
      return;
    }
    const apply = staged.isEmpty ? undefined : staged.applyTo(written, isOf);
    const asked = written;
    const checkpoints = asked.map((lane) => lane.checkpoint());
    for (const checkpoint of checkpoints) runs += checkpoint.runs.length / 2;
    const began = this.#scheduler.now();
    defer(() => this.#options.write(checkpoints, apply)).subscribe({
      next: (refused) => {
        if (refused.length === 0) return;
        const overtaken = written.filter((lane) => refused.some((checkpoint) => isOf(checkpoint, lane)));
        written = written.filter((lane) => !overtaken.includes(lane));
        this.#options.onRefused(overtaken);
      },
      error: (error: unknown) => {
        this.#failed = true;
        this.#durable$.error(error);
        this.#options.onFailure(error);
      },
      complete: () => {
        this.#commits += 1;
        this.latencies.note(this.#scheduler.now() - began);
        // One that was refused has been given up.
        for (const [i, lane] of asked.entries()) lane.remembered = checkpoints[i] ?? lane.remembered;
        done();
      },
    });
  }
}

function isOf(checkpoint: Checkpoint, lane: PartitionLane): boolean {
  return checkpoint.partition === lane.partition && checkpoint.topic === lane.topic && checkpoint.epoch === lane.epoch;
}
