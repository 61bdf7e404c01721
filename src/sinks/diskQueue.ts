import type { SchedulerLike } from 'rxjs';
import { SpillError } from '../errors.js';
import { backoffMs } from './backoff.js';
import type { Outgoing } from './outgoing.js';
import type { Spill, Stored } from './spill.js';

/** What goes to the disk. */
export interface Spilling {
  readonly record: Outgoing;
  readonly bytes: number;
  /** Where it lies there already. */
  readonly stored: Stored | undefined;
}

export interface DiskQueueOptions {
  readonly maxBackoffMs: number;
  readonly spillPath: string;
  readonly scheduler: SchedulerLike;
}

export interface DiskQueueEvents<M> {
  /** It is on disk, whatever happens now. */
  onDisk(message: M): void;
  /** There was no room for it, or the disk has failed too often. */
  onLost(message: M, error: SpillError): void;
  /** It is at the end of what is on disk, too. */
  onReturned(message: M): void;
  /** It is where it was. */
  onNotReturned(message: M): void;
  /** A write is over. */
  onWritten(): void;
}

/** What is read or written at once. */
export const GROUP = { records: 1_000, bytes: 1_024 * 1_024 };
const WRITE_RETRIES = 3;

/** Messages that wait for the disk, which takes them by the group, oldest first. */
export class DiskQueue<M extends Spilling> {
  readonly #spill: Spill;
  readonly #options: DiskQueueOptions;
  readonly #events: DiskQueueEvents<M>;
  #waiting: M[] = [];
  /** Those that go from where they are on disk to its end, when nothing else waits. */
  #returning: M[] = [];
  /** Those that are being written. */
  #group: readonly M[] = [];
  /** These were on disk before. */
  #isReturning = false;
  #bytes = 0;
  #writes = 0;

  constructor(spill: Spill, options: DiskQueueOptions, events: DiskQueueEvents<M>) {
    this.#spill = spill;
    this.#options = options;
    this.#events = events;
  }

  /** How many are nowhere else, those that are being written included. */
  get messages(): number {
    return this.#waiting.length + (this.#isReturning ? 0 : this.#group.length);
  }

  get bytes(): number {
    return this.#bytes;
  }

  get waits(): boolean {
    return this.#waiting.length > 0;
  }

  get isWriting(): boolean {
    return this.#group.length > 0;
  }

  get isIdle(): boolean {
    return !this.waits && !this.isWriting;
  }

  add(message: M): void {
    this.#waiting.push(message);
    this.#bytes += message.bytes;
  }

  putBack(message: M): void {
    this.#returning.push(message);
  }

  /** Those that wait need not go to the disk after all. */
  takeBack(): readonly M[] {
    const messages = this.#waiting;
    this.#waiting = [];
    this.#bytes = 0;
    return messages;
  }

  /** Begins to write what waits, unless a write is under way. */
  write(): void {
    if (this.isWriting) return;
    this.#writes = 0;
    this.#isReturning = !this.waits;
    if (this.#isReturning) this.#nextReturning();
    else this.#nextGroup();
  }

  /** What fits into a write; what does not fit within the quota is lost. */
  #nextGroup(): void {
    while (this.waits && !this.isWriting) {
      const { group, over } = this.#split(this.#waiting);
      this.#waiting.splice(0, group.length + over.length);
      // Before anybody is told, who may answer with the next message.
      this.#begin(group);
      for (const message of over) this.#lost(message, 'quota', `the spill directory ${this.#options.spillPath} holds as much as it may`);
    }
  }

  #nextReturning(): void {
    const { group, over } = this.#split(this.#returning);
    this.#returning.splice(0, group.length + over.length);
    this.#begin(group);
    for (const message of over) this.#events.onNotReturned(message);
  }

  /** The first of them: those for which there is room, and those amid these for which there is none. */
  #split(messages: readonly M[]): { group: M[]; over: M[] } {
    const group: M[] = [];
    const over: M[] = [];
    const { room } = this.#spill;
    let bytes = 0;
    for (const message of messages) {
      if (group.length >= GROUP.records || (group.length > 0 && bytes + message.bytes > GROUP.bytes)) break;
      if (bytes + message.bytes > room) {
        over.push(message);
        continue;
      }
      group.push(message);
      bytes += message.bytes;
    }
    return { group, over };
  }

  #begin(group: readonly M[]): void {
    this.#group = group;
    if (group.length > 0) this.#writeGroup();
  }

  #writeGroup(): void {
    const { maxBackoffMs, scheduler, spillPath } = this.#options;
    const group = this.#group;
    const isReturning = this.#isReturning;
    this.#spill.write(
      group.map(({ record, stored }) => ({ record, at: stored?.at })),
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
        for (const message of group) {
          if (isReturning) {
            if (error === undefined) this.#events.onReturned(message);
            else this.#events.onNotReturned(message);
          } else if (error === undefined) {
            this.#bytes -= message.bytes;
            this.#events.onDisk(message);
          } else this.#lost(message, 'disk', `the spill directory ${spillPath} took nothing (${error.message})`, error);
        }
        // Last: whoever was told may have asked for the next write, or to close.
        this.#group = [];
        this.#events.onWritten();
      },
    );
  }

  #lost(message: M, reason: 'quota' | 'disk', what: string, cause?: unknown): void {
    this.#bytes -= message.bytes;
    this.#events.onLost(
      message,
      new SpillError(`${what}: a message to ${message.record.topic} that Kafka did not take is lost.`, {
        path: this.#options.spillPath,
        records: 1,
        reason,
        cause,
      }),
    );
  }
}
