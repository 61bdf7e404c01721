import type { Observable, SchedulerLike, Subscription } from 'rxjs';
import { BehaviorSubject, Subject } from 'rxjs';
import type { DeliveryError } from '../errors.js';
import { SpillError } from '../errors.js';
import type { Delivery } from '../record.js';
import { backoffMs } from './backoff.js';
import { frameBytes } from './frame.js';
import { KeyLanes } from './keyLanes.js';
import type { Outgoing } from './outgoing.js';
import type { Drop, PublisherState, PublisherStats, Rejection } from './publisherStats.js';
import { Counters } from './publisherStats.js';
import type { Spill, Stored } from './spill.js';

/** What became of a message. */
export interface PublishOutcome {
  /** Kafka has it; it is on disk, and will be replayed; it is lost; or it was never taken. */
  readonly where: 'kafka' | 'disk' | 'dropped' | 'rejected';
  readonly topic: string | undefined;
  readonly key: Buffer | null;
  /** Of `'kafka'`: the partition and the offset. */
  readonly delivery?: Delivery;
  /** Of `'dropped'` and `'rejected'`. */
  readonly reason?: Drop | Rejection;
  /** Of `'dropped'` and `'rejected'`: what to tell a person. */
  readonly error?: Error;
  /** It had been on disk, and this is the second that is said about it. */
  readonly replayed: boolean;
}

/** Is told once what became of a message, with no second word when one that is on disk is replayed. */
export type Tell = (outcome: PublishOutcome) => void;

/** Called once for every record that was sent. */
export type Settle = (error: DeliveryError | undefined, delivery: Delivery | undefined) => void;

/** The way to Kafka. */
export interface Outlet {
  /** Calls `settle` once, later. */
  send(record: Outgoing, settle: Settle): void;
  /** Finds out whether Kafka is there. One at a time. */
  probe(done: (error: unknown) => void): void;
}

export interface DispatcherOptions {
  readonly maxQueued: number;
  readonly maxQueuedBytes: number;
  readonly retries: number;
  readonly maxBackoffMs: number;
  readonly maxSpillAgeMs: number;
  readonly order: 'none' | 'key';
  readonly closeTimeoutMs: number;
  readonly spillPath: string;
  readonly scheduler: SchedulerLike;
  /** Something that an operator should hear of. */
  readonly onTrouble: (error: Error) => void;
}

interface Message {
  readonly record: Outgoing;
  readonly bytes: number;
  readonly lane: string | undefined;
  /** Where it lies on disk, if it came from there. */
  readonly stored: Stored | undefined;
  readonly tell: Tell | undefined;
  attempts: number;
  /** `resting` ones from the disk wait for Kafka to come back, others for the first word from it. */
  place: 'sent' | 'resting' | 'gone';
  retry: Subscription | undefined;
}

const GROUP = { records: 1_000, bytes: 1_024 * 1_024 };
/** Records from the disk that are on their way at once. A process that is killed repeats so many at most. */
const MOST_REPLAYING = 1_000;
const WRITE_RETRIES = 3;
/** Of what may be in memory, the part that may be on its way to Kafka. With more, Kafka is too slow, and the disk takes what comes. */
const SHARE_OF_KAFKA = 0.5;

/** Decides where each message goes. Knows neither node-rdkafka nor the disk, so that it can be tried in virtual time. */
export class Dispatcher {
  readonly #outlet: Outlet;
  readonly #spill: Spill;
  readonly #options: DispatcherOptions;
  readonly #outcomes$ = new Subject<PublishOutcome>();
  readonly #state$ = new BehaviorSubject<PublisherState>('replaying');
  readonly #lanes = new KeyLanes<Message>();
  /** Undefined until the first probe has answered. */
  #up: boolean | undefined;
  #probing = false;
  #probes = 0;
  /** On their way to Kafka and not on disk. */
  readonly #live = new Set<Message>();
  #liveBytes = 0;
  /** From the disk, and on their way to Kafka. */
  readonly #replaying = new Set<Message>();
  #toDisk: Message[] = [];
  #toDiskBytes = 0;
  /** Those that are being written; they still count as queued. */
  #group: readonly Message[] = [];
  #writes = 0;
  #opened = false;
  #reading = false;
  #readFailures = 0;
  #counters: Counters;
  /** What an operator has heard of since it last went well. */
  readonly #reported = new Set<string>();
  #closed: (() => void) | undefined;
  #patience: Subscription | undefined;
  /** Closing took too long: what is left goes to the disk. */
  #hurried = false;

