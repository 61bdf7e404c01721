import { describe, expect, inject, it } from 'vitest';
import { copiers } from '../transactions/copiers.js';
import { judge } from '../transactions/copies.js';

const brokers = inject('brokers');
const real = inject('brokerKind') !== 'embedded';
/** How records are read has little to do with it. */
const plain = process.env['KAFKA_RX_READER'] === 'plain';
/** More, for a long run. */
const kills = Number(process.env['KAFKA_RX_KILLS'] ?? (plain ? 2 : 10));
const records = plain ? 20_000 : Math.max(100_000, 1_000 * kills);
/** How often to try to catch a planted mistake. */
const MAX_ROUNDS = 10;
const PATIENCE_MS = 120_000 + kills * 15_000;

// The embedded cluster shows aborted records to every reader.
describe.runIf(real)('promise 4, exactly once into Kafka', () => {
  it('Exactly once into Kafka', { timeout: PATIENCE_MS }, async ({ annotate }) => {
    const { broken, lost, repeated, zombieLost } = await copiers({ brokers, records, kills, zombie: !plain, planted: 'none' });

    const figures = `${kills} kills of two copiers${plain ? '' : ', and a frozen one,'} over ${records} records: lost ${lost}, repeated ${repeated}`;
    process.stdout.write(`${figures}\n`);
    await annotate(figures);
    expect(broken).toEqual([]);
    if (!plain) expect(zombieLost).toBeGreaterThan(0);
  });

  it.skipIf(plain)('the verifier finds copies that are written without a transaction', { timeout: PATIENCE_MS }, async () => {
    const complaint = 'records were written more than once';
    let said = '';
    // Every kill may miss the moments in which the mistake shows.
    for (let round = 0; round < MAX_ROUNDS && !said.includes(complaint); round += 1) {
      const { broken } = await copiers({ brokers, records: 10_000, kills: 3, zombie: false, planted: 'without a transaction' });
      said = broken.join('\n');
    }
    expect(said).toContain(complaint);
  });

  it.each<[string, RegExp, number[], number]>([
    ['one that is missing', /1 records were never written/, [0, 2], 3],
    ['one that is there twice', /1 records were written more than once/, [0, 1, 1, 2], 3],
    ['one that nobody has read', /1 records were written that nobody has read/, [0, 1, 2, 7], 3],
    ['an end too early', /stands at 2 in partition 0, which ends at 3/, [0, 1, 2], 2],
  ])('the verifier finds %s', (_what, complaint, written, committed) => {
    expect(judge(3, written, [{ committed, end: 3 }]).broken.join('\n')).toMatch(complaint);
  });

  it('the verifier has nothing to say of a clean run', () => {
    expect(judge(3, [2, 0, 1], [{ committed: 3, end: 3 }])).toEqual({ broken: [], lost: 0, repeated: 0 });
  });
});
