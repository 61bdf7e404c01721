import type { ChildProcess } from 'node:child_process';
import { fork } from 'node:child_process';
import { randomUUID } from 'node:crypto';
import { once } from 'node:events';
import { mkdirSync } from 'node:fs';
import { join } from 'node:path';
import { setTimeout as delay } from 'node:timers/promises';
import { createTopic } from '../../broker/index.js';
import type { Properties } from '../../src/index.js';
import { AppendOnly, LINE_BYTES } from './appendOnly.js';
import { compiledProgram } from './compiledProgram.js';
import { EffectsSoFar } from './effectsSoFar.js';
import { FOLDS, MANNERS } from './pipelines.js';
import type { PipelineOptions } from './programs/pipeline.js';
import type { ProducerOptions, Send } from './programs/producer.js';
import type { DumpOrder } from './programs/storeDump.js';
import { fileIn } from './runFolder.js';
import { seeded } from './seeded.js';
import type { How } from './verify.js';
import { until } from '../support/until.js';

export interface KillLoopOptions {
  readonly brokers: readonly string[];
  readonly kills: number;
  /** Decides every choice that the supervisor makes. What becomes of it, the processes and the broker decide too. */
  readonly seed: number;
  /** An empty folder for what the run leaves. */
  readonly folder: string;
  readonly properties: Properties;
  /** A mistake that the verifier has to find. Then there is no end at which all is done: that might never be. */
  readonly planted?: PipelineOptions['planted'];
}

const PARTITIONS = 4;
const MAX_IN_FLIGHT = 1_000;
const CONCURRENCY = 64;
/** New records for each process: about twice as many as one works on before it is killed. */
const RECORDS_PER_LIFE = 1_200;
/** A pipeline that does nothing for so long will never do what is left; the verifier then says what that is. */
const GIVE_UP_MS = 30_000;

/**
 * Lets a pipeline work on a topic into which a producer writes all the time, kills it at random moments and starts it again, and writes down
 * what its store holds each time. After the last kill it lives until there is no more to be done.
 */
export async function killLoop({ brokers, kills, seed, folder, properties, planted }: KillLoopOptions): Promise<void> {
  const random = seeded(seed);
  const file = fileIn(folder);
  const topic = `kill-${randomUUID()}`;
  const group = topic;
  const store = join(folder, 'store');
  mkdirSync(folder, { recursive: true });
  await createTopic(brokers, topic, { partitions: PARTITIONS });
  using journal = new AppendOnly(file.journal);
  using effects = new AppendOnly(file.effects);
  journal.line('R', MAX_IN_FLIGHT);

  const started: ChildProcess[] = [];
  const start = (name: string, options?: object): ChildProcess => {
    const child = fork(compiledProgram(name), options === undefined ? [] : [JSON.stringify(options)]);
    started.push(child);
    return child;
  };
  try {
    const producer = start('producer', { brokers, topic, partitions: PARTITIONS, journal: file.journal } satisfies ProducerOptions);
    let sent = 0;
    let answered = 0;
    producer.on('message', (records: number) => (answered = records));
    const dumper = start('storeDump');

    let killed = 0;
    for (let life = 0; ; life += 1) {
      const last = killed === kills;
      if (last && planted !== undefined) break;
      const how = last ? 'done' : planted === undefined ? plan(life, killed) : 'killed';
      if (!last) {
        producer.send({ records: RECORDS_PER_LIFE } satisfies Send);
        sent += RECORDS_PER_LIFE;
      }
      const before = effects.size;
      const pipeline = start('pipeline', {
        brokers,
        topic,
        group,
        store,
        effects: file.effects,
        maxInFlight: MAX_IN_FLIGHT,
        concurrency: CONCURRENCY,
        properties,
        manner: MANNERS[Math.floor(random() * MANNERS.length)] as PipelineOptions['manner'],
        planted,
        seed: seed + life,
      } satisfies PipelineOptions);
      const ended = once(pipeline, 'exit') as Promise<[number | null, string | null]>;
      const gone = (): boolean => pipeline.exitCode !== null || pipeline.signalCode !== null;

      // A record leaves two lines. Any moment may be the wrong one; but a planted mistake has no effect before something is on disk.
      const moment = planted === undefined ? random() : 0.6 + 0.4 * random();
      const bytes = before + moment * 2 * RECORDS_PER_LIFE * LINE_BYTES;
      if (how === 'killed at start') await delay(random() * 700);
      else if (how === 'done') await allWorkedOn(gone);
      else await until(() => gone() || effects.size >= bytes);
      if (how !== 'killed' && how !== 'killed at start') pipeline.kill('SIGTERM');
      if (how === 'killed in close') await delay(random() * 40);
      const isKill = how !== 'asked' && how !== 'done';
      if (isKill) pipeline.kill('SIGKILL');
      const [code, signal] = await ended;
      // One that was quicker to close than it could be killed has ended as it was asked to.
      const actual = how === 'killed in close' && code === 0 ? 'asked' : how;
      if (actual === 'asked' || actual === 'done' ? code !== 0 : signal !== 'SIGKILL')
        throw new Error(`life ${life} (${how}) ended by itself with ${signal ?? `code ${code}`}`);
      if (actual !== 'asked' && actual !== 'done') killed += 1;

      journal.line('K', Date.now(), life, actual.replaceAll(' ', '_'), effects.size);
      dumper.send({ store, group, table: FOLDS, file: file.dump(life) } satisfies DumpOrder);
      const [said] = (await once(dumper, 'message')) as [string];
      if (said !== 'written') throw new Error(`after life ${life} (${how}) ${said}`);
      if (last) break;
    }

    async function allWorkedOn(gone: () => boolean): Promise<void> {
      await until(() => answered === sent);
      const done = new EffectsSoFar(file.effects);
      await until(() => gone() || done.worked() >= sent || done.silentMs > GIVE_UP_MS);
    }
    // Whoever judges the run needs to know where every record went.
    await until(() => answered === sent);
  } finally {
    for (const child of started) child.kill('SIGKILL');
  }
}

/** Every fifth kill comes while the process starts, some come while it closes; and some processes are asked to end. */
function plan(life: number, killed: number): How {
  if (killed % 5 === 4) return 'killed at start';
  if (life % 7 === 3) return 'killed in close';
  return life % 7 === 5 ? 'asked' : 'killed';
}
