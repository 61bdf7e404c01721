import { rmSync } from 'node:fs';
import { createRequire } from 'node:module';
import { join, resolve } from 'node:path';
import { setTimeout as delay } from 'node:timers/promises';
import type * as Lmdb from 'lmdb';
import { KafkaRxError, OptionError, StoreCorruptError, StoreFailedError, StoreFormatError, StoreLostError } from '../errors.js';
import { checkOptions } from '../options.js';
import type { TopicPartition } from '../position.js';
import type { StateKey, StateReader } from '../state.js';
import type { Room } from './dataFile.js';
import { CodecError, decodeCheckpoint, decodeEpoch, encodeCheckpoint, encodeEpoch } from './codec.js';
import { DataFile, dataBytes, makeRoomToOpen } from './dataFile.js';
import { prepare, unavailable } from './directory.js';
import { assertForward } from './forward.js';
import type { StateDatabase } from './lmdbState.js';
import { LmdbState } from './lmdbState.js';
import { groupKey, isIntact, parseKey, partitionKey } from './keys.js';
import { lock } from './lock.js';
import type { ManifestFile } from './manifest.js';
import { checkManifest, newManifest, parseManifest, readManifestFile, writeManifestFile } from './manifest.js';
import type { ApplyWrite, Checkpoint, Claim, OffsetStore } from './store.js';
import { Damage } from './structure.js';

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
 * @throws {StoreCorruptError} if the files are damaged, or older than they should be. @throws {StoreFormatError} if a newer version wrote them.
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

/** LMDB as it is open now. After a failed write, another one takes its place. */
interface Environment {
  readonly root: Lmdb.RootDatabase<Buffer, Buffer>;
  readonly meta: Bytes;
  /** The current epoch of each claimed partition. */
  readonly epochs: Bytes;
  readonly checkpoints: Bytes;
  /** The user's own. */
  readonly state: Lmdb.Database<unknown>;
}

/** Something that goes into the next transaction. */
interface Job {
  readonly work: () => unknown;
  /** Without that for the user's own function, of which nobody knows what it writes until it has. */
  readonly room: Room;
  readonly resolve: (result: never) => void;
  readonly reject: (error: unknown) => void;
}

/** How often a transaction is tried if the disk fails under it. */
const ATTEMPTS = 3;
/** How often it is looked whether a full disk has room again. */
const ROOM_POLL_MS = 100;

class LmdbOffsets implements OffsetStore {
  readonly #path: string;
  readonly #unlock: () => Promise<void>;
  readonly #commitTimeoutMs: number;
  readonly #data: DataFile;
  readonly #manifest: ManifestFile;
  /** `undefined` when it could not be opened again. */
  #environment: Environment | undefined;
  /** Its tables outlive an environment. */
  readonly #state: LmdbState;
  /** What the user's own functions have written in the transaction under way. */
  readonly #applied = { puts: 0, bytes: 0 };
  #queue: Job[] = [];
  #running: Promise<void> | undefined;
  #failure: KafkaRxError | undefined;
  /** Settles when a transaction that was given up has ended after all. */
  #stuck: Promise<unknown> | undefined;
  #closing: Promise<void> | undefined;

