import type { Observable, SchedulerLike, Subscription } from 'rxjs';
import { BehaviorSubject, Subject } from 'rxjs';
import type { DeliveryError } from '../errors.js';
import { SpillError, UnknownDestinationError } from '../errors.js';
import type { Delivery } from '../record.js';
import { backoffMs } from './backoff.js';
import { DiskQueue, GROUP } from './diskQueue.js';
import { frameBytes } from './frame.js';
import { KeyLanes } from './keyLanes.js';
import type { Outgoing } from './outgoing.js';
import type { Outlet } from './outlet.js';
import type { PublishOutcome, Tell } from './publishOutcome.js';
import type { Drop, PublisherState, PublisherStats, Rejection } from './publisherStats.js';
import { Counters } from './publisherStats.js';
import type { Spill, Stored } from './spill.js';

/** As the client knows it. */
const UNKNOWN_PARTITION = -190;

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
  /** How many had arrived when it was sent. */
  sentAfter: number;
  /** It was tried often enough where it is on disk, and may hold up others there. */
  exhausted: boolean;
  /** `resting` ones from the disk wait for Kafka to come back, others for the first word from it; `returning` ones are put back onto the disk. */
  place: 'sent' | 'resting' | 'returning' | 'gone';
  retry: Subscription | undefined;
}

