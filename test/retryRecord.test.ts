import type { ChildProcess } from 'node:child_process';
import { fork } from 'node:child_process';
import { once } from 'node:events';
import { existsSync } from 'node:fs';
import { join } from 'node:path';
import { fileURLToPath } from 'node:url';
import { firstValueFrom, from } from 'rxjs';
import { describe, expect, inject, it } from 'vitest';
import { createTopic } from '../broker/index.js';
import type { Checkpoint, KafkaRecord, Properties } from '../src/index.js';
import { Kafka, fromTopic, memoryOffsets, openOffsets, release } from '../src/index.js';
import type { RetryingOptions } from './programs/retrying.js';
import type { AttemptLine } from './support/attempts.js';
import { BEGUN, failuresOf, readAttempts, settleAttempts } from './support/attempts.js';
import { grown } from './support/grown.js';
import { numberOf, numberedTopic, unique } from './support/numbered.js';
import { temporaryFolder } from './support/temporaryFolder.js';
import { until } from './support/until.js';

const brokers = inject('brokers');
/** A static member takes its place again at once; the embedded cluster knows none, but soon forgets one that is gone. */
const properties: Properties =
  inject('brokerKind') === 'embedded' ? { 'session.timeout.ms': 2_000 } : { 'group.instance.id': 'the-only-one' };
/** More, for a long run. */
const KILLS = Number(process.env['KAFKA_RX_RETRY_KILLS'] ?? 3);
const attempts = 6;
const PARTITIONS = 4;
const PATIENCE_MS = 60_000 + KILLS * 15_000;
/** How often to try to catch a planted mistake. */
const MAX_ROUNDS = 30;

interface Run {
  readonly lives: readonly (readonly AttemptLine[])[];
  readonly dead: string;
  /** After the last life. */
  readonly checkpoints: readonly Checkpoint[];
}

/** Lets a program work on a numbered topic, kills it with SIGKILL at random moments, and lets it come to its end, unless it has a planted mistake. */
async function run(records: number, kills: number, planted: RetryingOptions['planted']): Promise<Run> {
  await using folder = await temporaryFolder();
  const { topic } = await numberedTopic(brokers, { records, partitions: PARTITIONS });
  const dead = unique('dead');
  await createTopic(brokers, dead);
  const store = join(folder.path, 'offsets');
  const group = unique('retrying');
  const lives: AttemptLine[][] = [];
  const lines = Array.from({ length: records }, (_, number) => Math.min(failuresOf(number) + 1, attempts) + 1).reduce((a, b) => a + b);
  let program: ChildProcess | undefined;
  try {
    for (let life = 0; life < kills || (life === kills && planted === 'none'); life += 1) {
      const log = join(folder.path, `life-${life}`);
      const options: RetryingOptions = { brokers, topic, dead, group, store, log, attempts, maxDelayMs: 60, properties, planted };
      const current = (program = fork(fileURLToPath(new URL('../.build/test/programs/retrying.js', import.meta.url)), [
        JSON.stringify(options),
      ]));
      const ended = once(current, 'exit') as Promise<[number | null, string | null]>;
      const isGone = (): boolean => current.exitCode !== null;
      if (life === kills) {
        await until(() => isGone() || isAllEnded(lives, log, records));
        if (!isGone()) current.send('stop');
      } else {
        const bytes = (Math.random() * 6 * lines) / (kills + 1);
        await grown(log, bytes, isGone);
        current.kill('SIGKILL');
      }
      const [code, signal] = await ended;
      if (life === kills ? code !== 0 : signal !== 'SIGKILL')
        throw new Error(`life ${life} ended by itself with code ${code ?? signal ?? '?'}`);
      lives.push(readAttempts(log));
    }
  } finally {
    program?.kill('SIGKILL');
  }
  await using offsets = openOffsets(store);
  return { lives, dead, checkpoints: await firstValueFrom(from(offsets.list(group)), { defaultValue: [] }) };
}

function isAllEnded(before: readonly (readonly AttemptLine[])[], log: string, records: number): boolean {
  if (!existsSync(log)) return false;
  const ended = [...before.flat(), ...readAttempts(log)].filter(({ kind }) => kind !== BEGUN).map(({ number }) => number);
  return new Set(ended).size === records;
}

