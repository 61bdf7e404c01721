import { randomUUID } from 'node:crypto';
import { accessSync, constants, mkdirSync, statSync } from 'node:fs';
import { createRequire } from 'node:module';
import { resolve } from 'node:path';
import type * as Lmdb from 'lmdb';
import { KafkaRxError, OptionError, StoreCorruptError, StoreFailedError, StoreFormatError, StoreUnavailableError } from '../errors.js';
import { checkOptions } from '../options.js';
import type { TopicPartition } from '../position.js';
import { CodecError, decodeCheckpoint, encodeCheckpoint } from './codec.js';
import { assertForward } from './forward.js';
import { groupKey, parseKey, partitionKey } from './keys.js';
import { lock } from './lock.js';
import type { Manifest } from './manifest.js';
import { FORMAT, checkManifest, parseManifest, preflight, presize, writeManifestFile } from './manifest.js';
import type { ApplyWrite, Checkpoint, Claim, OffsetStore } from './store.js';
import { LmdbState } from './lmdbState.js';
import type { StateKey, StateReader } from '../state.js';

export interface OpenOffsetsOptions {
  /** How long a write may take before the store is given up as failed. Default 30,000 ms. Too short, and a slow disk ends the stream. */
  readonly commitTimeoutMs?: number;
}

const DEFAULT_COMMIT_TIMEOUT_MS = 30_000;

/**
 * Opens the offset store in `directory`, and makes it if it is not there yet. Synchronous.
 *
 * A checkpoint that was written is on disk: it survives `kill -9` and loss of power. The store belongs to one process at a time; within
 * it, any number of streams may share it.
 *
 * The directory is made if its parent exists, with mode 0700. Keep it on a local disk.
 *
 * @throws {StoreLockedError} if another live owner has it open.
 * @throws {StoreUnavailableError} if the directory cannot be made or written to.
 * @throws {StoreLostError} if the directory held offsets and they are gone: it never starts from the beginning by itself.
 * @throws {StoreCorruptError} if the files are damaged. @throws {StoreFormatError} if a newer version wrote them.
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
    unlock = lock(path);
    return new LmdbOffsets(path, unlock, options.commitTimeoutMs ?? DEFAULT_COMMIT_TIMEOUT_MS);
  } catch (error) {
    void unlock?.();
    throw error instanceof KafkaRxError ? error : unavailable(path, error instanceof Error ? error.message : String(error), error);
  }
}

type Bytes = Lmdb.Database<Buffer, Buffer>;

/** Something that goes into the next transaction. */
interface Job {
  readonly work: () => unknown;
  readonly resolve: (result: never) => void;
  readonly reject: (error: unknown) => void;
}

class LmdbOffsets implements OffsetStore {
  readonly #path: string;
  readonly #unlock: () => Promise<void>;
  readonly #commitTimeoutMs: number;
  readonly #root: Lmdb.RootDatabase<Buffer, Buffer>;
  /** The current epoch of each claimed partition. */
  readonly #epochs: Bytes;
  readonly #checkpoints: Bytes;
  readonly #state: LmdbState;
  #queue: Job[] = [];
  #running: Promise<void> | undefined;
  #failure: StoreFailedError | undefined;
  #closing: Promise<void> | undefined;

  constructor(path: string, unlock: () => Promise<void>, commitTimeoutMs: number) {
    this.#path = path;
    this.#unlock = unlock;
    this.#commitTimeoutMs = commitTimeoutMs;
    const file = preflight(path);
    this.#root = open(path);
    try {
      const meta = table(this.#root, 'meta');
      this.#epochs = table(this.#root, 'epochs');
      this.#checkpoints = table(this.#root, 'checkpoints');
      this.#state = new LmdbState(
        this.#root.openDB<unknown, Lmdb.Key>({ name: 'state', encoding: 'msgpack', keyEncoding: 'ordered-binary', cache: false }),
      );
      this.#check(meta, file);
    } catch (error) {
      void this.#root.close();
      throw error;
    }
  }

  claim(group: string, partitions: readonly TopicPartition[]): Promise<readonly Claim[]> {
    return this.#submit(() =>
      partitions.map(({ topic, partition }) => {
        const key = partitionKey(group, { topic, partition });
        const epoch = this.#epoch(key) + 1;
        const value = Buffer.alloc(8);
        value.writeBigUInt64BE(BigInt(epoch));
        void this.#epochs.put(key, value);
        return { topic, partition, epoch, checkpoint: this.#read(key) };
      }),
    );
  }

