import { createRequire } from 'node:module';
import type * as Lmdb from 'lmdb';
import { dataBytes } from './dataFile.js';

export type Bytes = Lmdb.Database<Buffer, Buffer>;

/** LMDB as it is open now. After a failed write, another one takes its place. */
export interface Environment {
  readonly meta: Bytes;
  /** The current epoch of each claimed partition. */
  readonly epochs: Bytes;
  readonly checkpoints: Bytes;
  /** The user's own. */
  readonly state: Bytes;
  /** How the user's own keys and values become bytes. */
  readonly stateCodec: StateCodec;
  /** All that is put within `work` is put, or nothing if it throws. Resolves when it is on disk. */
  transaction(work: () => void): Promise<unknown>;
  close(): Promise<void>;
}

/** Keys are of the kind 'ordered-binary', values are MessagePack. */
export interface StateCodec {
  encodeKey(key: readonly unknown[]): Buffer;
  decodeKey(bytes: Buffer): unknown;
  encodeValue(value: unknown): Buffer;
  decodeValue(bytes: Buffer): unknown;
}

/** LMDB maps so many times the size of its file: it can grow for long before the map must. */
const MAP_FACTOR = 4;
const MAP_BYTES = 64 * 1024 * 1024;

/** Loaded when a store is opened, so that importing kafka-rx loads no native code. */
export function openEnvironment(path: string): Environment {
  const lmdb = createRequire(import.meta.url)('lmdb') as typeof Lmdb;
  const root = lmdb.open<Buffer, Buffer>({
    path,
    noSubdir: false,
    // The default resolves a commit that a failed fsync has lost.
    overlappingSync: false,
    // The default leaves an unhandled rejection behind every failed commit.
    eventTurnBatching: false,
    permissionsMode: 0o600,
    maxDbs: 8,
    mapSize: Math.max(MAP_BYTES, MAP_FACTOR * (dataBytes(path) ?? 0)),
    encoding: 'binary',
    keyEncoding: 'binary',
    cache: false,
    compression: false,
  } as Parameters<typeof lmdb.open>[0] & { path: string });
  const table = (name: string): Bytes => root.openDB<Buffer, Buffer>({ name, encoding: 'binary', keyEncoding: 'binary', cache: false });
  try {
    return {
      meta: table('meta'),
      epochs: table('epochs'),
      checkpoints: table('checkpoints'),
      state: table('state'),
      stateCodec: stateCodec(lmdb, root),
      // Of the transactions of lmdb-js, this one is rolled back when its callback throws.
      transaction: (work) => root.childTransaction(work),
      close: () => root.close(),
    };
  } catch (error) {
    void root.close();
    throw error;
  }
}

function stateCodec(lmdb: typeof Lmdb, root: Lmdb.RootDatabase<Buffer, Buffer>): StateCodec {
  // The types of lmdb-js leave out how it makes bytes of keys.
  const { keyValueToBuffer, bufferToKeyValue } = lmdb as unknown as {
    readonly keyValueToBuffer: StateCodec['encodeKey'];
    readonly bufferToKeyValue: StateCodec['decodeKey'];
  };
  // An encoder comes with a table. Values pass by its `put` and `get`, because each gets a checksum.
  const { encoder } = root.openDB({ name: 'state', encoding: 'msgpack', keyEncoding: 'binary', cache: false }) as unknown as {
    readonly encoder: { readonly encode: StateCodec['encodeValue']; readonly decode: StateCodec['decodeValue'] };
  };
  return {
    encodeKey: keyValueToBuffer,
    decodeKey: bufferToKeyValue,
    encodeValue: (value) => encoder.encode(value),
    decodeValue: (bytes) => encoder.decode(bytes),
  };
}
