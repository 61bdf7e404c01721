import type { Observable } from 'rxjs';
import { range } from 'rxjs';
import type { Delivery, Kafka } from '../index.js';
import { toTopic } from '../index.js';
import { keyOf, orderOf } from './orders.js';

/** An order that the cluster has acknowledged. */
export interface Made {
  readonly order: number;
  readonly delivery: Delivery;
}

export interface MakerOptions {
  readonly topic: string;
  readonly run: string;
  /** The first number. */
  readonly from: number;
  /** The one after the last. */
  readonly to: number;
}

/** Makes orders, and tells of each one that is acknowledged. */
export function makeOrders(kafka: Kafka, { topic, run, from, to }: MakerOptions): Observable<Made> {
  return range(from, to - from).pipe(
    toTopic(kafka, topic, (order) => ({ key: keyOf(run, order), value: JSON.stringify(orderOf(order)) }), {
      result: (order, [delivery]): Made => ({ order, delivery: delivery as Delivery }),
    }),
  );
}
