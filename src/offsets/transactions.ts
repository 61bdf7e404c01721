import { setTimeout as delay } from 'node:timers/promises';
import { KafkaRxError, StoreFailedError } from '../errors.js';
import type { Room } from './room.js';
import { roomForAll } from './room.js';
import type { StoreFiles } from './storeFiles.js';
import { failed } from './storeFiles.js';

/** What the transactions of a store ask of it. */
export interface TransactionsOptions {
  readonly commitTimeoutMs: number;
  /** What the user's own functions have written since it was last asked: of them nobody knows before. */
  readonly takeWritten: () => Room;
  /** What earlier jobs have read or written may not be what is there now. */
  readonly onUnknown: () => void;
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

/** The one write path: one transaction in flight, and everything that is ready goes into the next. */
export class Transactions {
  readonly #files: StoreFiles;
  readonly #options: TransactionsOptions;
  #queue: Job[] = [];
  #running: Promise<void> | undefined;
  #failure: KafkaRxError | undefined;
  /** The last transaction, if it was ours and nothing has failed since. */
  #known: number | undefined;
  #closed = false;
  #stuck: Promise<unknown> | undefined;

  constructor(files: StoreFiles, options: TransactionsOptions) {
    this.#files = files;
    this.#options = options;
  }

  /** Does the work in a transaction that it may share with others; resolves when it is on disk. */
  submit<T>(room: Room, work: () => T): Promise<T> {
    return new Promise<T>((resolve, reject) => {
      if (this.#closed) throw new StoreFailedError(`the offset store ${this.#files.path} was closed.`);
      if (this.#failure !== undefined) throw this.#failure;
      this.#queue.push({ work, room, resolve, reject });
      this.#running ??= this.#run();
    });
  }

  /** Takes nothing more, and waits for what it has taken. */
  async close(): Promise<void> {
    this.#closed = true;
    await this.#running;
  }

  get failed(): boolean {
    return this.#failure !== undefined;
  }

  /** Settles when a transaction that was given up has ended after all: LMDB may never do so, and nobody waits for that. */
  get stuck(): Promise<unknown> | undefined {
    return this.#stuck;
  }

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
    const foreseen = roomForAll(jobs.map((job) => job.room));
    let room = foreseen;
    for (let attempt = 1; ;) {
      const before = await this.#waitForRoom(room);
      try {
        if (before !== this.#known) this.#options.onUnknown();
        this.#known = undefined;
        const transaction = await this.#transact(jobs, foreseen);
        if ('room' in transaction) {
          ({ room } = transaction);
          continue;
        }
        if ('failure' in transaction && attempt === ATTEMPTS) throw failed(this.#files.path, transaction.failure);
        const committed = 'results' in transaction || (await this.#files.reopen(before, transaction.failure));
        const after = this.#files.data.look();
        if (committed) {
          this.#known = after;
          return (transaction.results ?? transaction.computed) as unknown[];
        }
        attempt += 1;
      } catch (error) {
        if (error instanceof Refusal) throw error;
        throw this.#fail(error);
      }
    }
  }

  /** From now on every write fails, and for the same reason. */
  #fail(cause: unknown): KafkaRxError {
    return (this.#failure ??= cause instanceof KafkaRxError ? cause : failed(this.#files.path, cause));
  }

  /** LMDB cannot live with a full disk. So nobody gets to it before there is room for all that it may write. Answers the last transaction. */
  async #waitForRoom(room: Room): Promise<number> {
    const { commitTimeoutMs } = this.#options;
    const { data, path } = this.#files;
    const end = performance.now() + commitTimeoutMs;
    for (;;) {
      let last: number;
      let lacking: string | undefined;
      try {
        // First: to fill up a file that was cut off would hide that it was.
        last = data.look();
        lacking = await data.makeRoom(room);
      } catch (error) {
        throw this.#fail(error);
      }
      if (lacking === undefined) return last;
      if (performance.now() >= end)
        throw new StoreFailedError(
          `the disk of the offset store ${path} is full: ${lacking}, and nothing changed within ${commitTimeoutMs} ms. Nothing was written. Make room; the next write tries again.`,
          { retriable: true },
        );
      await delay(ROOM_POLL_MS);
    }
  }

  #transact(jobs: readonly Job[], foreseen: Room): Promise<Transaction> {
    const { commitTimeoutMs, takeWritten } = this.#options;
    return new Promise((resolve, reject) => {
      let refusal: Refusal | Crowded | undefined;
      let computed: unknown[] | undefined;
      const settled = this.#files.environment
        .transaction(() => {
          takeWritten();
          computed = jobs.map((job) => {
            try {
              return job.work();
            } catch (cause) {
              // What LMDB itself cannot do is no refusal of the job.
              throw isOfLmdb(cause) ? cause : (refusal = new Refusal(job, cause));
            }
          });
          const written = takeWritten();
          if (written.puts === 0) return;
          const grown = roomForAll([foreseen, written]);
          if (!this.#files.data.hasRoom(grown)) throw (refusal = new Crowded(grown));
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
        reject(new Error(`no answer within ${commitTimeoutMs} ms`));
      }, commitTimeoutMs);
      void settled.finally(() => {
        clearTimeout(watchdog);
      });
    });
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

function isOfLmdb(error: unknown): boolean {
  const { code, message } = Object(error) as { code?: unknown; message?: unknown };
  return typeof code === 'number' && typeof message === 'string' && message.startsWith('MDB_');
}
