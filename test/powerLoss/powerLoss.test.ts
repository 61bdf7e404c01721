import { mkdtempSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterEach, beforeEach, describe, expect, it } from 'vitest';
import { unable } from './compiled.js';
import type { Planted } from './journal.js';
import type { Outcome } from './states.js';
import { loseThePower, missed, record } from './states.js';

/** At full size this is 10,000 and more: `KAFKA_RX_CRASH_STATES=10000`. */
const STATES = Number(process.env['KAFKA_RX_CRASH_STATES'] ?? 1_000);
const SEED = Number(process.env['KAFKA_RX_SEED'] ?? Math.floor(Math.random() * 2 ** 31));

let folder: string;

beforeEach(() => {
  folder = mkdtempSync(join(tmpdir(), 'kafka-rx-power-'));
});

afterEach(() => {
  rmSync(folder, { recursive: true, force: true });
});

function told(title: string, { states, lost, torn, refused, crashed, examples }: Outcome): void {
  process.stdout.write(
    `\n${title}: states ${states}, lost ${lost}, torn ${torn}, refused ${refused}, crashed ${crashed}, seed ${SEED}\n${examples.map((each) => `  ${each}\n`).join('')}`,
  );
}

describe.skipIf(unable)('loss of power', () => {
  it('costs nothing that was promised, whatever the disk had not written yet', { timeout: 600_000 }, async () => {
    const recording = record(folder);
    expect(missed(recording, folder)).toEqual([]);

    const outcome = await loseThePower(recording, STATES, SEED);

    told('loss of power', outcome);
    expect(outcome).toEqual({ states: STATES, lost: 0, torn: 0, refused: 0, crashed: 0, examples: [] });
  });

  it.each<[Planted]>([['noSync'], ['no sync of the manifest'], ['no sync of directories']])(
    'is noticed by this test if a store has no defence: %s',
    async (planted) => {
      const outcome = await loseThePower(record(folder, planted), 150, SEED);
      told(planted, outcome);
      expect(outcome.lost + outcome.torn + outcome.refused + outcome.crashed).toBeGreaterThan(0);
    },
  );
});
