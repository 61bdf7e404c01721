import { closeSync, openSync } from 'node:fs';
import { join } from 'node:path';
import { StoreCorruptError, StoreLostError, StoreUnavailableError } from '../errors.js';
import type { TopicPartition } from '../position.js';
import { decodeCheckpoint, decodeEpoch } from './codec.js';
import { parseKey, partitionKey } from './keys.js';
import type { ManifestFile } from './manifest.js';
import { readManifestFile } from './manifest.js';
import { newest, readMetas } from './pages.js';
import { inspect } from './records.js';
import type { Checkpoint } from './store.js';
import { Damage, checkStructure } from './structure.js';

/** What a store remembers of one partition for one group. */
export interface GroupCheckpoint extends Checkpoint {
  readonly group: string;
}

/** A store as of one of its transactions. */
export interface Snapshot {
  readonly manifest: ManifestFile;
  readonly transaction: number;
  readonly checkpoints: readonly GroupCheckpoint[];
  /** The current epoch of a partition: of its last claim, which may not have written yet. */
  readonly epochOf: (group: string, at: TopicPartition) => number;
  /** The partitions whose checkpoint cannot be read. */
  readonly damaged: readonly (TopicPartition & { readonly group: string })[];
  /** How many records of all tables that were looked at are damaged by themselves. */
  readonly damagedRecords: number;
}

/** The owner may write faster than we can read: then we begin again, so often. */
const ATTEMPTS = 1_000;

/**
 * Reads a store without opening it, so also while its owner is at work: it takes no lock, writes nothing, and starts no LMDB, which a damaged
 * file would crash.
 *
 * LMDB never overwrites a page that its last two transactions can reach. So what was read is one transaction's if no more than one came since.
 *
 * @param what `'offsets'` leaves the user's state out, which may be large; `'all'` looks at every page.
 * @throws {StoreLostError} if there is no store. @throws {StoreCorruptError} if it is damaged. @throws {StoreFormatError} if it is too new.
 */
export function readSnapshot(path: string, what: 'offsets' | 'all'): Snapshot {
  let file: number;
  let manifest: ManifestFile | undefined;
  try {
    manifest = readManifestFile(path);
    file = openSync(join(path, 'data.mdb'), 'r');
  } catch (error) {
    const { code } = error as NodeJS.ErrnoException;
    if (code === 'ENOENT' || code === 'ENOTDIR') throw new StoreLostError(`${path} holds no offset store.`, { path });
    if (code === undefined) throw error;
    throw new StoreUnavailableError(`the offset store ${path} cannot be read (${code}).`, { path, cause: error });
  }
  try {
    if (manifest === undefined) throw new StoreLostError(`${path} holds no offset store: it has no manifest.json.`, { path });
    for (let attempt = 1; ; attempt += 1) {
      const snapshot = readOnce(path, file, manifest, what);
      if (snapshot !== undefined) return snapshot;
      if (attempt === ATTEMPTS)
        throw new StoreUnavailableError(
          `the offset store ${path} is written faster than it can be read. Try again when there is less to do.`,
          {
            path,
            retriable: true,
          },
        );
    }
  } finally {
    closeSync(file);
  }
}

/** Answers nothing if the owner was quicker. */
function readOnce(path: string, file: number, manifest: ManifestFile, what: 'offsets' | 'all'): Snapshot | undefined {
  const before = transactionOf(file);
  const checkpoints: GroupCheckpoint[] = [];
  const epochs = new Map<string, number>();
  const damaged: Snapshot['damaged'][number][] = [];
  try {
    const damagedRecords = checkStructure(
      file,
      (table, key, value) => {
        const state = inspect(table, key, value);
        if (table === 'epochs' && state === 'intact') epochs.set(key.toString('latin1'), decodeEpoch(value));
        if (table !== 'checkpoints') return state;
        if (state === 'intact') checkpoints.push({ ...parseKey(key), ...decodeCheckpoint(value) });
        else damaged.push(parseKey(key));
        return state;
      },
      what === 'all' ? {} : { only: ['meta', 'epochs', 'checkpoints'] },
    );
    if (transactionOf(file) - before > 1) return undefined;
    const epochOf = (group: string, at: TopicPartition): number => epochs.get(partitionKey(group, at).toString('latin1')) ?? 0;
    return { manifest, transaction: before, checkpoints, epochOf, damaged, damagedRecords };
  } catch (error) {
    if (transactionOf(file) !== before) return undefined;
    if (!(error instanceof Damage)) throw error;
    throw new StoreCorruptError(`${path}: data.mdb ${error.message}. Restore the whole directory from a backup.`, { path, cause: error });
  }
}

function transactionOf(file: number): number {
  const metas = readMetas(file);
  return metas === undefined ? -1 : newest(metas).transaction;
}
