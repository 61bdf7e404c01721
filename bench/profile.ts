import { readFile, readdir } from 'node:fs/promises';
import { join } from 'node:path';
import { markdown } from './tables.js';

/** As V8 writes it. */
interface CpuProfile {
  readonly nodes: readonly { readonly id: number; readonly callFrame: { readonly functionName: string; readonly url: string } }[];
  readonly samples: readonly number[];
  readonly timeDeltas: readonly number[];
}

const ROWS = 24;
/** Not of the work: the main thread waits. */
const IDLE = '(idle)';

/** Where the time of the main thread goes, of all profiles in the folder, as Markdown: a row for each function that takes the most by itself. */
export async function byFunction(folder: string, records: number): Promise<string> {
  const self = new Map<string, number>();
  for (const file of await readdir(folder)) {
    const { nodes, samples, timeDeltas } = JSON.parse(await readFile(join(folder, file), 'utf8')) as CpuProfile;
    const names = new Map(
      nodes.map(({ id, callFrame }) => [id, `${callFrame.functionName || '(anonymous)'} ${place(callFrame.url)}`.trim()]),
    );
    samples.forEach((id, i) => {
      const name = names.get(id) as string;
      self.set(name, (self.get(name) ?? 0) + (timeDeltas[i] as number));
    });
  }
  const idle = self.get(IDLE) ?? 0;
  self.delete(IDLE);
  const busy = [...self.values()].reduce((sum, micros) => sum + micros, 0);
  const most = [...self].sort(([, a], [, b]) => b - a).slice(0, ROWS);
  const row = (name: string, micros: number): string[] => [
    name,
    ((1_000 * micros) / records).toFixed(0),
    `${((100 * micros) / busy).toFixed(1)} %`,
  ];
  return [
    markdown([['', 'ns per record', 'of the busy time'], ...most.map(([name, micros]) => row(`\`${name}\``, micros)), row('all', busy)]),
    `The main thread was idle for another ${(idle / 1e6).toFixed(1)} s. Start, loading and compiling are in it.`,
  ].join('\n\n');
}

/** Ours from its folder on, others from their package on. */
function place(url: string): string {
  const [, inModules] = /\/node_modules\/(.+)$/.exec(url) ?? [];
  const [, ours] = /\/\.build\/(.+)$/.exec(url) ?? [];
  return inModules ?? ours ?? url;
}
