import type { DeliveryError } from '../errors.js';
import type { Delivery } from '../record.js';
import type { Outgoing } from './outgoing.js';

/** Called once for every record that was sent. */
export type Settle = (error: DeliveryError | undefined, delivery: Delivery | undefined) => void;

/** The way to Kafka. */
export interface Outlet {
  /** Calls `settle` once, later. */
  send(record: Outgoing, settle: Settle): void;
  /** Finds out whether Kafka is there. One at a time. */
  probe(done: (error: unknown) => void): void;
}