  constructor(path: string, unlock: () => Promise<void>, commitTimeoutMs: number) {
    this.#path = path;
    this.#unlock = unlock;
    this.#commitTimeoutMs = commitTimeoutMs;
    this.#state = new LmdbState(this.#stateDatabase());
    const { manifest: file, intact } = preflight(path);
    const environment = (this.#environment = open(path));
    let data: DataFile | undefined;
    try {
      this.#manifest = agree(path, environment, file);
      data = this.#data = new DataFile(path);
      // Now that it is known to be the right file, of a format that we know.
      if (!intact) throw this.#data.notAsClosed();
      this.#data.presize();
      writeManifestFile(path, (this.#manifest = { ...this.#manifest, state: 'open', transaction: this.#data.meta().transaction }));
    } catch (error) {
      data?.close();
      void environment.root.close();
      throw error;
    }
  }

  claim(group: string, partitions: readonly TopicPartition[]): Promise<readonly Claim[]> {
    return this.#submit({ puts: partitions.length, bytes: partitions.length * RECORD_BYTES }, () =>
      partitions.map(({ topic, partition }) => {
        const key = partitionKey(group, { topic, partition });
        const epoch = this.#epoch(key) + 1;
        void this.#tables.epochs.put(key, encodeEpoch(epoch));
        return { topic, partition, epoch, checkpoint: this.#read(key) };
      }),
    );
  }

  write(group: string, checkpoints: readonly Checkpoint[], apply?: ApplyWrite): Promise<readonly Checkpoint[]> {
    return this.#submit(roomFor(checkpoints), () => {
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
    return this.#submit(roomFor(checkpoints), () => checkpoints.filter((checkpoint) => !this.#put(group, checkpoint, 'anywhere')));
  }

  list(group: string): Promise<readonly Checkpoint[]> {
    // Read where writes are made: a read transaction of its own would be one more thing to keep short.
    return this.#submit({ puts: 0, bytes: 0 }, () => {
      const start = groupKey(group);
      const found: Checkpoint[] = [];
      for (const key of this.#tables.checkpoints.getKeys({ start, end: Buffer.concat([start, PAST_ALL]) })) {
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
    if (this.#stuck !== undefined) {
      // LMDB may never answer again, and nobody waits for that. Until it does, the directory stays locked: its write may still come.
      void this.#stuck.then(() => this.#leave());
      return;
    }
    await this.#leave();
  }

  async #leave(): Promise<void> {
    if (await this.#closeEnvironment()) {
      this.#seal();
      this.#data.close();
      await this.#unlock();
    }
  }

  /** Whether LMDB has let go of its files. After some failures it never does. */
  async #closeEnvironment(): Promise<boolean> {
    const environment = this.#environment;
    if (environment === undefined) return true;
    const late = new AbortController();
    const closed = await Promise.race([
      environment.root.close().then(() => true),
      delay(this.#commitTimeoutMs, false, { signal: late.signal }).catch(() => false),
    ]);
    late.abort();
    if (closed) this.#environment = undefined;
    return closed;
  }

  /** Leaves a note of how the files were left. Without it they are just looked through. */
  #seal(): void {
    if (this.#failure !== undefined) return;
    try {
      this.#data.assertThere();
      const { transaction } = this.#data.meta();
      writeManifestFile(this.#path, { ...this.#manifest, state: 'closed', transaction, checksum: this.#data.checksum() });
    } catch {
      // The store was closed all the same, and every write was answered.
    }
  }

  get #tables(): Environment {
    if (this.#environment === undefined) throw new StoreFailedError(`the offset store ${this.#path} is not open.`);
    return this.#environment;
  }

  #stateDatabase(): StateDatabase {
    return {
      get: (key) => {
        const { state } = this.#tables;
        try {
          return state.get(key);
        } catch (cause) {
          throw this.#damagedState(cause);
        }
      },
      getRange: (range) => this.#stateRange(range),
      put: (key, value) => {
        const { state } = this.#tables;
        const written = state.put(key, value);
        this.#applied.puts += 1;
        this.#applied.bytes += state.getBinaryFast(key)?.length ?? 0;
        return written;
      },
      remove: (key) => {
        this.#applied.puts += 1;
        return this.#tables.state.remove(key);
      },
    };
  }

  *#stateRange(range: { start: Lmdb.Key; end?: Lmdb.Key }): Iterable<{ key: unknown; value: unknown }> {
    const entries = this.#tables.state.getRange(range)[Symbol.iterator]();
    try {
      for (;;) {
        let next: IteratorResult<{ key: unknown; value: unknown }>;
        try {
          next = entries.next();
        } catch (cause) {
          throw this.#damagedState(cause);
        }
        if (next.done === true) return;
        yield next.value;
      }
    } finally {
      entries.return?.();
    }
  }

  /** What cannot be decoded is in the message of the one who tried: it goes no further. */
  #damagedState(cause: unknown): StoreCorruptError {
    const name = cause instanceof Error ? cause.name : typeof cause;
    return new StoreCorruptError(`${this.#path}: a value of the state is damaged (${name}). Restore the store from a backup.`, {
      path: this.#path,
    });
  }

  #epoch(key: Buffer): number {
    const value = this.#tables.epochs.get(key);
    if (value === undefined) return 0;
    try {
      return decodeEpoch(value);
    } catch (cause) {
      throw this.#damaged(key, cause);
    }
  }

