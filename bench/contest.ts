import { execFile } from 'node:child_process';
import { promisify } from 'node:util';
import { createTopic, deleteTopic } from '../broker/index.js';
import { does, leftOut } from './contenders.js';
import type { Contender } from './contenders.js';
import { whole } from './figures.js';
import { countOf, fill } from './fill.js';
import { fetchMemory } from './memory.js';
import { pacer } from './pace.js';
import { rows } from './results.js';
import type { CaseResult } from './results.js';
import { turned } from './rounds.js';
import type { InRounds } from './rounds.js';
import { folderOf, run } from './run.js';
import type { Case, Figure } from './scenarios.js';
import type { Account, Task } from './task.js';
import { warmUp } from './warmUp.js';

/** JSON gets three to five times smaller by lz4; on the wire there is also what Kafka adds to each record. */
const REALISTIC = { least: 2.7, most: 5.5 };
/** Records per partition, so that batches are full. */
const ENOUGH = 20_000;
/** What a record takes in a log beyond its value: its key, and Kafka's own. */
const PER_RECORD = 20;

export interface Bench {
  readonly brokers: readonly string[];
  /** Whether the cluster is one that deletes topics. */
  readonly deletes: boolean;
  readonly contenders: readonly Contender[];
  readonly rounds: number;
  readonly patienceMs: number;
  readonly folder: string;
  readonly say: (line: string) => void;
}

/** All contenders on one case. */
export interface Contest extends InRounds {
  /** When all rounds are over. */
  result(): CaseResult;
}

/** Fills the topics, and has the broker warm; the rounds are the caller's. */
export async function contest(bench: Bench, figure: Figure, one: Case, id: string): Promise<Contest> {
  const { brokers, say } = bench;
  const contenders = bench.contenders.filter((contender) => does(contender, one.work));
  const compressed = await prepare(bench, one, id);
  if (compressed !== null) say(`  ${realistic(compressed, one)}`);
  const perform = (contender: Contender, runId: string): Promise<Account> => {
    const { name } = contender;
    const task: Task = {
      work: one.work,
      brokers,
      topic: id,
      output: `${id}-output`,
      records: one.records,
      bytes: one.bytes,
      compression: one.compression,
      group: `${runId}-${name.replaceAll(/[^a-z-]/g, '')}`,
      folder: folderOf(bench.folder, contender, runId),
      ...(one.warmUp === undefined ? {} : { warmUp: one.warmUp }),
      ...(one.openRuns === undefined ? {} : { openRuns: one.openRuns }),
    };
    return one.perSecond === undefined ? once(bench, contender, one, task) : paced(bench, contender, one, task);
  };
  const [first] = contenders;
  if (first !== undefined) {
    // A profile is of the rounds only.
    const before = (number: number): Promise<Account> => perform({ ...first, execArgv: [] }, `${id}-before-${number}`);
    // Where the writer sets the pace no run is faster than another.
    await (one.perSecond === undefined ? warmUp(before) : before(0)).catch((error: unknown) => {
      say(`  ${one.name}, before the rounds: ${first.name} failed: ${reasonOf(error)}`);
    });
  }
  const accounts = new Map<string, Account[]>(contenders.map(({ name }) => [name, []]));
  const absent = leftOut(bench.contenders, one.work);
  const round = async (number: number): Promise<void> => {
    for (const contender of turned(contenders, number)) {
      const { name } = contender;
      const mine = accounts.get(name);
      if (mine === undefined) continue;
      const where = `  ${one.name}, round ${number + 1}: ${name}`;
      try {
        await settle(say);
        const account = await perform(contender, `${id}-${number}`);
        mine.push(account);
        say(`${where} ${told(account)}`);
      } catch (error) {
        const reason = reasonOf(error);
        accounts.delete(name);
        absent.push({ name, reason });
        say(`${where} is out: ${reason}`);
      }
    }
  };
  return { round, result: () => ({ ...one, compressed, rows: rows(figure, accounts), absent }) };
}

/** Makes and fills the topic of a case that is to be read; answers how many times smaller it was on the wire, if it is compressed. */
async function prepare({ brokers }: Bench, one: Case, topic: string): Promise<number | null> {
  const { partitions, work, records, perSecond, compression, openRuns = 0 } = one;
  if (perSecond !== undefined || work === 'produce') return null;
  await createTopic(brokers, topic, { partitions });
  const ratio = await fill({ ...one, brokers, topic, records: records + 2 * openRuns });
  return compression === 'none' ? null : ratio;
}

/** A run that reads what is there, or writes to a topic of its own; what it says it has written must be there. */
async function once({ brokers, deletes, patienceMs, folder, say }: Bench, contender: Contender, one: Case, task: Task): Promise<Account> {
  if (one.work !== 'produce' && one.work !== 'transform') return run(contender, task, { patienceMs });
  const written = `${task.group}-written`;
  await createTopic(brokers, written, { partitions: one.partitions });
  try {
    await fetchMemory(folder, one.records * (one.bytes + PER_RECORD));
    const account = await run(contender, { ...task, [one.work === 'produce' ? 'topic' : 'output']: written }, { patienceMs });
    const missing = one.records - (await countOf(brokers, written, one.partitions));
    if (missing > 0) throw new Error(`it left out ${missing} of ${one.records} records`);
    return account;
  } finally {
    // What one has written would crowd the memory and the disk of those after it.
    if (deletes)
      await deleteTopic(brokers, written).catch((error: unknown) => {
        say(`  ${written} stays: ${reasonOf(error)}`);
      });
  }
}

/** A run on a topic of its own, which is written while the contender reads. */
async function paced({ brokers, patienceMs }: Bench, contender: Contender, one: Case, task: Task): Promise<Account> {
  const topic = task.group;
  const { partitions, records, bytes, perSecond = 1 } = one;
  await createTopic(brokers, topic, { partitions });
  const writer = await pacer({ brokers, topic, records, perSecond, bytes, partitions });
  try {
    let writing: Promise<void> | undefined;
    const account = await run(
      contender,
      { ...task, topic },
      {
        patienceMs,
        onReady: () => {
          writing ??= writer.start();
        },
      },
    );
    await writing;
    return account;
  } finally {
    await writer.close();
  }
}

/** What earlier runs have left in memory for the disk would be written during this one, and slow it down. */
async function settle(say: Bench['say']): Promise<void> {
  await promisify(execFile)('sync').catch((error: unknown) => {
    say(`  what is in memory for the disk stays there: ${reasonOf(error)}`);
  });
}

function reasonOf(error: unknown): string {
  return error instanceof Error ? error.message : String(error);
}

/** Says how well the payloads compressed; with enough of them in a batch that has to be as real ones do. */
function realistic(compressed: number, { records, partitions }: Case): string {
  const said = `the payloads are ${compressed.toFixed(1)} times smaller on the wire`;
  const enough = records / partitions >= ENOUGH;
  if (enough && (compressed < REALISTIC.least || compressed > REALISTIC.most)) {
    throw new Error(`${said}: real ones get ${REALISTIC.least} to ${REALISTIC.most} times smaller. The generator of payloads is wrong.`);
  }
  return enough ? said : `${said}, with few records in each partition`;
}

function told({ records, seconds, latency, cpuMicros }: Account): string {
  if (latency !== undefined) return `p50 ${latency.p50.toFixed(2)} ms, p99 ${latency.p99.toFixed(2)} ms`;
  return `${whole(records / seconds)} records/s, ${(cpuMicros / records).toFixed(2)} µs CPU per record`;
}