describe('retryRecord', () => {
  it('retried records survive SIGKILL with their attempt counts', { timeout: PATIENCE_MS }, async ({ annotate }) => {
    const records = 600 * (KILLS + 1);
    const { lives, dead, checkpoints } = await run(records, KILLS, 'none');
    const { broken, repeated, carried } = settleAttempts(lives, records, attempts);

    const figures = `${KILLS} kills over ${records} records: ${carried} went on counting, ${repeated} attempts that a kill interrupted were made again`;
    process.stdout.write(`${figures}\n`);
    await annotate(figures);
    expect(broken).toEqual([]);
    // Otherwise no kill ever hit anything.
    expect(Math.min(carried, repeated)).toBeGreaterThan(0);
    // What is finished is not remembered any longer.
    expect(checkpoints.map(({ frontier, runs, retries }) => ({ frontier, runs, retries }))).toEqual(
      Array.from({ length: PARTITIONS }, () => ({ frontier: records / PARTITIONS, runs: [], retries: undefined })),
    );

    const poison = Array.from({ length: records }, (_, number) => number).filter((number) => failuresOf(number) === Infinity);
    const written = lives.flat().filter(({ kind, attempt }) => kind === BEGUN && attempt === attempts);
    await using kafka = new Kafka({ brokers });
    const letters: KafkaRecord[] = [];
    const isComplete = (): boolean => new Set(letters.map(numberOf)).size === poison.length;
    const running = fromTopic(kafka, dead, { group: unique('readers'), offsets: memoryOffsets() })
      .pipe(release())
      .subscribe({
        next: (letter) => letters.push(letter),
        error: () => undefined,
      });
    await until(isComplete);
    running.unsubscribe();
    expect(new Set(letters.map(numberOf))).toEqual(new Set(poison));
    expect(letters.length).toBeLessThanOrEqual(written.length);
    expect(new Set(letters.map(({ headers }) => String(new Map(headers).get('dead-letter.attempt'))))).toEqual(new Set([String(attempts)]));
  });

  it('the checker finds a planted mistake: attempts are forgotten', { timeout: PATIENCE_MS }, async () => {
    let said = '';
    // Every kill may come when nothing waits.
    for (let round = 0; round < MAX_ROUNDS && said === ''; round += 1) {
      const { lives } = await run(800, 2, 'attempts are forgotten');
      said = settleAttempts(lives, 800, attempts)
        .broken.filter((complaint) => complaint.includes('came after'))
        .join('\n');
    }
    expect(said).toMatch(/attempt 1 of record \d+ came after attempt [2-6] of life/);
  });

  const begun = (number: number, attempt: number): AttemptLine => ({ kind: BEGUN, attempt, number });
  const done = (number: number, attempt: number): AttemptLine => ({ kind: 2, attempt, number });
  it.each<[string, RegExp, AttemptLine[][]]>([
    ['a gap', /attempt 3 of record 1 came after attempt 1/, [[begun(1, 1), begun(1, 3)]]],
    ['a repeat without a kill', /attempt 1 of record 1 came after attempt 1/, [[begun(1, 1), begun(1, 1)]]],
    ['a count that shrinks', /attempt 1 of record 1 came after attempt 2/, [[begun(1, 1), begun(1, 2)], [begun(1, 1)]]],
    ['one too many', /3 are allowed/, [[begun(1, 1), begun(1, 2), begun(1, 3), begun(1, 4)]]],
    ['a record that is tried again after it was done', /ended, and 1 was under way/, [[begun(0, 1), done(0, 2)]]],
    ['a record that never ended', /record 0 ended after 0 attempts, and needs 1/, [[begun(0, 1)]]],
  ])('the checker finds %s', (_what, complaint, lives) => {
    expect(settleAttempts(lives, 2, 3).broken.join('\n')).toMatch(complaint);
  });

  it('the checker has nothing to say of a clean run', () => {
    const lives = [
      [begun(0, 1), begun(1, 1)],
      [begun(1, 1), begun(0, 1), done(0, 1)],
      [begun(1, 2), done(1, 2)],
    ];
    expect(settleAttempts(lives, 2, 3)).toEqual({ broken: [], repeated: 2, carried: 1 });
  });
});