  #read(key: Buffer): Checkpoint | undefined {
    const value = this.#tables.checkpoints.get(key);
    if (value === undefined) return undefined;
    const { topic, partition } = parseKey(key);
    try {
      return { topic, partition, ...decodeCheckpoint(value) };
    } catch (cause) {
      throw this.#damaged(key, cause);
    }
  }

  #damaged(key: Buffer, cause: unknown): KafkaRxError {
    const { topic, partition } = parseKey(key);
    const where = `${this.#path}: the checkpoint of ${topic}/${partition}`;
    if (cause instanceof CodecError && cause.kind === 'version')
      return new StoreFormatError(`${where} was written by a newer version of kafka-rx (${cause.message}): upgrade.`, { path: this.#path });
    return new StoreCorruptError(`${where} is damaged. Restore the store from a backup, or reset this partition.`, {
      path: this.#path,
      cause,
    });
  }

  /** Whether the checkpoint was taken: one with an old epoch is not. */
  #put(group: string, checkpoint: Checkpoint, direction: 'forward' | 'anywhere'): boolean {
    const key = partitionKey(group, checkpoint);
    if (this.#epoch(key) !== checkpoint.epoch) return false;
    if (direction === 'forward') assertForward(this.#read(key), checkpoint);
    void this.#tables.checkpoints.put(key, encodeCheckpoint(checkpoint));
    return true;
  }

  #submit<T>(room: Room, work: () => T): Promise<T> {
    return new Promise<T>((resolve, reject) => {
      if (this.#closing !== undefined) throw new StoreFailedError(`the offset store ${this.#path} was closed.`);
      if (this.#failure !== undefined) throw this.#failure;
      this.#queue.push({ work, room, resolve, reject });
      this.#running ??= this.#run();
    });
  }

  /** The one write path: one transaction in flight, and everything that is ready goes into the next. */
  async #run(): Promise<void> {
    while (this.#queue.length > 0) {
      const jobs = this.#queue;
      this.#queue = [];
      try {
        const results = await this.#commit(jobs);
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
  async #commit(jobs: readonly Job[]): Promise<unknown[]> {
    const foreseen: Room = {
      puts: jobs.reduce((sum, job) => sum + job.room.puts, 0),
      bytes: jobs.reduce((sum, job) => sum + job.room.bytes, 0),
    };
    let room = foreseen;
    for (let attempt = 1; ;) {
      await this.#waitForRoom(room);
      try {
        this.#data.assertThere();
        const before = this.#data.meta().transaction;
        const transaction = await this.#transact(jobs, foreseen);
        if ('room' in transaction) {
          ({ room } = transaction);
          continue;
        }
        const committed = 'results' in transaction || (await this.#isCommitted(before, transaction.failure, attempt));
        this.#data.assertThere();
        if (committed) return (transaction.results ?? transaction.computed) as unknown[];
        attempt += 1;
      } catch (error) {
        if (error instanceof Refusal) throw error;
        throw this.#fail(error);
      }
    }
  }

  /** From now on every write fails, and for the same reason. */
  #fail(cause: unknown): KafkaRxError {
    return (this.#failure ??= cause instanceof KafkaRxError ? cause : failed(this.#path, cause));
  }

  /** LMDB cannot live with a full disk. So nobody gets to it before there is room for all that it may write. */
  async #waitForRoom(room: Room): Promise<void> {
    const end = performance.now() + this.#commitTimeoutMs;
    for (;;) {
      const lacking = await this.#data.makeRoom(room).catch((error: unknown) => {
        throw this.#fail(error);
      });
      if (lacking === undefined) return;
      if (performance.now() >= end)
        throw new StoreFailedError(
          `the disk of the offset store ${this.#path} is full: ${lacking}, and nothing changed within ${this.#commitTimeoutMs} ms. Nothing was written. Make room; the next write tries again.`,
        );
      await delay(ROOM_POLL_MS);
    }
  }

  #transact(jobs: readonly Job[], foreseen: Room): Promise<Transaction> {
    return new Promise((resolve, reject) => {
      let refusal: Refusal | Crowded | undefined;
      let computed: unknown[] | undefined;
      const settled = this.#tables.root
        .childTransaction(() => {
          Object.assign(this.#applied, { puts: 0, bytes: 0 });
          computed = jobs.map((job) => {
            try {
              return job.work();
            } catch (cause) {
              // What LMDB itself cannot do is no refusal of the job.
              throw isOfLmdb(cause) ? cause : (refusal = new Refusal(job, cause));
            }
          });
          const { puts, bytes } = this.#applied;
          if (puts === 0) return;
          const grown = { puts: foreseen.puts + puts, bytes: foreseen.bytes + bytes };
          if (!this.#data.hasRoom(grown)) throw (refusal = new Crowded(grown));
        })
        .then(
          () => {
            resolve({ results: computed as unknown[] });
          },
          async (failure: unknown) => {
            // What a job refuses by itself changed nothing; after anything else it is unknown what is on disk.
            if (refusal instanceof Crowded) resolve(refusal);
            else if (refusal !== undefined) reject(refusal);
            // lmdb-js hangs the reason on the error as a promise; left alone it would end the process as an unhandled rejection.
            const { commitError } = failure as { commitError?: Promise<unknown> };
            resolve({
              failure: await Promise.resolve(commitError).then(
                () => failure,
                (reason: unknown) => reason,
              ),
              computed,
            });
          },
        );
      const watchdog = setTimeout(() => {
        this.#stuck = settled;
        reject(new Error(`no answer within ${this.#commitTimeoutMs} ms`));
      }, this.#commitTimeoutMs);
      void settled.finally(() => {
        clearTimeout(watchdog);
      });
    });
  }

  /** Whether a transaction that failed is on disk all the same: only the files know, and only what opens them anew may ask. */
  async #isCommitted(before: number, cause: unknown, attempt: number): Promise<boolean> {
    if (attempt === ATTEMPTS) throw failed(this.#path, cause);
    if (!(await this.#closeEnvironment())) {
      this.#stuck = new Promise(() => undefined);
      throw failed(this.#path, cause);
    }
    try {
      this.#data.assertThere();
      this.#data.check({ ...this.#manifest, transaction: before }, inspect);
      this.#environment = open(this.#path);
    } catch (again) {
      throw again instanceof StoreLostError || again instanceof StoreCorruptError ? again : failed(this.#path, again);
    }
    const after = this.#data.meta().transaction;
    if (after > before + 1) throw failed(this.#path, new Error('another process has written to it'));
    return after === before + 1;
  }
}

/** What came of a transaction: what the jobs answered, or why it failed, and what they would have answered. */
type Transaction =
  | Crowded
  | { readonly results: unknown[]; readonly computed?: undefined }
  | { readonly results?: undefined; readonly failure: unknown; readonly computed: unknown[] | undefined };

/** A job threw: the transaction was rolled back, nothing has failed. */
class Refusal extends Error {
  readonly job: Job;

  constructor(job: Job, cause: unknown) {
    super('a job was refused', { cause });
    this.job = job;
  }
}

/** The user's function has written more than there is room for. The transaction was rolled back before any of it came to the disk. */
class Crowded extends Error {
  readonly room: Room;

  constructor(room: Room) {
    super('there is not enough room');
    this.room = room;
  }
}

const MANIFEST_KEY = Buffer.from('manifest');
const PAST_ALL = Buffer.alloc(300, 0xff);
/** What a record takes at most beside runs, metadata and long names. */
const RECORD_BYTES = 512;

/** About as many bytes as they take on disk, rather more than less. */
function roomFor(checkpoints: readonly Checkpoint[]): Room {
  const bytes = checkpoints.reduce((sum, { runs, metadata }) => sum + RECORD_BYTES + 8 * runs.length + 3 * metadata.length, 0);
  return { puts: checkpoints.length, bytes };
}

/**
 * Looks at the files before LMDB does, because a file that is damaged crashes the process. Answers the manifest file of a store that there is;
 * for one that is yet to be made, it puts a note that nothing was promised, and removes what an earlier attempt has left.
 */
function preflight(path: string): { readonly manifest: ManifestFile | undefined; readonly intact: boolean } {
  const manifest = readManifestFile(path);
  const bytes = dataBytes(path);
  if (manifest !== undefined && manifest.state !== 'new') {
    if (bytes === undefined)
      throw new StoreLostError(
        `${path} held offsets (store ${manifest.id}), but data.mdb is gone. Restore it from a backup; or, if the offsets may be forgotten, delete the whole directory.`,
        { path },
      );
    if (bytes === 0) throw new StoreLostError(`${path} held offsets, but data.mdb is empty. Restore it from a backup.`, { path });
  } else if (manifest?.state === 'new' || (bytes ?? 0) === 0) {
    makeRoomToOpen(path, true);
    if (manifest === undefined) writeManifestFile(path, newManifest());
    rmSync(join(path, 'data.mdb'), { force: true });
    return { manifest: manifest ?? readManifestFile(path), intact: true };
  }
  makeRoomToOpen(path, false);
  const data = new DataFile(path);
  try {
    return { manifest, intact: data.check(manifest, inspect) };
  } finally {
    data.close();
  }
}

/**
 * Looks at a record of ours. A key that was damaged is one that nobody asks for, so its partition would start from the beginning: that damages
 * the store. A damaged value is an error to whoever asks for it, and to nobody else.
 */
function inspect(table: string, key: Buffer, value: Buffer): 'intact' | 'damaged' {
  if (table === 'meta' || table === 'state') return 'intact';
  // Damage to its name, and a table would be missing, and be made anew.
  if (table !== 'epochs' && table !== 'checkpoints') throw new Damage('has a table of an unknown name');
  if (!isIntact(key)) throw new Damage('has a damaged key');
  try {
    if (table === 'epochs') decodeEpoch(value);
    else decodeCheckpoint(value);
    return 'intact';
  } catch {
    return 'damaged';
  }
}

/** The manifest beside the data and the one inside it must be of one store. A new store gets the one inside. */
function agree(path: string, { meta }: Environment, file: ManifestFile | undefined): ManifestFile {
  const record = meta.get(MANIFEST_KEY);
  const stored = record === undefined ? undefined : parseManifest(path, record.toString());
  if (file?.state !== 'new') checkManifest(path, file, stored);
  const manifest = file ?? stored ?? newManifest();
  if (stored === undefined) meta.putSync(MANIFEST_KEY, Buffer.from(JSON.stringify({ format: manifest.format, id: manifest.id })));
  return manifest;
}

function isOfLmdb(error: unknown): boolean {
  const { code, message } = Object(error) as { code?: unknown; message?: unknown };
  return typeof code === 'number' && typeof message === 'string' && message.startsWith('MDB_');
}

function failed(path: string, cause: unknown): StoreFailedError {
  if (cause instanceof StoreFailedError) return cause;
  const reason = cause instanceof Error ? cause.message : String(cause);
  return new StoreFailedError(
    `a write to the offset store ${path} failed (${reason}). Whether it is on disk is unknown until the store is opened again: check the disk, then restart.`,
    { cause },
  );
}

/** LMDB maps so many times the size of its file: it can grow for long before the map must. */
const MAP_FACTOR = 4;
const MAP_BYTES = 64 * 1024 * 1024;

/** Loaded when a store is opened, so that importing kafka-rx loads no native code. */
function open(path: string): Environment {
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
    const state = root.openDB<unknown, Lmdb.Key>({ name: 'state', encoding: 'msgpack', keyEncoding: 'ordered-binary', cache: false });
    return { root, meta: table('meta'), epochs: table('epochs'), checkpoints: table('checkpoints'), state };
  } catch (error) {
    void root.close();
    throw error;
  }
}
