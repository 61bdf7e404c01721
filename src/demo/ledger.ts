import type { Delivery, Position } from '../index.js';

export interface Totals {
  /** Orders that the cluster has acknowledged. */
  readonly produced: number;
  /** Of them, those with an invoice in the log. */
  readonly processed: number;
  /** Of them, those with more than one. */
  readonly repeated: number;
  /** Of them, those with none. */
  readonly lost: number;
}

/** The orders of one partition. */
export interface Share {
  readonly partition: number;
  readonly orders: number;
  /** The offset of the first one. */
  readonly first: number;
  /** The offset after the last one. */
  readonly end: number;
}

/**
 * Which orders went in, and how often each came out.
 *
 * Both sides are what the cluster says, by acknowledgement and by log; a worker's own word counts for nothing here.
 */
export class Ledger {
  readonly #orders = new Set<number>();
  /** How many invoices there are of an order. */
  readonly #invoices = new Map<number, number>();
  readonly #shares = new Map<number, Share>();

  /** An order was acknowledged. */
  produced(order: number, { partition, offset }: Delivery): void {
    this.#orders.add(order);
    const { orders, first, end } = this.#shares.get(partition) ?? { orders: 0, first: offset, end: offset };
    this.#shares.set(partition, { partition, orders: orders + 1, first: Math.min(first, offset), end: Math.max(end, offset + 1) });
  }

  /** An invoice stands in the log. */
  invoiced(order: number): void {
    this.#invoices.set(order, (this.#invoices.get(order) ?? 0) + 1);
  }

  /** How many orders have gone in so far. */
  get orders(): number {
    return this.#orders.size;
  }

  /** How many of them have come out so far, once or more often. */
  get invoices(): number {
    return this.#invoices.size;
  }

  get totals(): Totals {
    const counts = [...this.#orders].map((order) => this.#invoices.get(order) ?? 0);
    return {
      produced: counts.length,
      processed: counts.filter((count) => count > 0).length,
      repeated: counts.filter((count) => count > 1).length,
      lost: counts.filter((count) => count === 0).length,
    };
  }

  /** By partition. */
  get shares(): readonly Share[] {
    return [...this.#shares.values()].sort((a, b) => a.partition - b.partition);
  }

  /** Whether every order is finished, as far as these frontiers say. */
  isBehind(frontiers: readonly Position[]): boolean {
    return this.shares.every(({ partition, end }) => frontiers.some((at) => at.partition === partition && at.offset >= end));
  }
}
