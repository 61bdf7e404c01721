import type { ChildProcess } from 'node:child_process';
import { execFileSync, fork } from 'node:child_process';
import { once } from 'node:events';
import { existsSync, mkdirSync, mkdtempSync, readFileSync, readdirSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { fileURLToPath } from 'node:url';
import { compiled } from './compiled.js';
import type { Luck } from './disk.js';
import { Disk } from './disk.js';
import type { Findings, Note, Planted } from './journal.js';
import { Expectation } from './journal.js';
import type { Entry } from './recording.js';
import { readRecording } from './recording.js';

export const program = (name: string): string => fileURLToPath(new URL(`../../.build/test/powerLoss/${name}.js`, import.meta.url));

export interface Recording {
  readonly entries: readonly Entry[];
  readonly root: string;
}

/** What a program did to its files that lived, was closed, lived again, was killed, and lived a last time. */
export function record(folder: string, planted: Planted = 'nothing'): Recording {
  const root = join(folder, 'root');
  mkdirSync(root);
  const env = {
    ...process.env,
    LD_PRELOAD: compiled('record', folder),
    RECORD_ROOT: root,
    RECORD_LOG: join(folder, 'log'),
  };
  for (const lives of ['2', '1']) execFileSync(process.execPath, [program('workload'), root, lives, '12', planted], { env });
  return { entries: readRecording(readFileSync(env.RECORD_LOG)), root };
}

/** Files whose content is not what the recording says: then a call was missed, and nothing that is built on it is true. */
export function missed({ entries, root }: Recording, folder: string): string[] {
  const disk = new Disk(root);
  for (const entry of entries) disk.apply(entry);
  const replayed = join(folder, 'replayed');
  disk.image('offsets', replayed, 'all', () => 0);
  const written = readdirSync(join(root, 'offsets')).filter((name) => name !== 'lock.mdb' && !name.endsWith('.sock'));
  const differ = written.filter(
    (name) => !existsSync(join(replayed, name)) || !readFileSync(join(replayed, name)).equals(readFileSync(join(root, 'offsets', name))),
  );
  rmSync(replayed, { recursive: true });
  return differ;
}

/** What became of the states that a loss of power may have left. */
export interface Outcome {
  states: number;
  /** States in which something that was promised is gone. */
  lost: number;
  /** States that show what nobody asked for, or half of a write. */
  torn: number;
  /** States that could not be opened. */
  refused: number;
  /** States that ended the process. */
  crashed: number;
  /** The first of what is wrong, each with what makes it again. */
  readonly examples: string[];
}

const MOST_EXAMPLES = 5;
const EXAMINERS = 2;

/** Cuts the power at every moment of the recording in turn, until there are `states`, and looks at what is left. */
export async function loseThePower({ entries, root }: Recording, states: number, seed: number): Promise<Outcome> {
  const folder = mkdtempSync(join(existsSync('/dev/shm') ? '/dev/shm' : tmpdir(), 'kafka-rx-states-'));
  const outcome: Outcome = { states: 0, lost: 0, torn: 0, refused: 0, crashed: 0, examples: [] };
  const examiners = Array.from({ length: EXAMINERS }, () => new Examiner());
  const busy = examiners.map(() => Promise.resolve());
  try {
    const disk = new Disk(root);
    const expectation = new Expectation();
    const dice = seeded(seed);
    let journal = '';
    let moment = 0;
    const journalFile = entries.find(({ kind, name }) => kind === 'create' && name === join(root, 'journal'))?.file;
    for (let state = 0; state < states; state += 1) {
      const until = Math.ceil((state * entries.length) / states);
      if (until > moment) await Promise.all(busy);
      for (; moment < until; moment += 1) {
        const entry = entries[moment] as Entry;
        disk.apply(entry);
        if (entry.kind !== 'write' || entry.file !== journalFile) continue;
        const lines = (journal + entry.bytes.toString()).split('\n');
        journal = lines.pop() ?? '';
        for (const line of lines) expectation.take(JSON.parse(line) as Note);
      }
      const which = state % EXAMINERS;
      await busy[which];
      const directory = join(folder, String(state));
      const luck: Luck = (['none', 'all', 'some', 'some', 'some', 'some'] as const)[state % 6] as Luck;
      disk.image('offsets', directory, luck, dice);
      busy[which] = (examiners[which] as Examiner).examine(directory).then((found) => {
        judge(found, expectation, outcome, `state ${state} of ${states} with seed ${seed}, cut after call ${until}, ${luck} of the rest`);
        rmSync(directory, { recursive: true, force: true });
      });
    }
    await Promise.all(busy);
    return outcome;
  } finally {
    for (const examiner of examiners) examiner.end();
    rmSync(folder, { recursive: true, force: true });
  }
}

function judge(found: Answer, expectation: Expectation, outcome: Outcome, where: string): void {
  outcome.states += 1;
  const faults: string[] = [];
  if ('died' in found) {
    outcome.crashed += 1;
    faults.push(found.died);
  } else if ('error' in found) {
    outcome.refused += 1;
    faults.push(found.error);
  } else {
    const wrong = expectation.check(found.findings);
    if (wrong.some(({ kind }) => kind === 'lost')) outcome.lost += 1;
    if (wrong.some(({ kind }) => kind === 'torn')) outcome.torn += 1;
    faults.push(...wrong.map(({ kind, what }) => `${kind}: ${what}`));
  }
  if (faults.length > 0 && outcome.examples.length < MOST_EXAMPLES) outcome.examples.push(`${where}: ${faults.slice(0, 3).join('; ')}`);
}

export type Answer = { readonly findings: Findings } | { readonly error: string } | { readonly died: string };

/** A process that examines, and another after it if it dies of what it saw. */
export class Examiner {
  #child: ChildProcess | undefined;

  async examine(directory: string): Promise<Answer> {
    const child = (this.#child ??= fork(program('examiner')));
    const heard = new AbortController();
    const { signal } = heard;
    try {
      const answered = once(child, 'message', { signal }).then(([answer]) => answer as Answer);
      const died = once(child, 'exit', { signal }).then(([code, killer]): Answer => {
        this.#child = undefined;
        return { died: `the process ended with ${String(killer ?? code)}` };
      });
      died.catch(() => undefined);
      answered.catch(() => undefined);
      child.send(directory);
      return await Promise.race([answered, died]);
    } finally {
      heard.abort();
    }
  }

  end(): void {
    this.#child?.kill('SIGKILL');
  }
}

/** The same numbers for the same seed. */
export function seeded(seed: number): (below: number) => number {
  let state = seed >>> 0;
  return (below) => {
    state = (state + 0x6d2b79f5) >>> 0;
    let t = Math.imul(state ^ (state >>> 15), state | 1);
    t ^= t + Math.imul(t ^ (t >>> 7), t | 61);
    return Math.floor((((t ^ (t >>> 14)) >>> 0) / 2 ** 32) * below);
  };
}
