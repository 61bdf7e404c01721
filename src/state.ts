/** One part of a key. Numbers come before text, and `false` before `true` before numbers, in the order of the keys. */
export type StateKeyPart = string | number | boolean;

/** A key of the user's own state: a single part, or several, which are ordered part by part. */
export type StateKey = StateKeyPart | readonly [StateKeyPart, StateKeyPart, ...StateKeyPart[]];

/** Which entries to read. */
export interface StateRange<K extends StateKey> {
  /** The first key. Default: the first there is. */
  readonly from?: K;
  /** The first key that is not read any more. Default: none. */
  readonly to?: K;
  /** How many at most. Default: all, in memory at once. */
  readonly limit?: number;
}

/** A named table of the user's own state, as of the last commit. */
export interface StateReader<V, K extends StateKey = string> {
  get(key: K): V | undefined;
  /** A copy of the entries, in the order of their keys. */
  entries(range?: StateRange<K>): (readonly [key: K, value: V])[];
}

/** A named table inside a transaction: what is put is seen by later reads of the same transaction. */
export interface StateTable<V, K extends StateKey = string> extends StateReader<V, K> {
  /** Values are what `structuredClone` and MessagePack both know: plain objects, arrays, text, numbers, bigints, dates, maps, sets and buffers. */
  put(key: K, value: V): void;
  remove(key: K): void;
}

/** The transaction in which offsets are remembered: all that is done in it happens together with them, or not at all. */
export interface StateTransaction {
  /** A table of any name; it need not be made first. */
  table<V, K extends StateKey = string>(name: string): StateTable<V, K>;
}

/** Changes the state by values whose records are remembered in the same transaction. Synchronous. */
export type ApplyState<T> = (values: readonly T[], txn: StateTransaction) => void;
