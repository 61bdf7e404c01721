import { describe, expect, inject, it } from 'vitest';
import type { Properties } from '../../src/index.js';
import type { Life } from '../support/killLedger.js';
import { settle } from '../support/killLedger.js';
import { lives } from '../support/lives.js';
import { numberedTopic } from '../support/numbered.js';

const brokers = inject('brokers');
/** A static member takes its place again at once; the embedded cluster knows none, but soon forgets one that is gone. */
const properties: Properties =
  inject('brokerKind') === 'embedded' ? { 'session.timeout.ms': 2_000 } : { 'group.instance.id': 'the-only-one' };
/** More, for a long run; fewer where the same is run a second time, with the plain reader. */
const kills = Number(process.env['KAFKA_RX_KILLS'] ?? (process.env['KAFKA_RX_READER'] === 'plain' ? 5 : 20));
const records = 10_000 * kills;
const PATIENCE_MS = 60_000 + kills * 15_000;

/** How often to try to catch a planted mistake. */
const MAX_ROUNDS = 10;

const nothing = { emitted: [], finished: [], durable: [] };

describe('promise 1, at least once, and promise 2, exact', () => {
  it('a SIGKILL at any moment loses nothing and repeats only what was not finished', { timeout: PATIENCE_MS }, async ({ annotate }) => {
    const numbered = await numberedTopic(brokers, { records });
    const maxInFlight = 1_000;

    const ledger = settle(
      await lives({ brokers, numbered, kills, maxInFlight, concurrency: 64, planted: 'none', properties }),
      records,
      maxInFlight,
    );

    const figures = `${kills} kills over ${records} records: lost ${ledger.lost}, repeated ${ledger.repeated}, in flight at the ends ${ledger.inFlight.join(' ')}`;
    process.stdout.write(`${figures}\n`);
    await annotate(figures);
    expect(ledger.broken).toEqual([]);
    expect(ledger.lost).toBe(0);
    // Otherwise no kill ever hit anything.
    expect(ledger.repeated).toBeGreaterThan(0);
  });

  it.each(['commit before the work', 'ordered after a reordering'] as const)(
    'the checker finds a planted mistake: %s',
    { timeout: PATIENCE_MS },
    async (planted) => {
      const complaint = 'finished on disk, but no work on them was ever done';
      let said = '';
      // Every kill may miss the moments in which the mistake shows.
      for (let round = 0; round < MAX_ROUNDS && !said.includes(complaint); round += 1) {
        const numbered = await numberedTopic(brokers, { records: 20_000 });
        const found = await lives({ brokers, numbered, kills: 4, maxInFlight: 1_000, concurrency: 64, planted, properties });
        said = settle(found, 20_000, 1_000).broken.join('\n');
      }
      expect(said).toContain(complaint);
    },
  );

  const done = (...numbers: number[]): Uint8Array => Uint8Array.from({ length: 4 }, (_, n) => (numbers.includes(n) ? 1 : 0));
  const all = { emitted: [0, 1, 2, 3], finished: [0, 1, 2, 3], durable: [0, 1, 2, 3] };
  it.each<[string, RegExp, Life[]]>([
    ['a lost record', /1 records were lost/, [{ evidence: { ...all, finished: [0, 1, 3] }, onDisk: done(0, 1, 2, 3) }]],
    ['a record emitted twice', /emitted twice/, [{ evidence: { ...all, emitted: [0, 1, 2, 3, 3] }, onDisk: done(0, 1, 2, 3) }]],
    [
      'a finished record that comes again',
      /although the disk knew/,
      [
        { evidence: all, onDisk: done(0, 1) },
        { evidence: { ...nothing, emitted: [1, 2, 3], finished: [2, 3] }, onDisk: done(0, 1, 2, 3) },
      ],
    ],
    [
      'a record that is forgotten',
      /finished on disk and are no more/,
      [
        { evidence: { ...all, durable: [] }, onDisk: done(0, 1) },
        { evidence: all, onDisk: done(0, 2, 3) },
      ],
    ],
    [
      'a word that was not kept',
      /said to be remembered/,
      [
        { evidence: all, onDisk: done(0, 1, 2) },
        { evidence: { ...nothing, emitted: [3] }, onDisk: done(0, 1, 2, 3) },
      ],
    ],
    [
      'too much in flight',
      /3 records were in flight, 2 are allowed/,
      [
        { evidence: { ...all, durable: [] }, onDisk: done(0) },
        { evidence: { ...nothing, emitted: [1, 2, 3] }, onDisk: done(0, 1, 2, 3) },
      ],
    ],
    ['an end too early', /1 records are not finished on disk at the end/, [{ evidence: { ...all, durable: [] }, onDisk: done(0, 1, 2) }]],
  ])('the checker finds %s', (_what, complaint, found) => {
    expect(settle(found, 4, 1).broken.join('\n')).toMatch(complaint);
  });

  it('the checker has nothing to say of a clean run', () => {
    expect(
      settle(
        [
          { evidence: { ...all, durable: [] }, onDisk: done(0, 2) },
          { evidence: { emitted: [1, 3], finished: [1, 3], durable: [1, 3] }, onDisk: done(0, 1, 2, 3) },
        ],
        4,
        2,
      ),
    ).toEqual({
      broken: [],
      lost: 0,
      repeated: 2,
      inFlight: [2, 0],
    });
  });
});
