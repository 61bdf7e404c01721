import { expect, describe, it } from 'vitest';
import { temporaryFolder } from '../support/temporaryFolder.js';
import { unable } from './compiled.js';
import type { SpillOutcome } from './spillStates.js';
import { losePowerOfSpill, missedOfSpill, recordSpill } from './spillStates.js';
import type { SpillPlanted } from './spillWorkload.js';

/** At full size this is 2,000 and more: `KAFKA_RX_SPILL_STATES=2000`. */
const STATES = Number(process.env['KAFKA_RX_SPILL_STATES'] ?? 300);
const SEED = Number(process.env['KAFKA_RX_SEED'] ?? Math.floor(Math.random() * 2 ** 31));

function told(title: string, { states, lost, invented, refused, examples }: SpillOutcome): void {
  process.stdout.write(
    `\n${title}: states ${states}, lost ${lost}, invented ${invented}, refused ${refused}, seed ${SEED}\n${examples.map((each) => `  ${each}\n`).join('')}`,
  );
}

describe.skipIf(unable)('loss of power below a publisher', () => {
  it('costs nothing that was reported as on disk, whatever the disk had not written yet', { timeout: 600_000 }, async () => {
    await using folder = await temporaryFolder();
    const recording = recordSpill(folder.path);
    expect(missedOfSpill(recording, folder.path)).toEqual([]);
    const kinds = new Set(recording.entries.map(({ kind }) => kind));
    expect([...kinds]).toEqual(expect.arrayContaining(['write', 'sync', 'create', 'rename', 'unlink', 'directory']));

    const outcome = await losePowerOfSpill(recording, STATES, SEED);

    told('loss of power below a publisher', outcome);
    expect(outcome).toEqual({ states: STATES, lost: 0, invented: 0, refused: 0, examples: [] });
  });

  it.each<[SpillPlanted]>([['no sync of data'], ['no sync of directories']])(
    'is noticed by this test if there is no defence: %s',
    async (planted) => {
      await using folder = await temporaryFolder();
      const outcome = await losePowerOfSpill(recordSpill(folder.path, planted), 60, SEED);
      told(planted, outcome);
      expect(outcome.lost).toBeGreaterThan(0);
    },
  );
});
