import { openOffsets } from '../../src/offsets/lmdb.js';
import type { Checkpoint, Claim } from '../../src/offsets/store.js';
import type { Findings } from './journal.js';
import { GROUP, PARTITIONS } from './journal.js';

/** Opens one store after the other, and says what is in it: in a process of its own, for a damaged one can end it. */
async function examine(directory: string): Promise<Findings> {
  const offsets = openOffsets(directory);
  try {
    const list = (): Promise<readonly Checkpoint[]> => offsets.list(GROUP) as Promise<readonly Checkpoint[]>;
    const checkpoints = await list();
    const state = offsets.state<[number, string]>('last write').entries();
    if (state.some(([, [, text]]) => !/^s*$/.test(text))) throw new Error('a state that nobody has written');
    const partitions = Array.from({ length: PARTITIONS }, (_, partition) => ({ topic: `topic ${partition % 3}`, partition }));
    const claims = await (offsets.claim(GROUP, partitions) as Promise<readonly Claim[]>);
    // A claim writes. What it writes onto must have been free.
    if (JSON.stringify(await list()) !== JSON.stringify(checkpoints)) throw new Error('a claim has changed what is remembered');
    return { checkpoints, state: state.map(([partition, [id]]) => [partition, id] as const), epochs: claims.map(({ epoch }) => epoch) };
  } finally {
    await offsets.close();
  }
}

process.on('message', (directory: string) => {
  examine(directory).then(
    (findings) => process.send?.({ findings }),
    (error: unknown) => process.send?.({ error: String(error) }),
  );
});
process.on('disconnect', () => process.exit());
