import type { GroupedObservable, Subscriber } from 'rxjs';
import { Observable } from 'rxjs';
import { AlreadySubscribedError } from '../errors.js';
import type { TopicPartition } from '../position.js';
import { bare } from '../position.js';
import type { KafkaRecord } from '../record.js';
import { HeldRows } from './heldRows.js';
import type { LaneOwner, LaneStart } from './lane.js';
import { PartitionLane } from './lane.js';

/** How much of one partition may be open. */
export interface Share {
  readonly records: number;
  readonly bytes: number;
}

export interface StreamLaneOptions {
  /** What it is at the moment: it changes with the number of partitions. */
  readonly share: () => Share;
  /** Somebody wants its records, or wants them no more, or it may emit no more. */
  readonly onChange: (lane: StreamLane) => void;
}

/** A partition during one assignment whose records go into an Observable of their own, as far as its share of the credits allows. */
export class StreamLane extends PartitionLane {
  readonly #options: StreamLaneOptions;
  readonly #owner: LaneOwner;
  readonly records$: GroupedObservable<TopicPartition, KafkaRecord>;
  /** What was read beyond its share. */
  readonly held = new HeldRows();
  /** Whether its records are not fetched. */
  paused = false;
  #left = false;
  #subscriber: Subscriber<KafkaRecord> | undefined;
  #failure: { readonly error: unknown } | undefined;

  constructor(start: LaneStart, owner: LaneOwner, options: StreamLaneOptions) {
    super(start, owner);
    this.#options = options;
    this.#owner = owner;
    const records$ = new Observable<KafkaRecord>((subscriber) => {
      this.#subscribe(subscriber);
    });
    this.records$ = Object.assign(records$, { key: bare(this) });
  }

  /** Whether somebody takes its records. */
  get wanted(): boolean {
    return this.#subscriber !== undefined && this.emitting;
  }

  /** Whether its subscriber has gone while there was more to come: its records are of no use to anybody here. */
  get left(): boolean {
    return this.#left;
  }

  /** How many records may go out now. */
  get credit(): number {
    const { records, bytes } = this.#options.share();
    return this.wanted && this.bytes < bytes ? Math.max(0, records - this.records) : 0;
  }

  /** A single record larger than the share goes out alone. */
  override admits(bytes: number): boolean {
    if (!this.wanted) return false;
    const share = this.#options.share();
    return this.records === 0 || (this.records < share.records && this.bytes + bytes <= share.bytes);
  }

  override get starved(): boolean {
    return this.credit === 0 || !this.held.isEmpty;
  }

  override stop(): void {
    const before = this.emitting;
    super.stop();
    if (before) this.#stopped();
  }

  override fence(): void {
    const before = this.emitting;
    super.fence();
    if (before) this.#stopped();
    else this.#options.onChange(this);
  }

  next(record: KafkaRecord): void {
    this.#subscriber?.next(record);
  }

  /** There will be no more: what is in flight still counts. */
  complete(): void {
    this.#subscriber?.complete();
  }

  fail(error: unknown): void {
    this.#failure = { error };
    this.#subscriber?.error(error);
  }

  #stopped(): void {
    this.held.clear();
    this.#options.onChange(this);
  }

  #subscribe(subscriber: Subscriber<KafkaRecord>): void {
    if (this.#failure !== undefined) {
      subscriber.error(this.#failure.error);
    } else if (this.#subscriber !== undefined) {
      subscriber.error(alreadySubscribed(this));
    } else if (!this.emitting) {
      subscriber.complete();
    } else {
      this.#subscriber = subscriber;
      this.#awaitFinishing(subscriber);
      this.#options.onChange(this);
    }
  }

  /** Operators that finish records are below, though they may not have seen one yet: nobody has gone before what is in flight is finished. */
  #awaitFinishing(subscriber: Subscriber<KafkaRecord>): void {
    const expected = this.#owner.expect();
    subscriber.add(() => {
      // Unsubscribed from: what is in flight may be finished all the same, but nobody is known to be there for it.
      if (this.emitting) {
        expected();
        this.#left = true;
        this.stop();
      } else {
        this.whenIdle(expected);
      }
    });
  }
}

function alreadySubscribed(lane: StreamLane): AlreadySubscribedError {
  const state = lane.emitting ? 'has a subscriber' : 'has had its subscriber';
  return new AlreadySubscribedError(
    `the Observable of ${lane.topic}/${lane.partition} ${state}, and it has one during an assignment, for a record is finished once: share() it, or ` +
      'put `retry` below fromTopicByPartition, around all partitions. What is unfinished comes again when the partition is assigned anew.',
    bare(lane),
  );
}
