import { execFile } from 'node:child_process';
import { promisify } from 'node:util';
import { describe, expect, inject, it } from 'vitest';
import type { Properties } from '../../src/index.js';
import { temporaryFolder } from '../support/temporaryFolder.js';
import { compiledProgram } from './compiledProgram.js';
import { killLoop } from './killLoop.js';
import { PLANTED } from './pipelines.js';

const brokers = inject('brokers');
/** A static member takes its place again at once; the embedded cluster knows none, but soon forgets one that is gone. */
const properties: Properties =
  inject('brokerKind') === 'embedded' ? { 'session.timeout.ms': 2_000 } : { 'group.instance.id': 'the-only-one' };
const kills = Number(process.env['KAFKA_RX_KILLS'] ?? 40);
const PATIENCE_MS = 120_000 + kills * 15_000;
/** How often to try to catch a planted mistake. */
const MAX_ROUNDS = 10;

/** What the program that judges the run says, and the code with which it ends. */
async function judge(folder: string): Promise<{ code: number; said: string }> {
  const { stdout, stderr, code } = await promisify(execFile)(process.execPath, [compiledProgram('verifier'), folder]).then(
    (output) => ({ ...output, code: 0 }),
    (error: unknown) => error as { stdout: string; stderr: string; code: number },
  );
  return { code, said: `${stderr}${stdout}`.trim() };
}

describe('fault 13 and 14, a pipeline with state that is killed at any moment, or asked to end', () => {
  it(
    'loses nothing, repeats only what was in flight, and its state is what the finished records made of it',
    { timeout: PATIENCE_MS },
    async ({ annotate }) => {
      await using folder = await temporaryFolder();
      const seed = Math.floor(Math.random() * 1e9);
      process.stdout.write(`seed ${seed}\n`);
      await killLoop({ brokers, kills, seed, folder: folder.path, properties });

      const { code, said } = await judge(folder.path);
      process.stdout.write(`${said}\n`);
      await annotate(`seed ${seed}: ${said}`);
      expect(said).toMatch(/kept$/);
      expect(code).toBe(0);
      expect(said).toContain(`kills ${kills} `);
      // Otherwise no kill ever hit anything.
      expect(said).not.toContain('repeats 0,');
    },
  );

  const complaints = {
    'commit before the work': /finished on disk, but no work on them was ever done/,
    'ordered after a reordering': /finished on disk, but no work on them was ever done/,
    'state in a transaction of its own': /keys whose state is not what the finished records make of it/,
    'state on emission': /keys whose state is not what the finished records make of it/,
    'a record that is skipped': /finished on disk, but no work on them was ever done/,
  } as const;
  it.each(PLANTED)('the verifier finds a planted mistake: %s', { timeout: PATIENCE_MS }, async (planted) => {
    let judged = { code: 0, said: '' };
    // Every kill may miss the moments in which the mistake shows, or show it by another of its effects.
    for (let seed = 1; seed <= MAX_ROUNDS && !complaints[planted].test(judged.said); seed += 1) {
      await using folder = await temporaryFolder();
      await killLoop({ brokers, kills: 5, seed, folder: folder.path, properties, planted });
      judged = await judge(folder.path);
    }
    expect(judged.said).toMatch(complaints[planted]);
    expect(judged.code).toBe(1);
  });
});
