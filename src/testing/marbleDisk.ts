import type { Observable, ObservableInput } from 'rxjs';
import { NEVER, ReplaySubject, concat, defer, from, ignoreElements, takeUntil, tap } from 'rxjs';
import { memoryOffsets } from '../offsets/memory.js';
import type { Checkpoint, OffsetStore } from '../offsets/store.js';
import type { Position } from '../position.js';
import type { Process } from './process.js';

export const GROUP = 'marbles';

/** A record that is in the log, and how a diagram calls it. */
export interface Named extends Position {
  readonly letter: string;
}

/** A disk in virtual time: it outlives the processes that write to it. */
export class MarbleDisk {
  readonly offsets = memoryOffsets();
  readonly #writes: ObservableInput<unknown>;
  readonly #log: readonly Named[];
  readonly #remembered$ = new ReplaySubject<string>(Infinity);
  readonly #remembered = new Set<Named>();

  constructor(log: readonly Named[], writes: ObservableInput<unknown>) {
    this.#log = log;
    this.#writes = writes;
  }

  /** The letters of records as they become finished on disk. */
  get remembered$(): Observable<string> {
    return this.#remembered$.asObservable();
  }

  /** The store as one process has it open: a write that is under way when the process dies is not done. */
  openedBy(process: Process): OffsetStore {
    const { offsets } = this;
    return {
      claim: (group, partitions) => offsets.claim(group, partitions),
      write: (group, checkpoints, apply) => this.#write(process, this.#writes, () => offsets.write(group, checkpoints, apply)),
      reset: (group, checkpoints) => this.#write(process, [], () => offsets.reset(group, checkpoints)),
      list: (group) => offsets.list(group),
      state: (name) => offsets.state(name),
      close: () => offsets.close(),
      [Symbol.asyncDispose]: () => offsets.close(),
    };
  }

  #write<T>(process: Process, time: ObservableInput<unknown>, write: () => ObservableInput<T>): Observable<T> {
    return concat(
      from(time).pipe(ignoreElements(), takeUntil(process.killed$)),
      defer(() => (process.alive ? write() : NEVER)),
    ).pipe(
      tap(() => {
        this.#tell();
      }),
    );
  }

  #tell(): void {
    const [checkpoints = []] = [...(this.offsets.list(GROUP) as Iterable<readonly Checkpoint[]>)];
    for (const named of this.#log) {
      if (this.#remembered.has(named) || !checkpoints.some((checkpoint) => covers(checkpoint, named))) continue;
      this.#remembered.add(named);
      this.#remembered$.next(named.letter);
    }
  }
}

function covers({ partition, frontier, runs }: Checkpoint, named: Named): boolean {
  if (partition !== named.partition) return false;
  const isInRun = runs.some((from, i) => i % 2 === 0 && from <= named.offset && named.offset < (runs[i + 1] ?? 0));
  return named.offset < frontier || isInRun;
}
