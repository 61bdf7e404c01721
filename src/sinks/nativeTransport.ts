import type { Outbox } from '../addon.js';
import { HOLD_MS } from '../eventLoop.js';
import type { Fifo } from '../fifo.js';
import { textOf } from '../rdkafka.js';
import type { Limits, Sent, Transport, TransportEvents } from './transport.js';
import { QUEUE_FULL, TOO_LARGE, fits, notAcknowledged, refused, sizeOf } from './undelivered.js';
import { Window } from './window.js';

/** How many reports are taken at once. */
const REPORTS = 1_000;
/** Fewer rows are handed over at once: that takes less time than a worker takes to come, and needs none that waits for something else. */
const FOR_A_WORKER = 100;
const BYTES_FOR_A_WORKER = 65_536;
/** The columns as `native/producer.cc` lays them out. */
const [ID, CODE, PARTITION, REPORT_INTEGERS] = [0, 1, 2, 3] as const;
const [OFFSET, TIMESTAMP, REPORT_DOUBLES] = [0, 1, 2] as const;
const NONE = -1;
/** In place of a partition: the queue did not take the record. */
const NOT_TAKEN = -2;

/** Window by window through the addon in `native/`; reports come by themselves. */
export class NativeTransport implements Transport {
  readonly headerValues = 'bytes';
  /** There is nothing to ask for; but a full queue may have room a little after the report that says so. */
  readonly pollMs = 10;
  readonly #outbox: Outbox;
  readonly #limits: Limits;
  readonly #events: TransportEvents;
  readonly #window = new Window();
  /** A worker has the window. */
  #isSending = false;
  /** The first row of the window that is still to be handed over. */
  #first = 0;
  /** What is in the window or in the client's queue, by the number that it has there. */
  #sent: (Sent | undefined)[] = [];
  #free: number[] = [];
  readonly #integers = new Int32Array(REPORTS * REPORT_INTEGERS);
  readonly #doubles = new Float64Array(REPORTS * REPORT_DOUBLES);

  constructor(makeOutbox: (onReports: () => void) => Outbox, limits: Limits, events: TransportEvents) {
    this.#limits = limits;
    this.#events = events;
    this.#outbox = makeOutbox(() => {
      this.#settle();
    });
  }

  get pending(): number {
    return this.#sent.length - this.#free.length;
  }

  get pendingBytes(): number {
    return this.#sent.reduce((bytes, sent) => (sent === undefined ? bytes : bytes + sizeOf(sent.record)), 0);
  }

  handOver(unsent: Fifo<Sent>): boolean {
    if (this.#isSending) return true;
    const window = this.#window;
    while (window.count > 0 || unsent.length > 0) {
      if (window.count === 0) this.#fill(unsent);
      if (window.count - this.#first >= FOR_A_WORKER || window.size >= BYTES_FOR_A_WORKER) {
        this.#isSending = true;
        this.#send((next) => {
          this.#isSending = false;
          this.#events.onHandedOver(this.#tookUpTo(next));
        });
        return true;
      }
      if (!this.#tookUpTo(this.#send())) return false;
    }
    return true;
  }

  start(): void {
    this.#outbox.start();
  }

  poll(): void {
    // A thread of the outbox's does.
  }

  stop(): void {
    this.#sent = [];
    this.#free = [];
    this.#outbox.stop();
  }

  close(): void {
    this.#outbox.close();
  }

  #send(done?: (next: number) => void): number {
    const { topics, bytes, columns, headers, timestamps, count } = this.#window;
    return this.#outbox.send(topics, bytes, columns, headers, timestamps, this.#first, count, done);
  }

  /** Whether that was all of the window. */
  #tookUpTo(row: number): boolean {
    const isAll = row === this.#window.count;
    if (isAll) this.#window.clear();
    this.#first = isAll ? 0 : row;
    return isAll;
  }

  #fill(unsent: Fifo<Sent>): void {
    const window = this.#window;
    for (let next = unsent.peek(); next !== undefined && !window.isFull; next = unsent.peek()) {
      unsent.shift();
      const { record } = next;
      const size = sizeOf(record);
      if (size > this.#limits.recordBytes) this.#events.onRefused(next, refused(record, TOO_LARGE, this.#limits));
      else if (!fits(record, this.#limits)) this.#events.onRefused(next, refused(record, QUEUE_FULL, this.#limits));
      else {
        const id = this.#free.pop() ?? this.#sent.length;
        this.#sent[id] = next;
        window.add(id, record, size);
      }
    }
  }

  #settle(): void {
    const [integers, doubles] = [this.#integers, this.#doubles];
    const { outcomes } = this.#events;
    const end = performance.now() + HOLD_MS;
    for (let count = this.#outbox.take(integers, doubles); count > 0; count = this.#outbox.take(integers, doubles)) {
      for (let i = 0; i < count; i += 1) {
        const id = integers[i * REPORT_INTEGERS + ID] as number;
        const sent = this.#sent[id];
        // Stopped meanwhile.
        if (sent === undefined) return;
        this.#sent[id] = undefined;
        this.#free.push(id);
        const code = integers[i * REPORT_INTEGERS + CODE] as number;
        const partition = integers[i * REPORT_INTEGERS + PARTITION] as number;
        if (code === 0) {
          outcomes.delivered += 1;
          const offset = doubles[i * REPORT_DOUBLES + OFFSET] as number;
          // Without an acknowledgement the client has another number below 0.
          sent.acknowledged(partition, offset < 0 ? NONE : offset, doubles[i * REPORT_DOUBLES + TIMESTAMP] as number);
        } else {
          outcomes.failed += 1;
          if (partition === NOT_TAKEN) sent.failed(refused(sent.record, code, this.#limits));
          else sent.failed(notAcknowledged(sent.record, code, textOf(code), partition));
        }
      }
      if (performance.now() >= end) {
        setImmediate(() => {
          this.#settle();
        });
        break;
      }
    }
    this.#events.onSettled();
  }
}
