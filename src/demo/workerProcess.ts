import type { ChildProcess } from 'node:child_process';
import { fork } from 'node:child_process';
import { once } from 'node:events';
import { fileURLToPath } from 'node:url';
import type { Position } from '../index.js';
import type { Job, Word } from './protocol.js';
import { STOP } from './protocol.js';

export interface WorkerListener {
  /** It has said something, or has ended as it was meant to. */
  changed(): void;
  /** It has failed, or has ended unasked. */
  failed(error: unknown): void;
}

/** A worker could not do its work. */
export class WorkerError extends Error {
  constructor(message: string) {
    super(message);
    this.name = 'WorkerError';
  }
}

/** A worker, as its parent sees it. Disposing of it kills it. */
export class WorkerProcess implements AsyncDisposable {
  readonly #child: ChildProcess;
  readonly #listener: WorkerListener;
  /** Resolves when the process is gone and its last word has arrived. */
  readonly #gone: Promise<unknown>;
  /** What it was last asked to do. */
  #asked: 'work' | 'stop' | 'die' = 'work';
  #ended = false;
  #joined = false;
  #read = 0;
  #frontiers: readonly Position[] = [];

  constructor(job: Job, listener: WorkerListener) {
    this.#listener = listener;
    this.#child = fork(fileURLToPath(new URL('./worker.js', import.meta.url)), [JSON.stringify(job)], {
      stdio: ['ignore', 'ignore', 'inherit', 'ipc'],
    });
    this.#child.on('message', (word) => {
      this.#hear(word as Word);
    });
    this.#gone = Promise.all([once(this.#child, 'exit'), once(this.#child, 'disconnect')]).then(
      ([[code, signal]]) => {
        this.#ended = true;
        if (this.#asked === 'die' || (this.#asked === 'stop' && code === 0)) listener.changed();
        else listener.failed(new WorkerError(`a worker ended unasked, with ${signal === null ? `code ${String(code)}` : String(signal)}.`));
      },
      (error: unknown) => {
        listener.failed(error);
      },
    );
  }

  get pid(): number | undefined {
    return this.#child.pid;
  }

  /** Whether it has its partitions. */
  get joined(): boolean {
    return this.#joined;
  }

  /** How many orders it says to have read. */
  get read(): number {
    return this.#read;
  }

  /** How far it says to have come. */
  get frontiers(): readonly Position[] {
    return this.#frontiers;
  }

  get ended(): boolean {
    return this.#ended;
  }

  /** Tells it to finish what is in flight, and to end. */
  stop(): void {
    this.#asked = 'stop';
    this.#child.send(STOP);
  }

  /** Kills it (SIGKILL); resolves when it is gone. */
  async kill(): Promise<void> {
    this.#asked = 'die';
    this.#child.kill('SIGKILL');
    await this.#gone;
  }

  [Symbol.asyncDispose](): Promise<void> {
    return this.kill();
  }

  #hear(word: Word): void {
    if (word.type === 'joined') this.#joined = true;
    else if (word.type === 'read') this.#read = word.orders;
    else if (word.type === 'committed') this.#frontiers = word.frontiers;
    else this.#listener.failed(new WorkerError(`a worker failed: ${word.message}`));
    this.#listener.changed();
  }
}
