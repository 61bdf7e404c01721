import type { DeliveryError } from '../errors.js';
import type { Fifo } from '../fifo.js';
import type { HeaderValues, Outgoing } from './outgoing.js';

/** A record on its way; it settles once. */
export interface Sent {
  readonly record: Outgoing;
  acknowledged(partition: number, offset: number, timestamp: number): void;
  failed(error: DeliveryError): void;
}

/** How records get into a client's queue, and how it is learnt what became of them. */
export interface Transport {
  readonly headerValues: HeaderValues;
  /** How many records it was given whose fate is not known. */
  readonly pending: number;
  /** How many bytes their keys, values and headers have. Counted when it is asked for. */
  readonly pendingBytes: number;
  /** How often `poll` is to be called while there are such records. */
  readonly pollMs: number;
  /** The client is connected. */
  start(): void;
  /** Takes records, oldest first, for as long as there is room; false if there is no more, until records have settled. It may go on beyond the call. */
  handOver(unsent: Fifo<Sent>): boolean;
  /** Serves what the client only gives to those who ask: errors, statistics and reports, unless they come by themselves. */
  poll(): void;
  /** Nothing settles any more, and the client is about to be closed. */
  stop(): void;
  /** The client is gone. */
  close(): void;
}

/** What a client's queue takes at most, in bytes. */
export interface Limits {
  readonly recordBytes: number;
  readonly queueBytes: number;
}

/** What has become of records; they are counted before anybody is told of them. */
export interface Outcomes {
  delivered: number;
  failed: number;
}

export interface TransportEvents {
  readonly outcomes: Outcomes;
  /** The record was not taken, and never will be. */
  onRefused(sent: Sent, error: DeliveryError): void;
  /** Records have settled: there may be room for others. */
  onSettled(): void;
  /** What took longer is done; `hasRoom` is what `handOver` would have returned. */
  onHandedOver(hasRoom: boolean): void;
}
