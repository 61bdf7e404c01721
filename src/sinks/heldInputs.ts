import type { Journal, Lane, Position } from '../position.js';
import type { Outgoing } from './outgoing.js';

/** An input whose records wait for the transaction that commits its offset. */
export interface Held<T> {
  readonly input: T;
  readonly lane: Lane;
  readonly offset: number;
  readonly records: readonly Outgoing[];
}

/** Inputs that wait for their transaction, in the order in which they came. There are never more than the sources have in flight. */
export class HeldInputs<T> {
  #held: Held<T>[] = [];

  get size(): number {
    return this.#held.length;
  }

  add(held: Held<T>): void {
    this.#held.push(held);
  }

  /** Exactly those that belong into a transaction which commits these offsets of this source. What was lost meanwhile comes again elsewhere, and is let go. */
  below(positions: readonly Position[], journal: Journal): readonly Held<T>[] {
    this.#held = this.#held.filter(({ lane }) => lane.live);
    const ends = new Map<string, (number | undefined)[]>();
    for (const { topic, partition, offset } of positions) {
      const ofTopic = ends.get(topic) ?? [];
      ofTopic[partition] = offset;
      ends.set(topic, ofTopic);
    }
    return this.#held.filter(({ lane, offset }) => lane.journal === journal && offset < (ends.get(lane.topic)?.[lane.partition] ?? 0));
  }

  remove(held: readonly Held<T>[]): void {
    const gone = new Set(held);
    this.#held = this.#held.filter((one) => !gone.has(one));
  }
}
