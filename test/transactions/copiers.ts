import type { ChildProcess } from 'node:child_process';
import { fork } from 'node:child_process';
import { once } from 'node:events';
import { setTimeout as delay } from 'node:timers/promises';
import { fileURLToPath } from 'node:url';
import { createTopic } from '../../broker/index.js';
import { committedReader } from '../support/committedReader.js';
import { numberOf, numberedTopic, unique, writeNumbers } from '../support/numbered.js';
import type { Copies } from './copies.js';
import { judge } from './copies.js';
import type { CopierOptions, Told } from './programs/copier.js';

export interface CopiersOptions extends Pick<CopierOptions, 'brokers' | 'planted'> {
  readonly records: number;
  readonly kills: number;
  /** Whether a third one is frozen until the group has put it out, and wakes up. */
  readonly zombie: boolean;
}

export interface CopiersOutcome extends Copies {
  /** How often what the frozen one had finished was not taken from it. */
  readonly zombieLost: number;
}

const SLOTS = 2;
const PARTITIONS = 4;
/** The least that a broker allows. */
const SESSION_MS = 6_000;
/** What is written only when the last one has joined. */
const LATE = 0.2;

/** Longer than the group takes to put a member out, and a transaction to end by itself. */
const GIVE_UP_MS = 60_000;

/** A process that copies, with the last that it has told. */
interface Copier {
  readonly process: ChildProcess;
  readonly ended: Promise<[number | null, string | null]>;
  told: Told;
}

/**
 * Two processes of one group copy a numbered topic. They are killed with SIGKILL at random moments and started again; then a third one joins, is
 * frozen until the group has given its partitions to the others, and wakes up.
 */
export async function copiers({ brokers, records, kills, zombie, planted }: CopiersOptions): Promise<CopiersOutcome> {
  // For the one that is frozen, and for those that take over from it.
  const late = zombie ? Math.floor(records * LATE) : 0;
  const { topic } = await numberedTopic(brokers, { records: records - late, partitions: PARTITIONS });
  const to = unique('copies');
  const group = unique('copiers');
  await createTopic(brokers, to, { partitions: PARTITIONS });
  const running: Copier[] = [];
  /** What those that are dead have passed on. */
  let before = 0;

  const start = (name: string, properties: CopierOptions['properties']): Copier => {
    const options: CopierOptions = {
      brokers,
      from: topic,
      to,
      group,
      transactionalId: `${group}-${name}`,
      properties: { 'session.timeout.ms': SESSION_MS, ...properties },
      planted,
    };
    const child = fork(fileURLToPath(new URL('../../.build/test/transactions/programs/copier.js', import.meta.url)), [
      JSON.stringify(options),
    ]);
    const ended = once(child, 'exit') as Promise<[number | null, string | null]>;
    const copier: Copier = { process: child, ended, told: { passed: 0, owned: [], lost: 0 } };
    child.on('message', (told: Told) => (copier.told = told));
    running.push(copier);
    return copier;
  };
  /** A static member takes its place again at once. */
  const inSlot = (slot: number): Copier => start(String(slot), { 'group.instance.id': `slot-${slot}` });
  const kill = async (copier: Copier): Promise<void> => {
    copier.process.kill('SIGKILL');
    const [code, signal] = await copier.ended;
    if (signal !== 'SIGKILL') throw new Error(`a copier ended by itself with code ${code ?? signal}`);
    before += copier.told.passed;
    running.splice(running.indexOf(copier), 1);
  };
  const passed = (): number => running.reduce((sum, { told }) => sum + told.passed, before);
  const until = async (met: () => boolean | Promise<boolean>): Promise<void> => {
    let last = -1;
    let heard = performance.now();
    while (!(await met())) {
      if (last !== (last = passed())) heard = performance.now();
      if (performance.now() - heard > GIVE_UP_MS) {
        throw new Error(
          `nothing is copied any more, after ${last} of ${records} records: ${JSON.stringify(running.map(({ told }) => told))}`,
        );
      }
      const gone = running.find(({ process: { exitCode } }) => exitCode !== null);
      if (gone !== undefined) throw new Error(`a copier ended by itself with code ${gone.process.exitCode}`);
      await delay(2);
    }
  };

  await using reader = await committedReader(brokers, group);
  try {
    const slots = Array.from({ length: SLOTS }, (_, slot) => inSlot(slot));
    const share = (records - late) / (kills + 1);
    for (let killed = 0; killed < kills; killed += 1) {
      const slot = Math.floor(Math.random() * SLOTS);
      // Some are hit while they start; the others anywhere in their work.
      if (Math.random() < 0.2) await delay(Math.random() * 600);
      else {
        const moment = share * (killed + Math.random());
        await until(() => passed() >= moment);
      }
      await kill(slots[slot] as Copier);
      slots[slot] = inSlot(slot);
    }

    let frozen: Copier | undefined;
    if (zombie) {
      frozen = start('zombie', {});
      const { process: child } = frozen;
      const watched = frozen;
      await until(() => watched.told.owned.length > 0);
      const { passed: atFirst } = watched.told;
      const writing = writeNumbers(brokers, topic, { from: records - late, records: late, partitions: PARTITIONS, bytes: 4 });
      await until(() => watched.told.passed > atFirst);
      child.kill('SIGSTOP');
      await writing;
      const taken = watched.told.owned;
      await until(() => taken.every((partition) => slots.some(({ told }) => told.owned.includes(partition))));
      child.kill('SIGCONT');
    }
    await until(async () => (await reader.offsets(topic)).every(({ committed, end }) => committed === end));
    if (frozen !== undefined) {
      const watched = frozen;
      await until(() => watched.told.lost > 0);
    }
    for (const { process: child } of running) child.send('stop');
    for (const { ended } of running) {
      const [code, signal] = await ended;
      if (code !== 0) throw new Error(`a copier that was asked to stop ended with ${signal ?? `code ${code}`}`);
    }
    const written = (await reader.readAll(to)).map(numberOf);
    return { ...judge(records, written, await reader.offsets(topic)), zombieLost: frozen?.told.lost ?? 0 };
  } finally {
    for (const { process: child } of running) child.kill('SIGKILL');
  }
}
