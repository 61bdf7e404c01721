import type { Outgoing } from '../../src/sinks/outgoing.js';
import type { Stored } from '../../src/sinks/spill.js';
import type { SpillDirectoryOptions } from '../../src/sinks/spillDirectory.js';
import { SpillDirectory } from '../../src/sinks/spillDirectory.js';

/** Opens a spill directory and waits until it knows what is there. */
export async function openSpill(path: string, options: Partial<SpillDirectoryOptions> = {}): Promise<SpillDirectory> {
  const spill = new SpillDirectory(path, { quotaBytes: 2 ** 30, now: () => Date.now(), onDamage: () => undefined, ...options });
  await new Promise<void>((resolve) => {
    spill.open(resolve);
  });
  return spill;
}

export function written(spill: SpillDirectory, records: readonly Outgoing[]): Promise<void> {
  return new Promise((resolve, reject) => {
    spill.write(
      records.map((record) => ({ record, at: undefined })),
      (error) => {
        if (error === undefined) resolve();
        else reject(error);
      },
    );
  });
}

/** All that was not read yet, in small bites unless told otherwise. */
export async function readAll(spill: SpillDirectory, limit = { records: 7, bytes: 5_000 }): Promise<Stored[]> {
  const all: Stored[] = [];
  while (spill.unread > 0) {
    all.push(
      ...(await new Promise<readonly Stored[]>((resolve, reject) => {
        spill.read(limit, (error, found) => {
          if (error === undefined) resolve(found);
          else reject(error);
        });
      })),
    );
  }
  return all;
}

/** Records whose values say `from`, `from + 1`, …, `to - 1`. */
export function numbered(from: number, to: number): Outgoing[] {
  return Array.from({ length: to - from }, (_, i) => ({
    topic: 't',
    key: Buffer.from(`k${(from + i) % 7}`),
    value: Buffer.from(String(from + i).padEnd(40)),
    partition: null,
    timestamp: 1,
    headers: [],
  }));
}

/** The number of a record. */
export function left({ record }: Stored): number {
  return Number(record.value);
}
