import type { DeliveryReport } from 'node-rdkafka';
import type { Fifo } from '../fifo.js';
import type { RdkafkaError } from '../rdkafka.js';
import { codeOf } from '../rdkafka.js';
import type { Outgoing } from './outgoing.js';
import { isTextWithoutNul } from './outgoing.js';
import type { Limits, Sent, Transport, TransportEvents } from './transport.js';
import { QUEUE_FULL, fits, notAcknowledged, refused, sizeOf } from './undelivered.js';

/** The C++ object behind a producer of node-rdkafka. */
export interface ProducerHandle {
  /** 0, or librdkafka's error code. */
  produce(
    topic: string,
    partition: number | null,
    value: Buffer | null,
    key: Buffer | null,
    timestamp: number | undefined,
    opaque: number,
    headers: Record<string, string>[] | undefined,
  ): number;
  poll(): void;
}

const INVALID_ARGUMENT = -186;

/** Record by record through node-rdkafka's own `produce`, with a report for each. */
export class PlainTransport implements Transport {
  readonly headerValues = 'text';
  /** Reports are only served by a poll. */
  readonly pollMs = 1;
  readonly #handle: ProducerHandle;
  readonly #limits: Limits;
  readonly #events: TransportEvents;
  readonly #pending = new Map<number, Sent>();
  #nextId = 1;

  constructor(handle: ProducerHandle, limits: Limits, events: TransportEvents) {
    this.#events = events;
    this.#handle = handle;
    this.#limits = limits;
  }

  get pending(): number {
    return this.#pending.size;
  }

  get pendingBytes(): number {
    let bytes = 0;
    for (const { record } of this.#pending.values()) bytes += sizeOf(record);
    return bytes;
  }

  handOver(unsent: Fifo<Sent>): boolean {
    for (let next = unsent.peek(); next !== undefined; next = unsent.peek()) {
      const { record } = next;
      const id = this.#nextId;
      const code = isSendable(record) ? produce(this.#handle, record, id) : INVALID_ARGUMENT;
      if (code === QUEUE_FULL && fits(record, this.#limits)) return false;
      unsent.shift();
      this.#nextId += 1;
      if (code === 0) this.#pending.set(id, next);
      else this.#events.onRefused(next, refused(record, code, this.#limits));
    }
    return true;
  }

  start(): void {
    // There is nothing but the client.
  }

  poll(): void {
    this.#handle.poll();
  }

  /** For node-rdkafka's delivery reports. */
  report(error: RdkafkaError | null, report: DeliveryReport): void {
    const id = report.opaque as number;
    const sent = this.#pending.get(id);
    if (sent === undefined) return;
    this.#pending.delete(id);
    const { partition, timestamp = -1 } = report;
    this.#events.outcomes[error === null ? 'delivered' : 'failed'] += 1;
    // Without an acknowledgement the client counts up from a number below 0.
    if (error === null) sent.acknowledged(partition, Math.max(report.offset, -1), timestamp);
    else sent.failed(notAcknowledged(sent.record, codeOf(error), error.message, partition, error));
    this.#events.onSettled();
  }

  stop(): void {
    this.#pending.clear();
  }

  close(): void {
    // There is nothing but the client.
  }
}

/** Hands a record to node-rdkafka, whose headers are texts; answers 0, or librdkafka's error code. */
export function produce(handle: ProducerHandle, { topic, partition, value, key, timestamp, headers }: Outgoing, id: number): number {
  const texts = headers.length === 0 ? undefined : headers.map(([name, content]) => ({ [name]: String(content) }));
  return handle.produce(topic, partition, value, key, timestamp, id, texts);
}

/** Where it comes from a disk, it may have been put there by a process that had the addon. */
function isSendable({ headers }: Outgoing): boolean {
  return headers.every(([, content]) => content !== null && isTextWithoutNul(content));
}
