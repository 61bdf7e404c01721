import type { ChildProcess } from 'node:child_process';
import { fork } from 'node:child_process';
import { once } from 'node:events';
import { existsSync } from 'node:fs';
import { mkdtemp, rm } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { setTimeout as delay } from 'node:timers/promises';
import { fileURLToPath } from 'node:url';
import { firstValueFrom, from } from 'rxjs';
import type { Properties } from '../../src/index.js';
import { openOffsets } from '../../src/index.js';
import type { KillableOptions } from '../programs/killable.js';
import { readEvidence } from './evidence.js';
import { grown } from './grown.js';
import type { Life } from './killLedger.js';
import { finishedOnDisk } from './killLedger.js';
import type { NumberedTopic } from './numbered.js';
import { unique } from './numbered.js';
import { until } from './until.js';

export interface LivesOptions extends Pick<KillableOptions, 'brokers' | 'maxInFlight' | 'concurrency' | 'planted'> {
  readonly numbered: NumberedTopic;
  readonly kills: number;
  readonly properties: Properties;
}

const EMITTED_BYTES = 5;

/**
 * Lets a program work on a numbered topic, kills it with SIGKILL at random moments, and starts it again. After the last kill it lives until
 * there is no more to be done, unless it has a planted mistake: then that might never be.
 */
export async function lives({ numbered, kills, brokers, maxInFlight, concurrency, planted, properties }: LivesOptions): Promise<Life[]> {
  const folder = await mkdtemp(join(tmpdir(), 'kafka-rx-lives-'));
  const store = join(folder, 'offsets');
  const group = unique('killed');
  const records = numbered.positions.length;
  const found: Life[] = [];
  let program: ChildProcess | undefined;
  try {
    for (let life = 0; life < kills || (life === kills && planted === 'none'); life += 1) {
      const last = life === kills;
      const log = join(folder, `life-${life}`);
      const emit = life % 2 === 0 ? 'passed' : 'durable';
      const options: KillableOptions = {
        brokers,
        topic: numbered.topic,
        group,
        store,
        log,
        maxInFlight,
        concurrency,
        properties,
        emit,
        planted,
      };
      const current = (program = fork(fileURLToPath(new URL('../../.build/test/programs/killable.js', import.meta.url)), [
        JSON.stringify(options),
      ]));
      const ended = once(current, 'exit') as Promise<[number | null, string | null]>;
      if (last) {
        await until(() => current.exitCode !== null || allDone(found, log, records));
        if (current.exitCode === null) current.send('stop');
      } else {
        await randomMoment(log, records / (kills + 1), () => current.exitCode !== null);
        current.kill('SIGKILL');
      }
      const [code, signal] = await ended;
      if (last ? code !== 0 : signal !== 'SIGKILL') throw new Error(`life ${life} ended by itself with code ${code ?? signal}`);
      const offsets = openOffsets(store);
      const checkpoints = await firstValueFrom(from(offsets.list(group)), { defaultValue: [] });
      await offsets.close();
      found.push({
        evidence: existsSync(log) ? readEvidence(log) : { emitted: [], finished: [], durable: [] },
        onDisk: finishedOnDisk(checkpoints, numbered.positions),
      });
    }
    return found;
  } finally {
    program?.kill('SIGKILL');
    await rm(folder, { recursive: true, force: true });
  }
}

/** Some time after the start, or when some of the records were worked on: any moment may be the wrong one. */
async function randomMoment(log: string, manyRecords: number, gone: () => boolean): Promise<void> {
  if (Math.random() < 0.2) {
    await delay(Math.random() * 600);
    return;
  }
  // Each record leaves two lines at least.
  const bytes = Math.random() * manyRecords * 2 * EMITTED_BYTES;
  await grown(log, bytes, gone);
}

function allDone(before: readonly Life[], log: string, records: number): boolean {
  if (!existsSync(log)) return false;
  const finished = new Uint8Array(records);
  for (const { evidence } of before) for (const number of evidence.finished) finished[number] = 1;
  for (const number of readEvidence(log).finished) finished[number] = 1;
  return finished.every((done) => done === 1);
}
