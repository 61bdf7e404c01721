/** What the demo trades in. */

import type { Observable } from 'rxjs';
import { map, timer } from 'rxjs';

export interface Order {
  readonly item: string;
  readonly quantity: number;
  readonly cents: number;
}

const ITEMS = ['tea', 'coffee', 'sugar', 'flour', 'honey'] as const;

export function orderOf(number: number): Order {
  return { item: ITEMS[number % ITEMS.length] as string, quantity: 1 + (number % 7), cents: 100 + (number % 900) };
}

/** What an order costs. Stands for a service that is asked over the network, and answers sooner or later. */
export function priceOf({ quantity, cents }: Order): Observable<number> {
  return timer(10 + (cents % 80)).pipe(map(() => quantity * cents));
}

/** The key of an order, and of its invoice. */
export function keyOf(run: string, number: number): string {
  return `${run}-${number}`;
}

/** The number in a key, if it is one of this run: a topic may hold those of others. */
export function numberIn(key: string, run: string): number | undefined {
  return key.startsWith(`${run}-`) ? Number(key.slice(run.length + 1)) : undefined;
}

/** The header that says for which run a record was written. */
export const RUN_HEADER = 'run';
