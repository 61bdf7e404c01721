import type { SchedulerLike, Subscription } from 'rxjs';
import { asyncScheduler } from 'rxjs';
import type { Backlog, BacklogOptions } from './backlog.js';
import type { PartitionLane } from './lane.js';
import type { Batch } from './reader.js';
import { BATCH_BYTES } from './reader.js';
import type { Share } from './streamLane.js';
import { StreamLane } from './streamLane.js';

export interface PartitionBacklogOptions extends BacklogOptions {
  /** How many bytes all partitions together may hold that are read and not emitted. */
  readonly maxHeldBytes: number;
  readonly stallAfterMs: number;
  readonly scheduler?: SchedulerLike;
}

/**
 * Each partition has an equal share of the credits, and a queue of its own: what finds no credit holds up nobody else.
 *
 * What stands behind a slow partition in the client's one queue has to be read past it, so its records are held, up to a bound: then the partition is
 * paused, which throws away what the client has fetched of it, until half of them has gone out.
 */
export class PartitionBacklog implements Backlog {
  readonly #options: PartitionBacklogOptions;
  #lanes: StreamLane[] = [];
  /** Those with records that wait, in the order of their turns. */
  #waiting: StreamLane[] = [];
  /** There is room for its record in its share, and none in the bounds of the source: it is the next to emit, and nobody overtakes it. */
  #next: StreamLane | undefined;
  #share: Share;
  #heldBound = 0;
  /** Nothing has gone out for long. */
  #isDry = false;
  #closed = false;
  #patrol: Subscription | undefined;
  /** Where those that waited stood at the last patrol. */
  #tops = new Map<StreamLane, number>();

  constructor(options: PartitionBacklogOptions) {
    this.#options = options;
    this.#share = this.#shareOf(1);
  }

  get share(): Share {
    return this.#share;
  }

