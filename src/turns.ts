import type { Parts } from './parts.js';
import type { Positioned, TopicPartition } from './position.js';
import { LANE } from './position.js';

/** What has to wait for what: records with the same key, all of a partition, or none. */
export type Order = 'key' | 'partition' | 'none';

/** A record that takes turns with others. */
export interface Keyed extends Positioned {
  readonly key: unknown;
}

/** The turn of one record, from when it comes to when its work has ended. */
export class Turn<R extends Keyed> {
  readonly record: R;
  readonly partition: PartitionTurns<R>;
  readonly key: unknown;
  /** How often it has started: 0 while its first time is to come. */
  attempt = 0;
  /** What has become of it so far, if that is more than one value. */
  parts: Parts | undefined;
  /** The next record that has to wait for this one. */
  nextOfKey: Turn<R> | undefined;
  /** The next one in its partition that could start. */
  nextReady: Turn<R> | undefined;

  constructor(record: R, partition: PartitionTurns<R>, key: unknown) {
    this.record = record;
    this.partition = partition;
    this.key = key;
  }
}

/** The records of one partition that could start, in order, and those that wait for one of the same key. */
class PartitionTurns<R extends Keyed> {
  /** The last record of each key, while there is one: the next one has to wait for it. */
  readonly lastOfKey = new Map<unknown, Turn<R>>();
  firstReady: Turn<R> | undefined;
  lastReady: Turn<R> | undefined;
  running = 0;

  makeReady(turn: Turn<R>): void {
    if (this.lastReady === undefined) this.firstReady = turn;
    else this.lastReady.nextReady = turn;
    this.lastReady = turn;
  }

  takeReady(): Turn<R> | undefined {
    const turn = this.firstReady;
    if (turn === undefined) return undefined;
    this.firstReady = turn.nextReady;
    turn.nextReady = undefined;
    if (this.firstReady === undefined) this.lastReady = undefined;
    return turn;
  }
}

export interface TurnsOptions<R extends Keyed> {
  readonly concurrency: number;
  readonly order: Order;
  /** Begins the work; `end` says that it is over, `pause` that it begins again later. */
  readonly start: (turn: Turn<R>) => void;
}

/** At most this part of the places is kept for partitions that have nothing under way. */
const RESERVED = 1 / 8;

/**
 * Whose turn it is: which records are worked on at the same time, and in which order.
 *
 * A free place goes to the partition with the fewest records under way, and a few places are kept for those with none, so a partition that is
 * slow, or has much, cannot hold up the others.
 */
export class Turns<R extends Keyed> {
  readonly #options: TurnsOptions<R>;
  readonly #reserved: number;
  /** By topic and number. They stay: there are never more than the topics have. */
  readonly #partitions = new Map<string, (PartitionTurns<R> | undefined)[]>();
  /** How many of them have nothing under way. */
  #idle = 0;
  /** Those in which a record could start, the one that had its turn last at the end. */
  readonly #ready = new Set<PartitionTurns<R>>();
  #size = 0;
  #running = 0;
  #starting = false;

  constructor(options: TurnsOptions<R>) {
    this.#options = options;
    this.#reserved = Math.floor(options.concurrency * RESERVED);
  }

  /** How many records are under way or wait. */
  get size(): number {
    return this.#size;
  }

  /** How many keys are under way or wait. */
  get keys(): number {
    let keys = 0;
    for (const partition of [...this.#partitions.values()].flat()) keys += partition?.lastOfKey.size ?? 0;
    return keys;
  }

  /** The record starts at its turn: at once, if nothing is before it. */
  add(record: R): void {
    const turn = new Turn(record, this.#partition(record[LANE]), orderKey(this.#options.order, record));
    this.#size += 1;
    const before = turn.key === undefined ? undefined : turn.partition.lastOfKey.get(turn.key);
    if (turn.key !== undefined) turn.partition.lastOfKey.set(turn.key, turn);
    if (before === undefined) this.#makeReady(turn);
    else before.nextOfKey = turn;
    this.#startSome();
  }

  end(turn: Turn<R>): void {
    this.#giveBack(turn);
    this.#leave(turn);
    this.#startSome();
  }

  /** Its work will start again: until then its place is free, and those behind it go on waiting. */
  pause(turn: Turn<R>): void {
    this.#giveBack(turn);
    this.#startSome();
  }

  /** What was paused starts again as soon as there is a place. */
  resume(turn: Turn<R>): void {
    this.#makeReady(turn);
    this.#startSome();
  }

  #giveBack({ partition }: Turn<R>): void {
    partition.running -= 1;
    if (partition.running === 0) this.#idle += 1;
    this.#running -= 1;
  }

  #partition({ topic, partition }: TopicPartition): PartitionTurns<R> {
    let partitions = this.#partitions.get(topic);
    if (partitions === undefined) this.#partitions.set(topic, (partitions = []));
    let found = partitions[partition];
    if (found === undefined) {
      found = partitions[partition] = new PartitionTurns();
      this.#idle += 1;
    }
    return found;
  }

  #makeReady(turn: Turn<R>): void {
    turn.partition.makeReady(turn);
    this.#ready.add(turn.partition);
  }

  /** Work that is done at once comes back here: it loops, and does not recurse. */
  #startSome(): void {
    if (this.#starting) return;
    this.#starting = true;
    for (let turn = this.#next(); turn !== undefined; turn = this.#next()) {
      if (turn.record[LANE].live) {
        if (turn.partition.running === 0) this.#idle -= 1;
        turn.partition.running += 1;
        this.#running += 1;
        this.#options.start(turn);
      } else {
        // Its partition was lost while it waited: it comes again, here or elsewhere.
        this.#leave(turn);
      }
    }
    this.#starting = false;
  }

  #next(): Turn<R> | undefined {
    const free = this.#options.concurrency - this.#running;
    if (free <= 0) return undefined;
    let best: PartitionTurns<R> | undefined;
    for (const partition of this.#ready) {
      if (best === undefined || partition.running < best.running) best = partition;
      if (best.running === 0) break;
    }
    if (best === undefined || (best.running > 0 && free <= Math.min(this.#reserved, this.#idle))) return undefined;
    const turn = best.takeReady();
    this.#ready.delete(best);
    if (best.firstReady !== undefined) this.#ready.add(best);
    return turn;
  }

  #leave(turn: Turn<R>): void {
    this.#size -= 1;
    if (turn.nextOfKey !== undefined) this.#makeReady(turn.nextOfKey);
    else if (turn.key !== undefined) turn.partition.lastOfKey.delete(turn.key);
  }
}

/** Records with equal ones wait for each other; `undefined` waits for nobody. */
function orderKey(order: Order, { key }: Keyed): unknown {
  if (order === 'none') return undefined;
  if (order === 'partition') return '';
  if (key === null) return undefined;
  if (!(key instanceof Uint8Array)) return key;
  // By its bytes, one character each.
  return (Buffer.isBuffer(key) ? key : Buffer.from(key.buffer, key.byteOffset, key.byteLength)).toString('latin1');
}
