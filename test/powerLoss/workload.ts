import fs from 'node:fs';
import { createRequire, syncBuiltinESMExports } from 'node:module';
import { join } from 'node:path';
import type { Checkpoint, Claim } from '../../src/offsets/store.js';
import type { Note, Planted } from './journal.js';
import { GROUP, PARTITIONS } from './journal.js';

/**
 * Works with a store for some lives, and writes down in a journal what it asked for and what the store has promised. It closes the store
 * between its lives, or just ends as if it were killed.
 */
const [root, lives, writes, planted] = process.argv.slice(2) as [string, string, string, Planted];

if (planted === 'noSync') {
  const lmdb = createRequire(import.meta.url)('lmdb') as { open: (options: object) => unknown };
  const { open } = lmdb;
  lmdb.open = (options) => open({ ...options, noSync: true });
}
if (planted === 'no sync of the manifest' || planted === 'no sync of directories') {
  const { fsyncSync } = fs;
  fs.fsyncSync = (file) => {
    if (planted === 'no sync of the manifest' ? fs.fstatSync(file).size > 64 * 1024 : !fs.fstatSync(file).isDirectory()) fsyncSync(file);
  };
  syncBuiltinESMExports();
}
const { openOffsets } = await import('../../src/offsets/lmdb.js');

const journal = fs.openSync(join(root, 'journal'), 'a');
const note = (line: Note): void => {
  fs.writeSync(journal, `${JSON.stringify(line)}\n`);
};

/** Grows with time: small values at first, later some that fill pages of their own. */
function checkpoint(partition: number, epoch: number, number: number): Checkpoint {
  const frontier = number * 10;
  const many = number % 7 === 0 ? 200 + (number % 100) * 5 : number % 3;
  const runs = Array.from({ length: 2 * many }, (_, i) => frontier + 1 + 3 * i);
  return {
    topic: `topic ${partition % 3}`,
    partition,
    epoch,
    frontier,
    runs,
    metadata: number % 11 === 0 ? 'm'.repeat(3_000) : `n${number}`,
    ...(number % 5 === 0 && {
      retries: Array.from({ length: many + 1 }, (_, i) => ({ offset: frontier + 3 * i, name: 'n', failed: i, due: number })),
    }),
  };
}

let number = fs.statSync(join(root, 'journal')).size === 0 ? 0 : 1_000_000;
let life = Number(lives);
for (; life > 0; life -= 1) {
  const offsets = openOffsets(join(root, 'offsets'));
  note({ did: 'open' });
  const partitions = Array.from({ length: PARTITIONS }, (_, partition) => ({ topic: `topic ${partition % 3}`, partition }));
  const claims = await (offsets.claim(GROUP, partitions) as Promise<readonly Claim[]>);
  const epoch = claims[0]?.epoch ?? 0;
  note({ did: 'claim', epoch });
  const write = async (checkpoints: readonly Checkpoint[]): Promise<void> => {
    const id = (number += 1);
    note({ did: 'ask', id, checkpoints });
    await (offsets.write(GROUP, checkpoints, (_, txn) => {
      const state = txn.table<[number, string]>('last write');
      for (const { partition } of checkpoints) state.put(`${partition}`, [id, id % 5 === 0 ? 's'.repeat(6_000) : '']);
    }) as Promise<unknown>);
    note({ did: 'write', id });
  };
  for (let i = 0; i < Number(writes); i += 1) {
    // One alone, and then some that share a transaction.
    await write([checkpoint(i % PARTITIONS, epoch, number + 1)]);
    await Promise.all([
      write([0, 1, 2].map((partition) => checkpoint(partition, epoch, number + 1))),
      write([checkpoint(3 + (i % (PARTITIONS - 3)), epoch, number + 1)]),
      write([0, 5].map((partition) => checkpoint(partition, epoch, number + 1))),
    ]);
  }
  if (life > 1) {
    await offsets.close();
    note({ did: 'close' });
  }
}
process.exit();
