import type { ChildProcess } from 'node:child_process';
import { execFile, fork } from 'node:child_process';
import { once } from 'node:events';
import { join } from 'node:path';
import { setTimeout as delay } from 'node:timers/promises';
import { promisify } from 'node:util';
import { describe, expect, it } from 'vitest';
import { AppendOnly, LINE_BYTES } from '../kill/appendOnly.js';
import { seeded } from '../kill/seeded.js';
import { temporaryFolder } from '../support/temporaryFolder.js';
import { compiledSpillProgram } from './compiledProgram.js';
import type { LifeOptions } from './programs/life.js';

/** For both orders together; more by `KAFKA_RX_PUBLISHER_KILLS`. */
const KILLS = Number(process.env['KAFKA_RX_PUBLISHER_KILLS'] ?? 40);
/** What a life may report before it is killed. */
const MOST_LINES = 500;
/** How often to try to catch a planted mistake. */
const MAX_ROUNDS = 10;
const PATIENCE_MS = 60_000 + KILLS * 3_000;

interface RunOptions extends Pick<LifeOptions, 'order' | 'planted'> {
  readonly kills: number;
  readonly seed: number;
}

/**
 * Kills a publisher at random moments, while its Kafka stands still and goes on again, and starts the next one in the same directory. The last
 * one replays all that is left. Answers what an independent program says of the outcome.
 */
async function run({ order, planted, kills, seed }: RunOptions): Promise<string> {
  await using folder = await temporaryFolder();
  const random = seeded(seed);
  const topic = `publisher-${seed}`;
  const journal = join(folder.path, 'journal');
  const started: ChildProcess[] = [];
  const start = (name: string, argument: string): ChildProcess => {
    const child = fork(compiledSpillProgram(name), [argument]);
    started.push(child);
    return child;
  };
  try {
    const cluster = start('cluster', topic);
    const [brokers] = (await once(cluster, 'message')) as [string[]];
    const live = (life: number, { patient = false, last = false }): ChildProcess =>
      start(
        'life',
        JSON.stringify({
          brokers,
          topic,
          spill: join(folder.path, 'spill'),
          journal,
          life,
          order,
          patient,
          last,
          planted,
        } satisfies LifeOptions),
      );
    using written = new AppendOnly(journal);
    const comeOrGo = (): void => {
      cluster.kill(random() < 0.4 ? 'SIGSTOP' : 'SIGCONT');
    };
    for (let life = 0; life < kills; life += 1) {
      const patient = life % 3 === 2;
      if (patient) cluster.kill('SIGCONT');
      else comeOrGo();
      const before = written.size;
      const publisher = live(life, { patient });
      const ended = once(publisher, 'exit') as Promise<[number | null, string | null]>;
      // Any moment may be the wrong one, that of the start too; a planted mistake has to have been made.
      const lines = planted === undefined ? Math.floor(random() * MOST_LINES) - 20 : MOST_LINES;
      let turned = false;
      if (lines < 0) await delay(random() * 400);
      else
        while (written.size < before + lines * LINE_BYTES) {
          if (!turned && written.size > before + (lines * LINE_BYTES) / 2) {
            comeOrGo();
            turned = true;
          }
          await delay(1);
        }
      publisher.kill('SIGKILL');
      const [code, signal] = await ended;
      if (signal !== 'SIGKILL') throw new Error(`life ${life} ended by itself with code ${String(code)}`);
    }
    cluster.kill('SIGCONT');
    if (planted === undefined) {
      const last = live(kills, { last: true });
      await once(last, 'message');
      last.send('end');
      await once(last, 'exit');
    }
    const judged = promisify(execFile)(process.execPath, [compiledSpillProgram('verifier'), brokers.join(), topic, journal, order]);
    const { stdout, stderr } = await judged.catch((error: unknown) => error as { stdout: string; stderr: string });
    return `${stderr}${stdout}`.trim();
  } finally {
    for (const child of started) child.kill('SIGKILL');
  }
}

describe.concurrent('fault 42: a publisher that is killed while Kafka comes and goes', () => {
  it.each<['none' | 'key']>([['none'], ['key']])(
    'loses nothing that was reported as on disk or in Kafka, with order %s',
    { timeout: PATIENCE_MS },
    async (order) => {
      const seed = Math.floor(Math.random() * 1e9);
      const said = await run({ order, planted: undefined, kills: KILLS / 2, seed });
      process.stdout.write(`order ${order}, kills ${KILLS / 2}, seed ${seed}: ${said}\n`);
      expect(said).toMatch(/kept$/);
      // Otherwise no kill ever hit anything.
      expect(said).not.toMatch(/disk 0,|kafka 0,/);
    },
  );

  it('is noticed by the verifier if it reports what is not on disk', { timeout: PATIENCE_MS }, async () => {
    let said = '';
    // Every kill may miss the moments in which the mistake shows.
    for (let seed = 1; seed <= MAX_ROUNDS && !said.endsWith('broken'); seed += 1) {
      said = await run({ order: 'none', planted: 'disk before it is written', kills: 3, seed });
    }
    expect(said).toMatch(/broken$/);
  });
});
