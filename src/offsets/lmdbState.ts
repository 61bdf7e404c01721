import { OptionError } from '../errors.js';
import type { StateKey, StateKeyPart, StateRange, StateReader, StateTable, StateTransaction } from '../state.js';
import { checkStateKey } from './stateKey.js';

/** What is used of LMDB, with keys of the kind 'ordered-binary' and values of the kind 'msgpack'. */
export interface StateDatabase {
  get(key: Key): unknown;
  put(key: Key, value: unknown): Promise<boolean>;
  remove(key: Key): Promise<boolean>;
  getRange(range: { start: Key; end?: Key }): Iterable<{ key: unknown; value: unknown }>;
}

type Key = StateKeyPart[];

/**
 * The user's tables, all in one database whose keys begin with the table's name: LMDB opens a database only outside of transactions, and
 * tables come into being inside them.
 */
export class LmdbState {
  readonly #entries: StateDatabase;

  constructor(entries: StateDatabase) {
    this.#entries = entries;
  }

  read<V, K extends StateKey>(name: string): StateReader<V, K> {
    return reader(this.#entries, name, () => undefined);
  }

  /** To be called within a transaction of the environment; what is used of it later is an error. */
  transact(work: (txn: StateTransaction) => void): void {
    let open = true;
    const assertOpen = (): void => {
      if (!open) throw new OptionError('the transaction of `apply` is over: use it only until `apply` returns.');
    };
    try {
      work({ table: <V, K extends StateKey>(name: string) => table<V, K>(this.#entries, name, assertOpen) });
    } finally {
      open = false;
    }
  }
}

function table<V, K extends StateKey>(entries: StateDatabase, name: string, assertOpen: () => void): StateTable<V, K> {
  return {
    ...reader<V, K>(entries, name, assertOpen),
    put(key, value) {
      assertOpen();
      checkStateKey(key);
      void entries.put(keyOf(name, key), value);
    },
    remove(key) {
      assertOpen();
      checkStateKey(key);
      void entries.remove(keyOf(name, key));
    },
  };
}

function reader<V, K extends StateKey>(entries: StateDatabase, name: string, assertOpen: () => void): StateReader<V, K> {
  return {
    get(key) {
      assertOpen();
      checkStateKey(key);
      return entries.get(keyOf(name, key)) as V | undefined;
    },
    entries({ from, to, limit = Infinity }: StateRange<K> = {}) {
      assertOpen();
      const found: (readonly [K, V])[] = [];
      const start = from === undefined ? [name] : keyOf(name, from);
      for (const { key, value } of entries.getRange(to === undefined ? { start } : { start, end: keyOf(name, to) })) {
        const [table, first, ...rest] = key as [string, K, ...unknown[]];
        if (table !== name || found.length >= limit) break;
        found.push([(rest.length === 0 ? first : [first, ...rest]) as K, value as V]);
      }
      return found;
    },
  };
}

function keyOf(name: string, key: StateKey): Key {
  return typeof key === 'object' ? [name, ...key] : [name, key];
}
