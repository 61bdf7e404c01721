/**
 * Lines of things with the same key: the first of a line is on its way, the others wait for it.
 *
 * Things without a key stand in no line.
 */
export class KeyLanes<T extends { readonly lane: string | undefined }> {
  readonly #lanes = new Map<string, T[]>();

  /** Whether it may go at once: nothing with its key is there before it. */
  enter(thing: T): boolean {
    if (thing.lane === undefined) return true;
    const lane = this.#lanes.get(thing.lane);
    if (lane === undefined) this.#lanes.set(thing.lane, [thing]);
    else lane.push(thing);
    return lane === undefined;
  }

  first(key: string): T | undefined {
    return this.#lanes.get(key)?.[0];
  }

  last(key: string | undefined): T | undefined {
    return key === undefined ? undefined : this.#lanes.get(key)?.at(-1);
  }

  /** The first of its line is finished; answers the one that may go now. */
  leave({ lane }: T): T | undefined {
    if (lane === undefined) return undefined;
    const things = this.#lanes.get(lane);
    things?.shift();
    if (things?.length === 0) this.#lanes.delete(lane);
    return things?.[0];
  }

  /** Takes those that pass the test out of the line of this one, in their order. */
  takeOut({ lane }: T, test: (thing: T) => boolean): T[] {
    if (lane === undefined) return [];
    const things = this.#lanes.get(lane) ?? [];
    const stay = things.filter((thing) => !test(thing));
    if (stay.length === 0) this.#lanes.delete(lane);
    else this.#lanes.set(lane, stay);
    return things.filter(test);
  }
}
