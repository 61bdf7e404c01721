import { describe, expect, inject, it } from 'vitest';
import { temporaryFolder } from '../support/temporaryFolder.js';
import type { SlotsVerdict } from './judge.js';
import { judge, readSlots } from './judge.js';
import type { SlotLoopOptions } from './slotLoop.js';
import { slotLoop } from './slotLoop.js';

const brokers = inject('brokers');
/** More, for a long run. */
const kills = Number(process.env['KAFKA_RX_SLOT_KILLS'] ?? 5);
const PATIENCE_MS = 120_000 + kills * 15_000;
const [WORKERS, PARTITIONS] = [4, 13];
/** How often to try to catch a planted mistake. */
const MAX_ROUNDS = 5;

async function outcome(options: Pick<SlotLoopOptions, 'kills' | 'seed' | 'planted'>): Promise<SlotsVerdict> {
  await using folder = await temporaryFolder();
  await slotLoop({ brokers, workers: WORKERS, partitions: PARTITIONS, folder: folder.path, ...options });
  return judge(readSlots(folder.path, WORKERS), PARTITIONS);
}

// The embedded cluster has no topics of 13 partitions.
describe.runIf(inject('brokerKind') !== 'embedded')('worker slots', () => {
  it(
    `4 processes, 13 partitions, each partition read by exactly one, ${kills} SIGKILLs: lost 0`,
    { timeout: PATIENCE_MS },
    async ({ annotate }) => {
      const seed = Math.floor(Math.random() * 1e9);
      process.stdout.write(`seed ${seed}\n`);
      const { broken, ...verdict } = await outcome({ kills, seed });
      const figures = `seed ${seed}: ${Object.entries(verdict)
        .map(([name, count]) => `${name} ${count}`)
        .join(', ')}`;
      process.stdout.write(`${figures}\n`);
      await annotate(figures);
      expect(broken).toEqual([]);
      expect(verdict).toMatchObject({ records: PARTITIONS * 100 * (kills + 1), kills, lost: 0 });
      // Otherwise no kill ever hit anything.
      expect(verdict.repeats).toBeGreaterThan(0);
    },
  );

  it.each([
    ['two read the same', /partition \d+ was read by the slots \[0, \d\]/],
    ['commit before the work', /finished on disk, but no work on them was ever done/],
  ] as const)('the judge finds a planted mistake: %s', { timeout: PATIENCE_MS }, async (planted, complaint) => {
    let said = '';
    // Every kill may miss the moments in which the mistake shows.
    for (let seed = 1; seed <= MAX_ROUNDS && !complaint.test(said); seed += 1) {
      said = (await outcome({ kills: planted === 'two read the same' ? 0 : 3, seed, planted })).broken.join('\n');
    }
    expect(said).toMatch(complaint);
  });
});
