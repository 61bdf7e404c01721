import type { StateKey, StateKeyPart, StateRange, StateReader, StateTable, StateTransaction } from '../state.js';
import { checkStateKey } from './stateKey.js';

type Entries = Map<string, readonly [StateKey, unknown]>;

/** Tables in memory. Values are copied on their way in and out, as they would be on their way to disk. */
export class MemoryState {
  #tables = new Map<string, Entries>();

  read<V, K extends StateKey>(name: string): StateReader<V, K> {
    return reader(() => this.#tables.get(name) ?? EMPTY);
  }

  /** Does the work on copies of the tables that it touches, and keeps them if it does not throw. */
  transact(work: (txn: StateTransaction) => void): void {
    const touched = new Map<string, Entries>();
    const entriesOf = (name: string): Entries => {
      let entries = touched.get(name);
      if (entries === undefined) touched.set(name, (entries = new Map(this.#tables.get(name))));
      return entries;
    };
    work({ table: <V, K extends StateKey>(name: string) => table<V, K>(entriesOf(name)) });
    this.#tables = new Map([...this.#tables, ...touched]);
  }
}

const EMPTY: Entries = new Map();

function table<V, K extends StateKey>(entries: Entries): StateTable<V, K> {
  return {
    ...reader<V, K>(() => entries),
    put(key, value) {
      checkStateKey(key);
      entries.set(JSON.stringify(key), [key, structuredClone(value)]);
    },
    remove(key) {
      checkStateKey(key);
      entries.delete(JSON.stringify(key));
    },
  };
}

function reader<V, K extends StateKey>(entries: () => Entries): StateReader<V, K> {
  return {
    get(key) {
      checkStateKey(key);
      return structuredClone(entries().get(JSON.stringify(key))?.[1]) as V | undefined;
    },
    entries({ from, to, limit = Infinity }: StateRange<K> = {}) {
      const sorted = [...entries().values()].sort(([a], [b]) => compare(a, b));
      const found = sorted.filter(([key]) => (from === undefined || compare(key, from) >= 0) && (to === undefined || compare(key, to) < 0));
      return structuredClone(found.slice(0, limit)) as unknown as (readonly [K, V])[];
    },
  };
}

/** The order that LMDB's keys have. */
function compare(a: StateKey, b: StateKey): number {
  const parts = [a, b].map((key) => (typeof key === 'object' ? key : [key])) as unknown as [
    readonly StateKeyPart[],
    readonly StateKeyPart[],
  ];
  for (let i = 0; i < Math.min(parts[0].length, parts[1].length); i += 1) {
    const order = comparePart(parts[0][i] as StateKeyPart, parts[1][i] as StateKeyPart);
    if (order !== 0) return order;
  }
  return parts[0].length - parts[1].length;
}

function comparePart(a: StateKeyPart, b: StateKeyPart): number {
  const kinds = ['boolean', 'number', 'string'];
  if (typeof a !== typeof b) return kinds.indexOf(typeof a) - kinds.indexOf(typeof b);
  if (typeof a === 'string') return Buffer.compare(Buffer.from(a), Buffer.from(b as string));
  return Number(a) - Number(b);
}
