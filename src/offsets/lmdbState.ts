import { OptionError, StoreCorruptError } from '../errors.js';
import type { StateKey, StateRange, StateReader, StateTable, StateTransaction } from '../state.js';
import type { Environment } from './environment.js';
import type { Room } from './room.js';
import { isSealedFor, seal, unseal } from './sealed.js';
import { checkStateKey } from './stateKey.js';

/**
 * The user's tables, all in one database whose keys begin with the table's name: LMDB opens a database only outside of transactions, and
 * tables come into being inside them.
 */
export class LmdbState {
  readonly #path: string;
  readonly #environment: () => Environment;
  #puts = 0;
  #bytes = 0;

  /** @param environment The one that is open at the time. */
  constructor(path: string, environment: () => Environment) {
    this.#path = path;
    this.#environment = environment;
  }

  read<V, K extends StateKey>(name: string): StateReader<V, K> {
    return this.#reader(name, () => undefined);
  }

  /** What was written since the last call. */
  takeWritten(): Room {
    const written = { puts: this.#puts, bytes: this.#bytes };
    this.#puts = 0;
    this.#bytes = 0;
    return written;
  }

  /** To be called within a transaction of the environment; what is used of it later is an error. */
  transact(work: (txn: StateTransaction) => void): void {
    let open = true;
    const assertOpen = (): void => {
      if (!open) throw new OptionError('the transaction of `apply` is over: use it only until `apply` returns.');
    };
    try {
      work({ table: <V, K extends StateKey>(name: string) => this.#table<V, K>(name, assertOpen) });
    } finally {
      open = false;
    }
  }

  #table<V, K extends StateKey>(name: string, assertOpen: () => void): StateTable<V, K> {
    return {
      ...this.#reader<V, K>(name, assertOpen),
      put: (key, value) => {
        assertOpen();
        checkStateKey(key);
        const { state, stateCodec } = this.#environment();
        const place = stateCodec.encodeKey(keyOf(name, key));
        const sealed = seal(place, stateCodec.encodeValue(value));
        void state.put(place, sealed);
        this.#count(place.length + sealed.length);
      },
      remove: (key) => {
        assertOpen();
        checkStateKey(key);
        const { state, stateCodec } = this.#environment();
        void state.remove(stateCodec.encodeKey(keyOf(name, key)));
        this.#count(0);
      },
    };
  }

  #reader<V, K extends StateKey>(name: string, assertOpen: () => void): StateReader<V, K> {
    return {
      get: (key) => {
        assertOpen();
        checkStateKey(key);
        const { state, stateCodec } = this.#environment();
        const sealed = state.get(stateCodec.encodeKey(keyOf(name, key)));
        return (sealed && this.#open(sealed)) as V | undefined;
      },
      entries: ({ from, to, limit = Infinity }: StateRange<K> = {}) => {
        assertOpen();
        const { state, stateCodec } = this.#environment();
        const found: (readonly [K, V])[] = [];
        const start = stateCodec.encodeKey(from === undefined ? [name] : keyOf(name, from));
        const range = to === undefined ? { start } : { start, end: stateCodec.encodeKey(keyOf(name, to)) };
        for (const place of state.getKeys(range)) {
          if (found.length >= limit) break;
          const sealed = state.get(place) as Buffer;
          if (!isSealedFor(place, sealed)) throw this.#damaged('key');
          const [table, first, ...rest] = stateCodec.decodeKey(place) as [string, K, ...unknown[]];
          if (table !== name) break;
          found.push([(rest.length === 0 ? first : [first, ...rest]) as K, this.#open(sealed) as V]);
        }
        return found;
      },
    };
  }

  #count(bytes: number): void {
    this.#puts += 1;
    this.#bytes += bytes;
  }

  #open(sealed: Buffer): unknown {
    const value = unseal(sealed);
    if (value === undefined) throw this.#damaged('value');
    return this.#environment().stateCodec.decodeValue(value);
  }

  #damaged(what: 'key' | 'value'): StoreCorruptError {
    return new StoreCorruptError(`${this.#path}: a ${what} of the state is damaged. Restore the store from a backup.`, {
      path: this.#path,
    });
  }
}

function keyOf(name: string, key: StateKey): readonly unknown[] {
  return typeof key === 'object' ? [name, ...key] : [name, key];
}
