import type { Checkpoint } from '../../src/offsets/store.js';

export const GROUP = 'billing';
export const PARTITIONS = 8;

/** A defect that the checker has to find. */
export type Planted = 'nothing' | 'noSync' | 'no sync of the manifest' | 'no sync of directories';

/** A line of the journal of the one who works with the store. */
export type Note =
  | { readonly did: 'open' | 'close' }
  | { readonly did: 'claim'; readonly epoch: number }
  /** Written before it asks. */
  | { readonly did: 'ask'; readonly id: number; readonly checkpoints: readonly Checkpoint[] }
  /** Written when the store has said that it is durable. */
  | { readonly did: 'write'; readonly id: number };

/** What a store gave back after the power was lost. */
export interface Findings {
  readonly checkpoints: readonly Checkpoint[];
  /** Of each partition, the number of the write that its state is from. */
  readonly state: readonly (readonly [partition: string, id: number])[];
  /** What a claim of every partition gave. */
  readonly epochs: readonly number[];
}

interface Ask {
  readonly checkpoints: readonly Checkpoint[];
  durable: boolean;
}

/** Knows from the journal what a store must, and what it may, remember. */
export class Expectation {
  #asks = new Map<number, Ask>();
  #opened = false;
  #epoch = 0;

  /** Whether anything was promised so far, be it only that the store is open. */
  get promised(): boolean {
    return this.#opened;
  }

  take(note: Note): void {
    switch (note.did) {
      case 'open':
        this.#opened = true;
        return;
      case 'close':
        return;
      case 'claim':
        this.#epoch = note.epoch;
        return;
      case 'ask':
        this.#asks.set(note.id, { checkpoints: note.checkpoints, durable: false });
        return;
      case 'write':
        (this.#asks.get(note.id) as Ask).durable = true;
        this.#forget();
        return;
    }
  }

  /** What is wrong with the findings: `lost` is what was promised and is gone, `torn` what nobody ever asked for. */
  check({ checkpoints, state, epochs }: Findings): { readonly kind: 'lost' | 'torn'; readonly what: string }[] {
    const faults: { kind: 'lost' | 'torn'; what: string }[] = [];
    /** Of each partition, the number of the ask that it shows. */
    const shown = new Map<number, number>();
    for (const found of checkpoints) {
      const text = JSON.stringify(found);
      const from = [...this.#asks].find(([, ask]) => ask.checkpoints.some((asked) => JSON.stringify(asked) === text));
      if (from === undefined) faults.push({ kind: 'torn', what: `nobody asked for ${text.slice(0, 200)}` });
      else shown.set(found.partition, from[0]);
    }
    const states = JSON.stringify(state);
    const expected = JSON.stringify([...shown].map(([partition, id]) => [String(partition), id]).sort());
    if (states !== expected) faults.push({ kind: 'torn', what: `a state of ${states} with offsets of ${expected}` });
    for (const [id, { checkpoints: asked, durable }] of this.#asks) {
      const reached = asked.map(({ partition }) => (shown.get(partition) ?? -1) >= id);
      if (durable && reached.includes(false)) faults.push({ kind: 'lost', what: `write ${id}, of ${reached.join()}` });
      if (reached.includes(true) && reached.includes(false)) faults.push({ kind: 'torn', what: `half of write ${id}: ${reached.join()}` });
    }
    for (const epoch of epochs) if (epoch <= this.#epoch) faults.push({ kind: 'lost', what: `epoch ${epoch} was given out before` });
    return faults;
  }

  /** Whatever every partition has surely left behind can no longer be shown. */
  #forget(): void {
    const last = new Map<number, number>();
    for (const [id, { checkpoints, durable }] of this.#asks) if (durable) for (const { partition } of checkpoints) last.set(partition, id);
    for (const [id, { checkpoints }] of this.#asks)
      if (checkpoints.every(({ partition }) => (last.get(partition) ?? -1) > id)) this.#asks.delete(id);
  }
}
