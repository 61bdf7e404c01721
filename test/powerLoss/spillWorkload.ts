import fs from 'node:fs';
import { join } from 'node:path';
import { left, numbered, openSpill, readAll, written } from '../publisher/spilling.js';

/** A defect that the checker has to find. */
export type SpillPlanted = 'nothing' | 'no sync of data' | 'no sync of directories';

/** A line of the journal: written before it asks, when it was told that the records are on disk, and before it says that they are done. */
export interface SpillNote {
  readonly did: 'ask' | 'written' | 'done';
  readonly numbers: readonly number[];
}

/** Writes numbered records, reads them and says that most are done, in several lives: closed in between, or just ended as if it were killed. */
const [root, lives, planted] = process.argv.slice(2) as [string, string, SpillPlanted];

if (planted !== 'nothing') {
  const probe = await fs.promises.open(join(root, 'journal'), 'a');
  const handles = Object.getPrototypeOf(probe) as { datasync: () => Promise<void>; sync: () => Promise<void> };
  await probe.close();
  if (planted === 'no sync of data') handles.datasync = () => Promise.resolve();
  else handles.sync = () => Promise.resolve();
}

const journal = fs.openSync(join(root, 'journal'), 'a');
const note = (line: SpillNote): void => {
  fs.writeSync(journal, `${JSON.stringify(line)}\n`);
};

let next = fs.statSync(join(root, 'journal')).size === 0 ? 0 : 100_000;
for (let life = Number(lives); life > 0; life -= 1) {
  // What is no segment is put aside, which renames it; the next segments have higher numbers.
  if (next > 0) fs.writeFileSync(join(root, 'spill', `${next}.segment`), 'something else, longer than a header is');
  const spill = await openSpill(join(root, 'spill'), { quotaBytes: 128 * 1_024 });
  for (let round = 0; round < 9; round += 1) {
    for (let write = 0; write < 4; write += 1) {
      const [from, to] = [next, (next += 1 + ((round * 7 + write * 13) % 60))];
      const numbers = Array.from({ length: to - from }, (_, i) => from + i);
      note({ did: 'ask', numbers });
      await written(spill, numbered(from, to));
      note({ did: 'written', numbers });
    }
    const found = await readAll(spill, { records: 500, bytes: 1_000_000 });
    // Every fifth stays, for a while: files go in another order than they came.
    const done = found.filter((_, i) => (i + round) % 5 !== 0 || round % 3 === 0);
    note({ did: 'done', numbers: done.map(left) });
    for (const stored of done) spill.done(stored);
  }
  if (life > 1) await spill.close();
}
process.exit();