/** Records from the disk that are on their way at once. A process that is killed repeats so many at most. */
const MOST_REPLAYING = 1_000;
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
  readonly #toDisk: DiskQueue<Message>;
  /** How many have arrived. */
  #arrivals = 0;
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
  /** It is closed: the directory may have another owner by now, and whatever comes late is nobody's. */
  #over = false;

  constructor(outlet: Outlet, spill: Spill, options: DispatcherOptions) {
    this.#outlet = outlet;
    this.#spill = spill;
    this.#options = options;
    this.#counters = new Counters(options.scheduler.now());
    this.#toDisk = new DiskQueue(spill, options, {
      onDisk: (message) => {
        this.#isOnDisk(message);
      },
      onLost: (message, error) => {
        this.#lost(message, error);
      },
      onReturned: (message) => {
        this.#returned(message);
      },
      onNotReturned: (message) => {
        this.#notReturned(message);
      },
      onWritten: () => {
        this.#go();
      },
    });
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
      this.#toDisk.add(message);
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
    return this.#live.size + this.#toDisk.messages;
  }

  get #queuedBytes(): number {
    return this.#liveBytes + this.#toDisk.bytes;
  }

  get #isLiveFull(): boolean {
    const { maxQueued, maxQueuedBytes } = this.#options;
    return this.#live.size >= maxQueued * SHARE_OF_KAFKA || this.#liveBytes >= maxQueuedBytes * SHARE_OF_KAFKA;
  }

  /** Every record on disk is among those that are on their way, so that their keys are known. */
  get #isDiskRead(): boolean {
    return this.#opened && this.#spill.unread === 0 && !this.#reading && !this.#toDisk.isWriting;
  }

  #message(record: Outgoing, bytes: number, stored: Stored | undefined, tell: Tell | undefined): Message {
    const { topic, key } = record;
    const lane = this.#options.order === 'key' && key !== null ? `${topic} ${key.toString('latin1')}` : undefined;
    return { record, bytes, lane, stored, tell, attempts: 0, sentAfter: 0, exhausted: false, place: 'resting', retry: undefined };
  }

  #belongsOnDisk({ lane }: Message): boolean {
    if (lane !== undefined) {
      const last = this.#lanes.last(lane);
      // It follows the ones before it, wherever those go.
      if (last !== undefined && last.stored === undefined) return false;
      if (!this.#isDiskRead || this.#toDisk.waits) return true;
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
      message.sentAfter = this.#arrivals;
      this.#outlet.send(message.record, (error, delivery) => {
        if (message.place === 'gone') return;
        if (error === undefined) this.#arrived(message, delivery as Delivery);
        else if (!error.retriable && !isOfMissingTopic(error)) this.#dropped(message, 'refused', error);
        else this.#failed(message, error);
        this.#go();
      });
    } else if (this.#up === false && message.stored === undefined) this.#divert(message);
  }

  #failed(message: Message, error: DeliveryError): void {
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
    // Others have arrived meanwhile: Kafka is there, but not for this one, whose topic may be missing.
    const isItsOwn = message.sentAfter !== this.#arrivals;
    if (this.#up === true) this.#report(undelivered(message.record.topic), error);
    if (message.stored === undefined) this.#divert(message);
    else if (message.lane === undefined) {
      if (isItsOwn) this.#putBack(message);
      else message.exhausted = true;
    } else {
      // It waits where it is; what follows it and is not on disk must not wait in memory.
      for (const follower of this.#lanes.takeOut(message, ({ stored }) => stored === undefined)) this.#leaveLive(follower);
    }
    // If it is the message's own fault, the probe says so at once, and little goes to the disk meanwhile.
    if (!isItsOwn || message.lane !== undefined) this.suspect();
  }

  /** What has no order among what is on disk goes to its end: there may be thousands before it that arrive, and it is tried again after them. */
  #putBack(message: Message): void {
    message.exhausted = false;
    message.place = 'returning';
    this.#toDisk.putBack(message);
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
    this.#toDisk.add(message);
  }

  #arrived(message: Message, delivery: Delivery): void {
    if (message.stored === undefined) this.#counters.delivered += 1;
    else this.#counters.replayed += 1;
    this.#arrivals += 1;
    this.#reported.delete('refused');
    this.#reported.delete(undelivered(message.record.topic));
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
    if (this.#probing || this.#over) return;
    this.#probing = true;
    this.#outlet.probe((error) => {
      this.#probing = false;
      if (this.#over) return;
      if (error === undefined) this.#isUp();
      else this.#isAway();
      this.#go();
    });
  }

  #isUp(): void {
    this.#up = true;
    this.#probes = 0;
    for (const message of [...this.#replaying, ...this.#live])
      if (message.place === 'resting' && this.#isFirst(message)) {
        if (message.exhausted) this.#putBack(message);
        else this.#attempt(message);
      }
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
    if (this.#over) return;
    if (this.#closed !== undefined) this.#goOnClosing();
    this.#write();
    this.#read();
    this.#tellState();
  }

  #goOnClosing(): void {
    if (this.#up === false || this.#hurried) for (const message of this.#live) this.#divert(message);
    const isIdle = this.#live.size === 0 && this.#toDisk.isIdle;
    const isReplayOver = this.#up !== true || this.#hurried || [...this.#replaying].every(({ place }) => place !== 'sent');
    if (!isIdle || !isReplayOver || this.#reading) return;
    this.#over = true;
    // Those stay on disk.
    for (const message of this.#replaying) {
      message.retry?.unsubscribe();
      message.place = 'gone';
    }
    this.#closed?.();
  }

  #write(): void {
    if (this.#toDisk.isWriting) return;
    if (this.#toDisk.waits && this.#options.order === 'key' && this.#up === true && this.#closed === undefined) {
      // The disk is nearly read: in a moment the keys that are on their way are all known, and these need not go there.
      if (this.#isDiskRead && !this.#isLiveFull) {
        this.#followReplay();
        return;
      }
      if (this.#reading && this.#spill.unread <= MOST_REPLAYING && !this.#isLiveFull) return;
    }
    this.#toDisk.write();
  }

  #followReplay(): void {
    for (const message of this.#toDisk.takeBack()) {
      message.place = 'resting';
      this.#goLive(message);
    }
  }

  #isOnDisk({ record, tell }: Message): void {
    this.#counters.spilled += 1;
    this.#reported.delete('quota');
    this.#reported.delete('disk');
    this.#say({ where: 'disk', topic: record.topic, key: record.key, replayed: false }, tell);
  }

  #lost({ record, tell }: Message, error: SpillError): void {
    const reason = error.reason as 'quota' | 'disk';
    this.#counters.dropped[reason] += 1;
    this.#report(reason, error);
    this.#say({ where: 'dropped', topic: record.topic, key: record.key, reason, error, replayed: false }, tell);
  }

  /** It is at the end of what is on disk, and nobody waits for it. */
  #returned(message: Message): void {
    message.place = 'gone';
    this.#replaying.delete(message);
    this.#spill.done(message.stored as Stored);
  }

  /** There is no room to put it back: it is tried where it is. */
  #notReturned(message: Message): void {
    message.retry = this.#options.scheduler.schedule(() => {
      this.#attempt(message);
      this.#go();
    }, this.#options.maxBackoffMs);
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
      `${records} messages in ${spillPath} got older than ${maxSpillAgeMs} ms, and are lost: Kafka did not take them for so long.`,
      {
        path: spillPath,
        records,
        reason: 'age',
      },
    );
  }

  #tellState(): void {
    // Before it is known what is on disk, something may be.
    const isDiskEmpty = this.#opened && this.#spill.backlog.records === 0 && this.#toDisk.isIdle;
    const state = this.#up === false ? 'spilling' : isDiskEmpty ? 'kafka' : 'replaying';
    if (state !== this.#state$.value) this.#state$.next(state);
  }
}

/** It may be made yet. A partition that is not there is the message's own fault. */
function isOfMissingTopic(error: DeliveryError): boolean {
  return error instanceof UnknownDestinationError && error.kafkaCode !== UNKNOWN_PARTITION;
}

/** What is reported of a topic that takes nothing. */
function undelivered(topic: string): string {
  return `undelivered ${topic}`;
}
