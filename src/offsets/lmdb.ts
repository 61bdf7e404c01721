import { resolve } from 'node:path';
import { KafkaRxError, OptionError } from '../errors.js';
import { lock } from '../lock.js';
import { checkOptions } from '../options.js';
import type { TopicPartition } from '../position.js';
import type { StateKey, StateReader } from '../state.js';
import { CheckpointTable } from './checkpointTable.js';
import { prepare, unavailable } from './directory.js';
import { LmdbState } from './lmdbState.js';
import { roomForCheckpoints, roomForRecords } from './room.js';
import type { ApplyWrite, Checkpoint, Claim, OffsetStore } from './store.js';
import { StoreFiles } from './storeFiles.js';
import { Transactions } from './transactions.js';

export interface OpenOffsetsOptions {
  /**
   * How long a write may take before the store is given up as failed, and how long it waits for room on a full disk. Default 30,000 ms. Too
   * short, and a slow disk ends the stream; too long, and a disk that is dead or full is reported late.
   */
  readonly commitTimeoutMs?: number;
}

const DEFAULT_COMMIT_TIMEOUT_MS = 30_000;

/**
 * Opens the offset store in `directory`, and makes it if it is not there yet. Synchronous.
 *
 * A checkpoint that was written is on disk: it survives `kill -9` and loss of power. The store belongs to one process at a time; within
 * it, any number of streams may share it.
 *
 * The directory is made if its parent exists, with mode 0700. Keep it on a local disk. What it holds is looked through whenever the last
 * owner did not close it, so damage is an error here and not a crash or a wrong offset later.
 *
 * On a full disk a write waits for room, and goes on when there is some. After `commitTimeoutMs` it fails; then nothing was written, and
 * the next write tries again. After a failure of the disk the store is closed, looked through and opened again, and what is missing is
 * written once more; when that does not help, this and every later write fails with a `StoreFailedError`.
 *
 * @throws {StoreLockedError} if another live owner has it open.
 * @throws {StoreUnavailableError} if the directory cannot be made or written to, if its disk is full, or if it is on a network.
 * @throws {StoreLostError} if the directory held offsets and they are gone: it never starts from the beginning by itself.
 * @throws {StoreCorruptError} if the files are damaged, or older than they should be.
 * @throws {StoreFormatError} if a newer version wrote them, or another program did.
 *
 * @example
 * ```ts
 * await using offsets = openOffsets('./offsets');
 * const orders$ = fromTopic(kafka, 'orders', { group: 'billing', offsets }).pipe(commit());
 * ```
 */
export function openOffsets(directory: string, options: OpenOffsetsOptions = {}): OffsetStore {
  if (typeof directory !== 'string' || directory === '')
    throw new OptionError('openOffsets: the first argument is the path of a directory.');
  checkOptions('openOffsets', options, { commitTimeoutMs: 'positive' });
  const path = resolve(directory);
  let unlock: (() => Promise<void>) | undefined;
  try {
    prepare(path);
    unlock = lock(path, { what: 'offset store', share: 'One store has one owner; share the opened store within a process.' });
    const commitTimeoutMs = options.commitTimeoutMs ?? DEFAULT_COMMIT_TIMEOUT_MS;
    return new LmdbOffsets(new StoreFiles(path, commitTimeoutMs), unlock, commitTimeoutMs);
  } catch (error) {
    void unlock?.();
    throw error instanceof KafkaRxError ? error : unavailable(path, error instanceof Error ? error.message : String(error), error);
  }
}

class LmdbOffsets implements OffsetStore {
  readonly #files: StoreFiles;
  readonly #unlock: () => Promise<void>;
  readonly #checkpoints: CheckpointTable;
  /** Its tables outlive an environment. */
  readonly #state: LmdbState;
  readonly #transactions: Transactions;
  #closing: Promise<void> | undefined;

  constructor(files: StoreFiles, unlock: () => Promise<void>, commitTimeoutMs: number) {
    this.#files = files;
    this.#unlock = unlock;
    this.#checkpoints = new CheckpointTable(files.path, () => files.environment);
    this.#state = new LmdbState(files.path, () => files.environment);
    this.#transactions = new Transactions(files, {
      commitTimeoutMs,
      takeWritten: () => this.#state.takeWritten(),
      onUnknown: () => {
        this.#checkpoints.forget();
      },
    });
  }

  claim(group: string, partitions: readonly TopicPartition[]): Promise<readonly Claim[]> {
    return this.#transactions.submit(roomForRecords(partitions.length), () => partitions.map((at) => this.#checkpoints.claim(group, at)));
  }

  write(group: string, checkpoints: readonly Checkpoint[], apply?: ApplyWrite): Promise<readonly Checkpoint[]> {
    return this.#transactions.submit(roomForCheckpoints(checkpoints), () => {
      const refused = checkpoints.filter((checkpoint) => !this.#checkpoints.put(group, checkpoint, 'forward'));
      if (apply !== undefined) {
        this.#state.transact((txn) => {
          apply(refused, txn);
        });
      }
      return refused;
    });
  }

  reset(group: string, checkpoints: readonly Checkpoint[]): Promise<readonly Checkpoint[]> {
    return this.#transactions.submit(roomForCheckpoints(checkpoints), () =>
      checkpoints.filter((checkpoint) => !this.#checkpoints.put(group, checkpoint, 'anywhere')),
    );
  }

  list(group: string): Promise<readonly Checkpoint[]> {
    // Read where writes are made: a read transaction of its own would be one more thing to keep short.
    return this.#transactions.submit(roomForRecords(0), () => this.#checkpoints.list(group));
  }

  state<V, K extends StateKey>(name: string): StateReader<V, K> {
    return this.#state.read(name);
  }

  close(): Promise<void> {
    this.#closing ??= this.#close();
    return this.#closing;
  }

  [Symbol.asyncDispose](): Promise<void> {
    return this.close();
  }

  async #close(): Promise<void> {
    await this.#transactions.close();
    const { stuck } = this.#transactions;
    // LMDB may never answer again, and nobody waits for that. Until it does, the directory stays locked: its write may still come.
    if (stuck === undefined) await this.#leave();
    else void stuck.then(() => this.#leave());
  }

  async #leave(): Promise<void> {
    if (await this.#files.close({ sealed: !this.#transactions.failed })) await this.#unlock();
  }
}
