import type { TopicPartition } from '../index.js';
import { StoreCorruptError } from '../index.js';
import type { Snapshot } from '../offsets/snapshot.js';

/** What a call is about: all that these names fit. */
export interface Which {
  readonly group?: string;
  readonly topic?: string;
  readonly partition?: number;
}

/** Those that are meant, in order. */
export function selected<P extends TopicPartition & { readonly group: string }>(places: readonly P[], which: Which): readonly P[] {
  const { group, topic, partition } = which;
  return places
    .filter((at) => at.group === (group ?? at.group) && at.topic === (topic ?? at.topic) && at.partition === (partition ?? at.partition))
    .toSorted((a, b) => order(a.group, b.group) || order(a.topic, b.topic) || a.partition - b.partition);
}

/** What of it cannot be read: that is not the same as nothing. */
export function damageIn(directory: string, { damaged }: Snapshot, which: Which): StoreCorruptError | undefined {
  const places = selected(damaged, which).map(({ group, topic, partition }) => `${topic}/${partition} of ${group}`);
  if (places.length === 0) return undefined;
  return new StoreCorruptError(
    `${directory}: what is remembered of ${places.join(', ')} is damaged. Reset it, or restore the store from a backup.`,
    {
      path: directory,
    },
  );
}

const order = (a: string, b: string): number => (a < b ? -1 : a > b ? 1 : 0);