  get room(): number {
    const { free } = this.#options.demand;
    if (this.#isBlocked) return 0;
    // What nobody takes is not fetched: such a read brings nothing but the group's questions, and may wait for them.
    if (!this.#lanes.some((lane) => lane.wanted)) return free;
    let room = 0;
    for (const lane of this.#lanes) if (lane.held.isEmpty) room += lane.credit;
    return Math.min(room, free);
  }

  /** What is read may all have to be held, and so may what is read ahead. Where much is held, a partition is not to overshoot its bound by as much again. */
  get batchBytes(): number {
    const free = this.#options.maxHeldBytes - this.heldBytes;
    return Math.min(BATCH_BYTES, Math.max(free / 4, this.#heldBound / 2));
  }

  /** They may all be of one partition. */
  get credits(): number {
    return this.#share.records;
  }

  get heldBytes(): number {
    let bytes = 0;
    for (const { held } of this.#waiting) bytes += held.bytes;
    return bytes;
  }

  get paused(): boolean {
    return this.#lanes.length > 0 && this.#lanes.every((lane) => lane.paused);
  }

  take(batch: Batch, from: number): number {
    const { emitter, laneOf } = this.#options;
    let row = from;
    emitter.begin();
    for (; row < batch.length && !emitter.late; row += 1) {
      const lane = laneOf(batch.topic(row), batch.partition(row)) as StreamLane | undefined;
      if (lane?.emitting !== true) continue;
      if (lane.held.isEmpty && !this.#isBlocked && this.#emits(batch, row, lane)) continue;
      if (lane.held.isEmpty) this.#waiting.push(lane);
      lane.held.add(batch, row);
    }
    emitter.end();
    // Not before all of it was taken: what goes out meanwhile makes room.
    if (row === batch.length) this.#pause(this.#waiting.filter((lane) => lane.held.bytes > this.#heldBound));
    this.#awaitFinish();
    return row;
  }

  flush(): boolean {
    if (this.#waiting.length > 0) {
      const { emitter } = this.#options;
      emitter.begin();
      this.#emitWaiting();
      emitter.end();
    }
    if (this.#waiting.length === 0) this.#isDry = false;
    // Fetched again for one that still waits, it would all be thrown away again.
    const isDue = (lane: StreamLane): boolean => lane.held.bytes <= this.#heldBound / 2 && !(this.#isDry && !lane.held.isEmpty);
    this.#resume(this.#lanes.filter((lane) => lane.paused && lane.wanted && isDue(lane)));
    this.#awaitFinish();
    return this.#waiting.length === 0;
  }

  opened(lanes: readonly PartitionLane[]): void {
    const live = lanes.filter((lane) => lane instanceof StreamLane).filter((lane) => lane.live);
    this.#lanes.push(...live);
    this.changed();
    // Nobody has subscribed to these yet.
    this.#pause(live.filter((lane) => !lane.wanted));
    if (this.#patrol === undefined) this.#patrolLater();
  }

  /** A partition has got or lost its subscriber, or was taken away. */
  changed(): void {
    const ended = this.#lanes.filter((lane) => !lane.live);
    this.#lanes = this.#lanes.filter((lane) => lane.live);
    // A pause is the client's, and would outlive the lane.
    this.#resume(ended.filter((lane) => lane.paused));
    this.#pause(this.#lanes.filter((lane) => lane.left));
    // Who has not been subscribed to yet keeps his share: what others have out by then would not come back for it.
    const sharers = this.#lanes.filter((lane) => lane.emitting || lane.records > 0).length;
    this.#share = this.#shareOf(Math.max(1, sharers));
    this.#heldBound = this.#options.maxHeldBytes / (2 * Math.max(1, this.#lanes.length));
    this.#options.pokeSoon();
  }

  drought(): void {
    this.#isDry = true;
    this.#pause(this.#waiting);
  }

  close(): void {
    this.#closed = true;
    this.#patrol?.unsubscribe();
    for (const lane of this.#lanes) lane.held.clear();
    this.#waiting = [];
    this.#next = undefined;
  }

  #shareOf(sharers: number): Share {
    const { maxRecords, maxBytes } = this.#options.demand;
    return { records: Math.max(1, Math.floor(maxRecords / sharers)), bytes: maxBytes / sharers };
  }

  get #isBlocked(): boolean {
    return this.#next !== undefined;
  }

  #emits(batch: Batch, row: number, lane: StreamLane): boolean {
    if (this.#options.emitter.emits(batch, row, lane)) return true;
    // Not for its share: for the bounds of the source.
    if (lane.admits(batch.bytes(row))) this.#next = lane;
    return false;
  }

  #emitWaiting(): void {
    const next = this.#next;
    this.#next = undefined;
    const waiting = next === undefined ? this.#waiting : [next, ...this.#waiting.filter((lane) => lane !== next)];
    for (const lane of waiting) {
      lane.held.offer((batch, row) => !lane.emitting || this.#emits(batch, row, lane));
      if (this.#isBlocked) break;
    }
    this.#waiting = this.#waiting.filter((lane) => !lane.held.isEmpty);
  }

  /** A credit that comes back to one partition is of use at once, also while the source has others. */
  #awaitFinish(): void {
    if (this.#lanes.some((lane) => lane.wanted && lane.starved)) this.#options.demand.awaitFinish();
  }

  #pause(lanes: readonly StreamLane[]): void {
    const fetched = lanes.filter((lane) => !lane.paused);
    for (const lane of fetched) lane.paused = true;
    if (fetched.length > 0) this.#options.pause(fetched);
  }

  #resume(lanes: readonly StreamLane[]): void {
    for (const lane of lanes) lane.paused = false;
    if (lanes.length > 0) this.#options.resume(lanes);
  }

  #patrolLater(): void {
    const { stallAfterMs, scheduler = asyncScheduler } = this.#options;
    if (this.#closed) return;
    this.#patrol = scheduler.schedule(() => {
      this.#examine();
      this.#patrolLater();
    }, stallAfterMs);
  }

  /** That others go on must not hide that a partition never will. */
  #examine(): void {
    const { checkpointer, onStall } = this.#options;
    const before = this.#tops;
    this.#tops = new Map(this.#waiting.map((lane) => [lane, lane.top]));
    const stuck = this.#waiting.find((lane) => lane.wanted && lane.records > 0 && before.get(lane) === lane.top);
    if (stuck !== undefined && !checkpointer.shut) onStall(stuck);
  }
}
