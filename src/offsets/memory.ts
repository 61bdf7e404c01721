import type { ObservableInput } from 'rxjs';
import { throwError } from 'rxjs';
import { StoreFailedError } from '../errors.js';
import type { TopicPartition } from '../position.js';
import { nameOf } from '../position.js';
import { assertForward } from './forward.js';
import type { StateKey, StateReader } from '../state.js';
import { MemoryState } from './memoryState.js';
import type { ApplyWrite, Checkpoint, Claim, OffsetStore } from './store.js';

/**
 * An offset store in memory: it forgets everything with the process.
 *
 * For tests, and for streams that may start over. It answers at once, so it works in virtual time.
 *
 * @example
 * ```ts
 * const offsets = memoryOffsets();
 * const orders$ = fromTopic(kafka, 'orders', { group: 'dashboard', offsets }).pipe(commit());
 * ```
 */
export function memoryOffsets(): OffsetStore {
  return new MemoryOffsets();
}

interface Entry {
  epoch: number;
  checkpoint: Checkpoint | undefined;
}

class MemoryOffsets implements OffsetStore {
  readonly #groups = new Map<string, Map<string, Entry>>();
  readonly #state = new MemoryState();
  #closing: Promise<void> | undefined;

  claim(group: string, partitions: readonly TopicPartition[]): ObservableInput<readonly Claim[]> {
    return this.#answer(() =>
      partitions.map(({ topic, partition }) => {
        const entry = this.#entry(group, { topic, partition });
        entry.epoch += 1;
        return { topic, partition, epoch: entry.epoch, checkpoint: entry.checkpoint };
      }),
    );
  }

  write(group: string, checkpoints: readonly Checkpoint[], apply?: ApplyWrite): ObservableInput<readonly Checkpoint[]> {
    return this.#answer(() => this.#put(group, checkpoints, 'forward', apply));
  }

  reset(group: string, checkpoints: readonly Checkpoint[]): ObservableInput<readonly Checkpoint[]> {
    return this.#answer(() => this.#put(group, checkpoints, 'anywhere'));
  }

  list(group: string): ObservableInput<readonly Checkpoint[]> {
    return this.#answer(() => {
      const entries = [...(this.#groups.get(group)?.values() ?? [])];
      return entries.map(({ checkpoint }) => checkpoint).filter((checkpoint) => checkpoint !== undefined);
    });
  }

  state<V, K extends StateKey>(name: string): StateReader<V, K> {
    return this.#state.read(name);
  }

  close(): Promise<void> {
    this.#closing ??= Promise.resolve();
    return this.#closing;
  }

  [Symbol.asyncDispose](): Promise<void> {
    return this.close();
  }

  #answer<T>(work: () => T): ObservableInput<T> {
    try {
      if (this.#closing !== undefined) throw new StoreFailedError('the offset store in memory was closed.');
      return [work()];
    } catch (error) {
      return throwError(() => error);
    }
  }

  /** All or none. The answer is those with an old epoch. */
  #put(group: string, checkpoints: readonly Checkpoint[], direction: 'forward' | 'anywhere', apply?: ApplyWrite): readonly Checkpoint[] {
    const taken = new Map<Entry, Checkpoint>();
    const refused = checkpoints.filter((checkpoint) => {
      const entry = this.#entry(group, checkpoint);
      if (entry.epoch !== checkpoint.epoch) return true;
      if (direction === 'forward') assertForward((taken.get(entry) ?? entry.checkpoint)?.frontier, checkpoint);
      taken.set(entry, checkpoint);
      return false;
    });
    if (apply !== undefined) {
      this.#state.transact((txn) => {
        apply(refused, txn);
      });
    }
    for (const [entry, checkpoint] of taken) entry.checkpoint = checkpoint;
    return refused;
  }

  #entry(group: string, partition: TopicPartition): Entry {
    let entries = this.#groups.get(group);
    if (entries === undefined) this.#groups.set(group, (entries = new Map<string, Entry>()));
    const key = nameOf(partition);
    let entry = entries.get(key);
    if (entry === undefined) entries.set(key, (entry = { epoch: 0, checkpoint: undefined }));
    return entry;
  }
}
