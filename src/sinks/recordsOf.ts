import type { DeliveryError } from '../errors.js';
import type { Delivery } from '../record.js';
import type { Entry } from './inOrder.js';
import type { Outgoing } from './outgoing.js';
import type { Sent } from './transport.js';

/** Whoever waits for the records of inputs. */
export interface Waiting<T> {
  /** Whether anybody wants to know where they were written. */
  readonly wantsDeliveries: boolean;
  /** Whether a record that was not acknowledged fails everything, or settles like the others. */
  readonly failures: 'error' | 'result';
  settle(entry: Entry<T, readonly Delivery[]>, deliveries: readonly Delivery[]): void;
  fail(error: DeliveryError): void;
}

export type Awaited<T> = Entry<T, readonly Delivery[]>;

const NONE: readonly Delivery[] = [];

/** An input with one record, as most have: nothing more than this is kept for it. */
export class OneRecord<T> implements Awaited<T>, Sent {
  readonly input: T;
  readonly record: Outgoing;
  readonly waiting: Waiting<T>;
  outcome: readonly Delivery[] | undefined = undefined;

  constructor(input: T, record: Outgoing, waiting: Waiting<T>) {
    this.input = input;
    this.record = record;
    this.waiting = waiting;
  }

  acknowledged(partition: number, offset: number, timestamp: number): void {
    this.waiting.settle(this, this.waiting.wantsDeliveries ? [{ topic: this.record.topic, partition, offset, timestamp }] : NONE);
  }

  failed(error: DeliveryError): void {
    if (this.waiting.failures === 'error') this.waiting.fail(error);
    else this.waiting.settle(this, [undelivered(error)]);
  }
}

/** An input with none, two or more. */
export class SomeRecords<T> implements Awaited<T> {
  readonly input: T;
  readonly sents: readonly Sent[];
  outcome: readonly Delivery[] | undefined = undefined;

  constructor(input: T, records: readonly Outgoing[], waiting: Waiting<T>) {
    this.input = input;
    const deliveries = new Array<Delivery>(records.length);
    let missing = records.length;
    const settle = (i: number, delivery: Delivery): void => {
      deliveries[i] = delivery;
      missing -= 1;
      if (missing === 0) waiting.settle(this, deliveries);
    };
    this.sents = records.map((record, i) => ({
      record,
      acknowledged: (partition: number, offset: number, timestamp: number) => {
        settle(i, { topic: record.topic, partition, offset, timestamp });
      },
      failed: (error: DeliveryError) => {
        if (waiting.failures === 'error') waiting.fail(error);
        else settle(i, undelivered(error));
      },
    }));
  }
}

function undelivered(error: DeliveryError): Delivery {
  return { topic: error.topic, partition: error.partition ?? -1, offset: -1, timestamp: -1, error };
}
