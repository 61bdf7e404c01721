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

  it('the judge finds a planted mistake: two read the same', { timeout: PATIENCE_MS }, async () => {
    const complaint = /partition \d+ was read by the slots \[0, \d\]/;
    let said = '';
    // It may be stopped before it has read anything of theirs.
    for (let seed = 1; seed <= MAX_ROUNDS && !complaint.test(said); seed += 1) {
      said = (await outcome({ kills: 0, seed, planted: 'two read the same' })).broken.join('\n');
    }
    expect(said).toMatch(complaint);
  });

  it('the judge finds a partition that nobody reads, and a record that was lost', () => {
    const acked = new Map([
      ['k.0.1', { partition: 0, offset: 0 }],
      ['l.0.1', { partition: 1, offset: 0 }],
    ]);
    const done = (partition: number, id: string) => ({
      life: 0,
      how: 'done' as const,
      sightings: [
        { kind: 'S' as const, epoch: 1, partition, offset: 0, id },
        { kind: 'E' as const, epoch: 1, partition, offset: 0, id },
      ],
      dump: { checkpoints: [{ partition, frontier: 1, runs: [] }], state: [] },
    });
    const idle = { life: 0, how: 'done' as const, sightings: [], dump: { checkpoints: [], state: [] } };
    const slots = [0, 1].map((slot) => ({
      maxInFlight: 1,
      sent: new Set(acked.keys()),
      acked: new Map([...acked].filter(([, { partition }]) => partition === slot)),
      lives: [slot === 0 ? done(0, 'k.0.1') : idle],
    }));
    const { broken, lost } = judge(slots, 2);
    expect(lost).toBe(1);
    expect(broken).toContain('slot 1: 1 records were lost');
    expect(broken).toContain('partition 1 was read by the slots []');
    expect(broken.join()).not.toContain('partition 0');
  });
});
