import { cpSync, existsSync, rmSync, writeFileSync } from 'node:fs';
import { firstValueFrom, from } from 'rxjs';
import { openOffsets } from '../../../src/index.js';
import type { Fold } from '../fold.js';
import type { Dump } from '../verify.js';

export interface DumpOrder {
  readonly store: string;
  readonly group: string;
  readonly table: string;
  readonly file: string;
}

/**
 * Writes down what a store holds, as plain data. It opens a copy: the next owner has to find the store as the last one left it.
 */
async function dump({ store, group, table, file }: DumpOrder): Promise<void> {
  let found: Dump = { checkpoints: [], state: [] };
  if (existsSync(store)) {
    const copy = `${store}.copy`;
    // The lock is a socket. It stays with the original.
    cpSync(store, copy, { recursive: true, filter: (path) => !/\.(sock|draft)$/.test(path) });
    const offsets = openOffsets(copy);
    const checkpoints = await firstValueFrom(from(offsets.list(group)), { defaultValue: [] });
    found = {
      checkpoints: checkpoints.map(({ partition, frontier, runs }) => ({ partition, frontier, runs })),
      state: offsets.state<Fold>(table).entries(),
    };
    await offsets.close();
    rmSync(copy, { recursive: true });
  }
  writeFileSync(file, JSON.stringify(found));
}

process.on('message', (order: DumpOrder) => {
  dump(order).then(
    () => process.send?.('written'),
    (error: unknown) => process.send?.(`the store cannot be read: ${String(error)}`),
  );
});
process.on('disconnect', () => process.exit());
