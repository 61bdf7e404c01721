import { execFileSync } from 'node:child_process';
import { existsSync, mkdirSync, mkdtempSync, readFileSync, readdirSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { left, openSpill, readAll } from '../publisher/spilling.js';
import { compiled } from './compiled.js';
import type { Luck } from './disk.js';
import { Disk } from './disk.js';
import type { Entry } from './recording.js';
import { readRecording } from './recording.js';
import type { SpillNote, SpillPlanted } from './spillWorkload.js';
import { program, seeded } from './states.js';

export interface SpillRecording {
  readonly entries: readonly Entry[];
  readonly root: string;
}

/** What a program did to its files that lived, was closed, lived again, was killed, and lived a last time. */
export function recordSpill(folder: string, planted: SpillPlanted = 'nothing'): SpillRecording {
  const root = join(folder, 'root');
  mkdirSync(root);
  const env = { ...process.env, LD_PRELOAD: compiled('record', folder), RECORD_ROOT: root, RECORD_LOG: join(folder, 'log') };
  for (const lives of ['2', '1']) execFileSync(process.execPath, [program('spillWorkload'), root, lives, planted], { env });
  return { entries: readRecording(readFileSync(env.RECORD_LOG)), root };
}

/** Files whose content is not what the recording says: then a call was missed, and nothing that is built on it is true. */
export function missedOfSpill({ entries, root }: SpillRecording, folder: string): string[] {
  const disk = new Disk(root);
  for (const entry of entries) disk.apply(entry);
  const replayed = join(folder, 'replayed');
  disk.image('spill', replayed, 'all', () => 0);
  const names = (path: string): string[] => readdirSync(path).filter((name) => name.endsWith('.segment') || name === 'progress');
  const differ = names(join(root, 'spill')).filter(
    (name) => !existsSync(join(replayed, name)) || !readFileSync(join(replayed, name)).equals(readFileSync(join(root, 'spill', name))),
  );
  return [...differ, ...names(replayed).filter((name) => !existsSync(join(root, 'spill', name)))];
}

/** What became of the states that a loss of power may have left. */
export interface SpillOutcome {
  states: number;
  /** States in which a record is gone that was said to be on disk and was not done. */
  lost: number;
  /** States that show what nobody wrote, or not in the order in which it was written. */
  invented: number;
  /** States that could not be opened. */
  refused: number;
  /** The first of what is wrong, each with what makes it again. */
  readonly examples: string[];
}

/** Cuts the power at every moment of the recording in turn, until there are `states`, and looks at what is left. */
export async function losePowerOfSpill({ entries, root }: SpillRecording, states: number, seed: number): Promise<SpillOutcome> {
  const folder = mkdtempSync(join(existsSync('/dev/shm') ? '/dev/shm' : tmpdir(), 'kafka-rx-spills-'));
  const outcome: SpillOutcome = { states: 0, lost: 0, invented: 0, refused: 0, examples: [] };
  const dice = seeded(seed);
  const disk = new Disk(root);
  const journalFile = entries.find(({ kind, name }) => kind === 'create' && name === join(root, 'journal'))?.file;
  const asked = new Set<number>();
  const promised = new Set<number>();
  let journal = '';
  let moment = 0;
  try {
    for (let state = 0; state < states; state += 1) {
      const until = Math.ceil((state * entries.length) / states);
      for (; moment < until; moment += 1) {
        const entry = entries[moment] as Entry;
        disk.apply(entry);
        if (entry.kind !== 'write' || entry.file !== journalFile) continue;
        const lines = (journal + entry.bytes.toString()).split('\n');
        journal = lines.pop() ?? '';
        for (const { did, numbers } of lines.map((line) => JSON.parse(line) as SpillNote))
          for (const number of numbers) {
            if (did === 'ask') asked.add(number);
            else if (did === 'written') promised.add(number);
            else promised.delete(number);
          }
      }
      const directory = join(folder, String(state));
      const luck: Luck = (['none', 'all', 'some', 'some', 'some', 'some'] as const)[state % 6] as Luck;
      disk.image('spill', directory, luck, dice);
      outcome.states += 1;
      const fault = await examine(directory, asked, promised, outcome);
      if (fault !== undefined && outcome.examples.length < 5)
        outcome.examples.push(`state ${state} of ${states} with seed ${seed}, cut after call ${until}, ${luck} of the rest: ${fault}`);
      rmSync(directory, { recursive: true, force: true });
    }
    return outcome;
  } finally {
    rmSync(folder, { recursive: true, force: true });
  }
}

async function examine(
  directory: string,
  asked: ReadonlySet<number>,
  promised: ReadonlySet<number>,
  outcome: SpillOutcome,
): Promise<string | undefined> {
  let found: number[];
  try {
    const spill = await openSpill(directory);
    found = (await readAll(spill, { records: 500, bytes: 1_000_000 })).map(left);
    await spill.close();
  } catch (error) {
    outcome.refused += 1;
    return String(error);
  }
  const there = new Set(found);
  const lost = [...promised].filter((number) => !there.has(number));
  if (lost.length > 0) {
    outcome.lost += 1;
    return `${lost.length} are lost, the first is ${String(lost[0])}`;
  }
  const invented = found.filter((number, i) => !asked.has(number) || number <= (found[i - 1] ?? -1));
  if (invented.length === 0) return undefined;
  outcome.invented += 1;
  return `${invented.length} were not written, or not there, the first is ${String(invented[0])}`;
}
