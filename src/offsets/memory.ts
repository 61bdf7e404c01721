import type { TopicPartition } from '../position.js';
import type { Checkpoint, Claim, OffsetStore } from './store.js';

/**
 * An offset store in memory: it forgets everything with the process.
 *
 * For tests, and for streams that may start over. It answers at once, so it works in virtual time.
 *
 * @example
 * ```ts
 * const offsets = memoryOffsets();
 * const orders$ = fromTopic(kafka, 'orders', { group: 'dashboard', offsets });
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

  claim(group: string, partitions: readonly TopicPartition[]): readonly (readonly Claim[])[] {
    const claims = partitions.map(({ topic, partition }) => {
      const entry = this.#entry(group, { topic, partition });
      entry.epoch += 1;
      return { topic, partition, epoch: entry.epoch, checkpoint: entry.checkpoint };
    });
    return [claims];
  }

  write(group: string, checkpoints: readonly Checkpoint[]): readonly (readonly Checkpoint[])[] {
    return [checkpoints.filter((checkpoint) => !this.#put(group, checkpoint))];
  }

  reset(group: string, checkpoints: readonly Checkpoint[]): readonly (readonly Checkpoint[])[] {
    return this.write(group, checkpoints);
  }

  list(group: string): readonly (readonly Checkpoint[])[] {
    const entries = [...(this.#groups.get(group)?.values() ?? [])];
    return [entries.map(({ checkpoint }) => checkpoint).filter((checkpoint) => checkpoint !== undefined)];
  }

  close(): Promise<void> {
    return Promise.resolve();
  }

  [Symbol.asyncDispose](): Promise<void> {
    return this.close();
  }

  #put(group: string, checkpoint: Checkpoint): boolean {
    const entry = this.#entry(group, checkpoint);
    if (entry.epoch !== checkpoint.epoch) return false;
    entry.checkpoint = checkpoint;
    return true;
  }

  #entry(group: string, { topic, partition }: TopicPartition): Entry {
    let entries = this.#groups.get(group);
    if (entries === undefined) this.#groups.set(group, (entries = new Map<string, Entry>()));
    const key = `${topic}/${partition}`;
    let entry = entries.get(key);
    if (entry === undefined) entries.set(key, (entry = { epoch: 0, checkpoint: undefined }));
    return entry;
  }
}