  constructor(outlet: Outlet, spill: Spill, options: DispatcherOptions) {
    this.#outlet = outlet;
    this.#spill = spill;
    this.#options = options;
    this.#counters = new Counters(options.scheduler.now());
  }

  get outcomes$(): Observable<PublishOutcome> {
    return this.#outcomes$.asObservable();
  }

  get state$(): Observable<PublisherState> {
    return this.#state$.asObservable();
  }

  start(): void {
    this.#spill.open(() => {
      this.#opened = true;
      this.#go();
    });
    this.#probe();
  }

  /** Takes the record, or answers why not. */
  accept(record: Outgoing, tell: Tell | undefined): Rejection | undefined {
    const bytes = frameBytes(record);
    if (this.#closed !== undefined) return 'closed';
    if (this.#queued >= this.#options.maxQueued || this.#queuedBytes + bytes > this.#options.maxQueuedBytes) return 'queue-full';
    const message = this.#message(record, bytes, undefined, tell);
    this.#counters.accepted += 1;
    if (this.#belongsOnDisk(message)) {
      this.#queueForDisk(message);
      this.#go();
    } else this.#goLive(message);
    return undefined;
  }

  /** Counts and tells of a message that was not taken. */
  reject(reason: Rejection, { topic, key }: Pick<PublishOutcome, 'topic' | 'key'>, error: Error, tell: Tell | undefined): void {
    this.#counters.rejected[reason] += 1;
    this.#say({ where: 'rejected', topic, key, reason, error, replayed: false }, tell);
  }

  /** Kafka is said to be away. */
  suspect(): void {
    if (this.#up === true) this.#down();
  }

  /** Records on disk turned out not to be readable. */
  damaged(error: SpillError): void {
    this.#counters.dropped.damaged += error.records;
    this.#options.onTrouble(error);
  }

  stats(): PublisherStats {
    const { rejected, dropped, ...counters } = this.#counters;
    return {
      ...counters,
      rejected: { ...rejected },
      dropped: { ...dropped },
      state: this.#state$.value,
      queued: { messages: this.#queued, bytes: this.#queuedBytes },
      onDisk: this.#spill.backlog,
    };
  }

  resetStats(): void {
    this.#counters = new Counters(this.#options.scheduler.now());
  }

  /** Lets what is on its way arrive, for a while; brings the rest to the disk, and calls back. */
  close(done: () => void): void {
    this.#closed = () => {
      this.#patience?.unsubscribe();
      this.#state$.complete();
      this.#outcomes$.complete();
      done();
    };
    this.#patience = this.#options.scheduler.schedule(() => {
      this.#hurried = true;
      this.#go();
    }, this.#options.closeTimeoutMs);
    this.#go();
  }

  get #queued(): number {
    return this.#live.size + this.#toDisk.length + this.#group.length;
  }

  get #queuedBytes(): number {
    return this.#liveBytes + this.#toDiskBytes;
  }

  get #isLiveFull(): boolean {
    const { maxQueued, maxQueuedBytes } = this.#options;
    return this.#live.size >= maxQueued * SHARE_OF_KAFKA || this.#liveBytes >= maxQueuedBytes * SHARE_OF_KAFKA;
  }

  /** Every record on disk is among those that are on their way, so that their keys are known. */
  get #isDiskRead(): boolean {
    return this.#opened && this.#spill.unread === 0 && !this.#reading && this.#group.length === 0;
  }

  #message(record: Outgoing, bytes: number, stored: Stored | undefined, tell: Tell | undefined): Message {
    const { topic, key } = record;
    const lane = this.#options.order === 'key' && key !== null ? `${topic} ${key.toString('latin1')}` : undefined;
    return { record, bytes, lane, stored, tell, attempts: 0, place: 'resting', retry: undefined };
  }

  #belongsOnDisk({ lane }: Message): boolean {
    if (lane !== undefined) {
      const last = this.#lanes.last(lane);
      // It follows the ones before it, wherever those go.
      if (last !== undefined && last.stored === undefined) return false;
      if (!this.#isDiskRead || this.#toDisk.length > 0) return true;
    }
    return this.#up === false || this.#isLiveFull;
  }

  #goLive(message: Message): void {
    this.#live.add(message);
    this.#liveBytes += message.bytes;
    if (this.#lanes.enter(message)) this.#attempt(message);
  }

  #attempt(message: Message): void {
    message.retry = undefined;
    message.place = 'resting';
    if (message.stored !== undefined && message.stored.at < this.#oldest) {
      this.#dropped(message, 'age', this.#tooOld(1));
      return;
    }
    if (this.#up === true) {
      message.place = 'sent';
      this.#outlet.send(message.record, (error, delivery) => {
        if (message.place === 'gone') return;
        if (error === undefined) this.#arrived(message, delivery as Delivery);
        else if (!error.retriable) this.#dropped(message, 'refused', error);
        else this.#failed(message);
        this.#go();
      });
    } else if (this.#up === false && message.stored === undefined) this.#divert(message);
  }

  #failed(message: Message): void {
    const { retries, maxBackoffMs, scheduler } = this.#options;
    if (this.#up === true && message.attempts < retries && !this.#hurried) {
      message.attempts += 1;
      this.#counters.retries += 1;
      message.retry = scheduler.schedule(
        () => {
          this.#attempt(message);
          this.#go();
        },
        backoffMs(message.attempts, maxBackoffMs),
      );
      return;
    }
    message.attempts = 0;
    message.place = 'resting';
    if (message.stored === undefined) this.#divert(message);
    // It waits where it is; what follows it and is not on disk must not wait in memory.
    else for (const follower of this.#lanes.takeOut(message, ({ stored }) => stored === undefined)) this.#leaveLive(follower);
    // If it is the message's own fault, the probe says so at once, and little goes to the disk meanwhile.
    this.suspect();
  }

  /** A message that is not on disk goes there after all, and all that follow it go with it. */
  #divert(message: Message): void {
    if (message.lane === undefined) this.#leaveLive(message);
    else for (const each of this.#lanes.takeOut(message, ({ stored }) => stored === undefined)) this.#leaveLive(each);
  }

  #leaveLive(message: Message): void {
    message.retry?.unsubscribe();
    message.place = 'gone';
    if (this.#live.delete(message)) this.#liveBytes -= message.bytes;
    this.#queueForDisk(message);
  }

  #queueForDisk(message: Message): void {
    this.#toDisk.push(message);
    this.#toDiskBytes += message.bytes;
  }

  #arrived(message: Message, delivery: Delivery): void {
    if (message.stored === undefined) this.#counters.delivered += 1;
    else this.#counters.replayed += 1;
    this.#reported.delete('refused');
    this.#finish(message, { where: 'kafka', delivery });
  }

  #dropped(message: Message, reason: Drop, error: Error): void {
    this.#counters.dropped[reason] += 1;
    this.#report(reason, error);
    this.#finish(message, { where: 'dropped', reason, error });
  }

  /** The last that is said of a message on its way to Kafka. */
  #finish(message: Message, outcome: Pick<PublishOutcome, 'where' | 'delivery' | 'reason' | 'error'>): void {
    const { record, stored, bytes, tell } = message;
    message.place = 'gone';
    if (stored !== undefined) {
      this.#replaying.delete(message);
      this.#spill.done(stored);
    } else if (this.#live.delete(message)) this.#liveBytes -= bytes;
    const next = this.#lanes.leave(message);
    if (next !== undefined) this.#attempt(next);
    this.#say({ ...outcome, topic: record.topic, key: record.key, replayed: stored !== undefined }, tell);
  }

  #say(outcome: PublishOutcome, tell: Tell | undefined): void {
    try {
      tell?.(outcome);
    } catch (error) {
      // As RxJS does with what a subscriber throws: it is the caller's to see, and none of ours to fail by.
      setTimeout(() => {
        throw error;
      });
    }
    this.#outcomes$.next(outcome);
  }

  /** Once, until it goes well again: when all are lost, one word is enough. */
  #report(what: string, error: Error): void {
    if (this.#reported.has(what)) return;
    this.#reported.add(what);
    this.#options.onTrouble(error);
  }

  #probe(): void {
    if (this.#probing) return;
    this.#probing = true;
    this.#outlet.probe((error) => {
      this.#probing = false;
      if (error === undefined) this.#isUp();
      else this.#isAway();
      this.#go();
    });
  }

  #isUp(): void {
    this.#up = true;
    this.#probes = 0;
    for (const message of [...this.#replaying, ...this.#live])
      if (message.place === 'resting' && this.#isFirst(message)) this.#attempt(message);
  }

  #isAway(): void {
    const { maxBackoffMs, scheduler } = this.#options;
    if (this.#up !== false) this.#leaveKafka();
    this.#probes += 1;
    this.#expire();
    if (this.#closed !== undefined) return;
    scheduler.schedule(
      () => {
        if (this.#closed === undefined) this.#probe();
      },
      backoffMs(this.#probes, maxBackoffMs),
    );
  }

  #down(): void {
    this.#leaveKafka();
    this.#probe();
  }

  /** What waits in memory goes to the disk. What was handed over to the client goes there when the client gives it up. */
  #leaveKafka(): void {
    this.#up = false;
    this.#counters.outages += 1;
    for (const message of this.#live)
      if ((message.place === 'resting' || message.retry !== undefined) && this.#isFirst(message)) this.#divert(message);
    this.#go();
  }

  #isFirst(message: Message): boolean {
    return message.lane === undefined || this.#lanes.first(message.lane) === message;
  }

  /** Does whatever can be done now. */
  #go(): void {
    if (this.#closed !== undefined) this.#goOnClosing();
    this.#write();
    this.#read();
    this.#tellState();
  }

  #goOnClosing(): void {
    if (this.#up === false || this.#hurried) for (const message of this.#live) this.#divert(message);
    const isIdle = this.#live.size === 0 && this.#toDisk.length === 0 && this.#group.length === 0;
    const isReplayOver = this.#up !== true || this.#hurried || [...this.#replaying].every(({ place }) => place === 'resting');
    if (!isIdle || !isReplayOver || this.#reading) return;
    const closed = this.#closed as () => void;
    this.#closed = () => undefined;
    closed();
  }

  #write(): void {
    if (this.#group.length > 0 || this.#toDisk.length === 0) return;
    if (this.#options.order === 'key' && this.#up === true && this.#closed === undefined) {
      // The disk is nearly read: in a moment the keys that are on their way are all known, and these need not go there.
      if (this.#isDiskRead && !this.#isLiveFull) {
        this.#followReplay();
        return;
      }
      if (this.#reading && this.#spill.unread <= MOST_REPLAYING && !this.#isLiveFull) return;
    }
    this.#writes = 0;
    if (this.#nextGroup().length > 0) this.#writeGroup();
  }

  #followReplay(): void {
    const messages = this.#toDisk;
    this.#toDisk = [];
    this.#toDiskBytes = 0;
    for (const message of messages) {
      message.place = 'resting';
      this.#goLive(message);
    }
  }

  /** What fits into a write; what does not fit within the quota is lost. */
  #nextGroup(): Message[] {
    for (;;) {
      const group: Message[] = [];
      const lost: Message[] = [];
      const { room } = this.#spill;
      let bytes = 0;
      for (const message of this.#toDisk) {
        if (group.length >= GROUP.records || (group.length > 0 && bytes + message.bytes > GROUP.bytes)) break;
        if (bytes + message.bytes > room) {
          lost.push(message);
          continue;
        }
        group.push(message);
        bytes += message.bytes;
      }
      this.#toDisk.splice(0, group.length + lost.length);
      // Before anybody is told, who may answer with the next message.
      this.#group = group;
      for (const message of lost) this.#lost(message, 'quota', `the spill directory ${this.#options.spillPath} holds as much as it may`);
      if (group.length > 0 || this.#toDisk.length === 0) return group;
    }
  }

  #writeGroup(): void {
    const { maxBackoffMs, scheduler } = this.#options;
    const group = this.#group;
    this.#spill.write(
      group.map(({ record }) => record),
      (error) => {
        if (error !== undefined && this.#writes < WRITE_RETRIES) {
          this.#writes += 1;
          scheduler.schedule(
            () => {
              this.#writeGroup();
            },
            backoffMs(this.#writes, maxBackoffMs),
          );
          return;
        }
        this.#group = [];
        for (const message of group) {
          if (error === undefined) this.#isOnDisk(message);
          else this.#lost(message, 'disk', `the spill directory ${this.#options.spillPath} took nothing (${error.message})`, error);
        }
        this.#go();
      },
    );
  }

  #isOnDisk({ record, bytes, tell }: Message): void {
    this.#counters.spilled += 1;
    this.#toDiskBytes -= bytes;
    this.#reported.clear();
    this.#say({ where: 'disk', topic: record.topic, key: record.key, replayed: false }, tell);
  }

  #lost({ record, bytes, tell }: Message, reason: 'quota' | 'disk', what: string, cause?: unknown): void {
    const error = new SpillError(`${what}: a message to ${record.topic} that Kafka did not take is lost.`, {
      path: this.#options.spillPath,
      records: 1,
      reason,
      cause,
    });
    this.#counters.dropped[reason] += 1;
    this.#toDiskBytes -= bytes;
    this.#report(reason, error);
    this.#say({ where: 'dropped', topic: record.topic, key: record.key, reason, error, replayed: false }, tell);
  }

  #read(): void {
    if (this.#up !== true || !this.#opened || this.#reading || this.#closed !== undefined || this.#spill.unread === 0) return;
    const most = MOST_REPLAYING - this.#replaying.size;
    if (most < MOST_REPLAYING / 2) return;
    this.#reading = true;
    this.#spill.read({ records: most, bytes: GROUP.bytes }, (error, found) => {
      this.#reading = false;
      if (error !== undefined) {
        this.#readFailures += 1;
        this.#report('read', error);
        this.#readLater();
      } else {
        this.#readFailures = 0;
        this.#reported.delete('read');
        for (const stored of found) this.#replay(stored);
      }
      this.#go();
    });
  }

  #readLater(): void {
    if (this.#closed !== undefined) return;
    this.#reading = true;
    this.#options.scheduler.schedule(
      () => {
        this.#reading = false;
        this.#go();
      },
      backoffMs(this.#readFailures, this.#options.maxBackoffMs),
    );
  }

  #replay(stored: Stored): void {
    const { record } = stored;
    const message = this.#message(record, frameBytes(record), stored, undefined);
    this.#replaying.add(message);
    if (this.#lanes.enter(message)) this.#attempt(message);
  }

  get #oldest(): number {
    return this.#options.scheduler.now() - this.#options.maxSpillAgeMs;
  }

  #expire(): void {
    const records = this.#spill.expire(this.#oldest);
    if (records === 0) return;
    this.#counters.dropped.age += records;
    this.#options.onTrouble(this.#tooOld(records));
  }

  #tooOld(records: number): SpillError {
    const { spillPath, maxSpillAgeMs } = this.#options;
    return new SpillError(
      `${records} messages in ${spillPath} got older than ${maxSpillAgeMs} ms, and are lost: Kafka was away for longer.`,
      {
        path: spillPath,
        records,
        reason: 'age',
      },
    );
  }

  #tellState(): void {
    // Before it is known what is on disk, something may be.
    const isDiskEmpty = this.#opened && this.#spill.backlog.records === 0 && this.#group.length === 0 && this.#toDisk.length === 0;
    const state = this.#up === false ? 'spilling' : isDiskEmpty ? 'kafka' : 'replaying';
    if (state !== this.#state$.value) this.#state$.next(state);
  }
}