  write(group: string, checkpoints: readonly Checkpoint[], apply?: ApplyWrite): Promise<readonly Checkpoint[]> {
    return this.#submit(() => {
      const refused = checkpoints.filter((checkpoint) => !this.#put(group, checkpoint, 'forward'));
      if (apply !== undefined) {
        this.#state.transact((txn) => {
          apply(refused, txn);
        });
      }
      return refused;
    });
  }

  reset(group: string, checkpoints: readonly Checkpoint[]): Promise<readonly Checkpoint[]> {
    return this.#submit(() => checkpoints.filter((checkpoint) => !this.#put(group, checkpoint, 'anywhere')));
  }

  list(group: string): Promise<readonly Checkpoint[]> {
    // Read where writes are made: a read transaction of its own would be one more thing to keep short.
    return this.#submit(() => {
      const start = groupKey(group);
      const found: Checkpoint[] = [];
      for (const key of this.#checkpoints.getKeys({ start, end: Buffer.concat([start, PAST_ALL]) })) {
        const checkpoint = this.#read(key);
        if (checkpoint !== undefined) found.push(checkpoint);
      }
      return found;
    });
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
    await this.#running;
    // A store that failed may never answer again, and closing it would wait for that.
    if (this.#failure === undefined) await this.#root.close();
    await this.#unlock();
  }

  /** A new store gets its manifest: into the data first, so that a crash in between leaves a store that can be opened. */
  #check(meta: Bytes, file: Manifest | undefined): void {
    const record = meta.get(MANIFEST_KEY);
    const stored = record === undefined ? undefined : parseManifest(this.#path, record.toString());
    checkManifest(this.#path, file, stored);
    if (file !== undefined) return;
    const manifest = stored ?? { format: FORMAT, id: randomUUID() };
    if (stored === undefined) meta.putSync(MANIFEST_KEY, Buffer.from(JSON.stringify(manifest)));
    presize(this.#path);
    writeManifestFile(this.#path, manifest);
  }

  #epoch(key: Buffer): number {
    const value = this.#epochs.get(key);
    return value === undefined ? 0 : Number(value.readBigUInt64BE());
  }

  #read(key: Buffer): Checkpoint | undefined {
    const value = this.#checkpoints.get(key);
    if (value === undefined) return undefined;
    const { topic, partition } = parseKey(key);
    try {
      return { topic, partition, ...decodeCheckpoint(value) };
    } catch (cause) {
      const where = `${this.#path}: the checkpoint of ${topic}/${partition}`;
      if (cause instanceof CodecError && cause.kind === 'version')
        throw new StoreFormatError(`${where} was written by a newer version of kafka-rx (${cause.message}): upgrade.`, {
          path: this.#path,
        });
      throw new StoreCorruptError(`${where} is damaged. Restore the store from a backup, or reset this partition.`, {
        path: this.#path,
        cause,
      });
    }
  }

  /** Whether the checkpoint was taken: one with an old epoch is not. */
  #put(group: string, checkpoint: Checkpoint, direction: 'forward' | 'anywhere'): boolean {
    const key = partitionKey(group, checkpoint);
    if (this.#epoch(key) !== checkpoint.epoch) return false;
    if (direction === 'forward') assertForward(this.#read(key), checkpoint);
    void this.#checkpoints.put(key, encodeCheckpoint(checkpoint));
    return true;
  }

  #submit<T>(work: () => T): Promise<T> {
    return new Promise<T>((resolve, reject) => {
      if (this.#closing !== undefined) throw new StoreFailedError(`the offset store ${this.#path} was closed.`);
      if (this.#failure !== undefined) throw this.#failure;
      this.#queue.push({ work, resolve, reject });
      this.#running ??= this.#run();
    });
  }

  /** The one write path: one transaction in flight, and everything that is ready goes into the next. */
  async #run(): Promise<void> {
    while (this.#queue.length > 0) {
      const jobs = this.#queue;
      this.#queue = [];
      try {
        const results = await this.#transact(jobs);
        jobs.forEach((job, i) => {
          job.resolve(results[i] as never);
        });
      } catch (error) {
        if (error instanceof Refusal) {
          // It has rolled back the transaction that it shared; the others go into the next one.
          error.job.reject(error.cause);
          this.#queue.unshift(...jobs.filter((job) => job !== error.job));
        } else {
          for (const job of [...jobs, ...this.#queue.splice(0)]) job.reject(error);
        }
      }
    }
    this.#running = undefined;
  }

  /** All jobs or none, on disk when it resolves. */
  #transact(jobs: readonly Job[]): Promise<unknown[]> {
    return new Promise((resolve, reject) => {
      let refusal: Refusal | undefined;
      const fail = (cause: unknown): void => {
        // What a job refuses by itself changed nothing; after anything else it is unknown what is on disk.
        reject(refusal ?? (this.#failure ??= failed(this.#path, cause)));
      };
      const watchdog = setTimeout(() => {
        fail(new Error(`no answer within ${this.#commitTimeoutMs} ms`));
      }, this.#commitTimeoutMs);
      this.#root
        .childTransaction(() =>
          jobs.map((job) => {
            try {
              return job.work();
            } catch (cause) {
              throw (refusal = new Refusal(job, cause));
            }
          }),
        )
        .then(resolve, (error: unknown) => {
          // lmdb-js hangs a second promise on the error; left alone it would end the process as an unhandled rejection.
          (error as { commitError?: Promise<unknown> }).commitError?.catch(() => undefined);
          fail(error);
        })
        .finally(() => {
          clearTimeout(watchdog);
        });
    });
  }
}

/** A job threw: the transaction was rolled back, nothing has failed. */
class Refusal extends Error {
  readonly job: Job;

  constructor(job: Job, cause: unknown) {
    super('a job was refused', { cause });
    this.job = job;
  }
}

const MANIFEST_KEY = Buffer.from('manifest');
const PAST_ALL = Buffer.alloc(300, 0xff);

function failed(path: string, cause: unknown): StoreFailedError {
  const reason = cause instanceof Error ? cause.message : String(cause);
  return new StoreFailedError(
    `a write to the offset store ${path} failed (${reason}). Whether it is on disk is unknown until the store is opened again: check the disk, then restart.`,
    { cause },
  );
}

/** Loaded when a store is opened, so that importing kafka-rx loads no native code. */
function open(path: string): Lmdb.RootDatabase<Buffer, Buffer> {
  const lmdb = createRequire(import.meta.url)('lmdb') as typeof Lmdb;
  return lmdb.open<Buffer, Buffer>({
    path,
    noSubdir: false,
    // The default resolves a commit that a failed fsync has lost.
    overlappingSync: false,
    // The default leaves an unhandled rejection behind every failed commit.
    eventTurnBatching: false,
    permissionsMode: 0o600,
    maxDbs: 8,
    mapSize: 64 * 1024 * 1024,
    encoding: 'binary',
    keyEncoding: 'binary',
    cache: false,
    compression: false,
  } as Parameters<typeof lmdb.open>[0] & { path: string });
}

function table(root: Lmdb.RootDatabase<Buffer, Buffer>, name: string): Bytes {
  return root.openDB<Buffer, Buffer>({ name, encoding: 'binary', keyEncoding: 'binary', cache: false });
}

function prepare(path: string): void {
  try {
    mkdirSync(path, { mode: 0o700 });
  } catch (cause) {
    const { code } = cause as NodeJS.ErrnoException;
    if (code !== 'EEXIST') throw unavailable(path, code === 'ENOENT' ? 'its parent directory does not exist' : String(code), cause);
  }
  if (!statSync(path).isDirectory()) throw unavailable(path, 'it is a file, not a directory');
  try {
    accessSync(path, constants.R_OK | constants.W_OK | constants.X_OK);
  } catch (cause) {
    throw unavailable(path, `it is not writable for this user (${String((cause as NodeJS.ErrnoException).code)})`, cause);
  }
}

function unavailable(path: string, reason: string, cause?: unknown): StoreUnavailableError {
  return new StoreUnavailableError(
    `the offset store ${path} cannot be used: ${reason}. Choose a directory on a local disk that this user may write to.`,
    { path, cause },
  );
}
