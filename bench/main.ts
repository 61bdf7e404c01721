/**
 * `npm run bench`: kafka-rx and its peers side by side, on one broker, in one run.
 *
 * Each contender does each piece of work in a process of its own; rounds are interleaved, so that a machine that gets slower is so to all.
 * What counts are medians, and medians of the ratios within a round. Results, charts and tables go to bench/results/.
 *
 * `--only consume,latency` some scenarios · `--records 1000000` · `--rounds 5` · `--contenders kafka-rx,kafkajs` · `--partitions 4` ·
 * `--seconds 10` of latency · `--runs 10000000` open runs at most · `--patience 300` seconds for one run of one contender ·
 * `--profile` where the time of consuming goes, by function, and nothing else ·
 * `--loaded` go on although the machine is busy · `--readme` write the README's figures too · `--draw` measure nothing, only draw and write again
 */
import { execFileSync } from 'node:child_process';
import { existsSync } from 'node:fs';
import { mkdir, mkdtemp, readFile, rm, writeFile } from 'node:fs/promises';
import { arch, cpus, release, totalmem, type } from 'node:os';
import { join } from 'node:path';
import { fileURLToPath } from 'node:url';
import { parseArgs } from 'node:util';
import { format, resolveConfig } from 'prettier';
import { startBroker } from '../broker/index.js';
import { addon } from '../src/addon.js';
import { THEMES, chart } from './chart.js';
import { compared } from './compared.js';
import { chosen } from './contenders.js';
import type { Bench } from './contest.js';
import { load } from './load.js';
import { measure } from './measure.js';
import { installPeers } from './peers.js';
import { byFunction } from './profile.js';
import { withFigures } from './readme.js';
import type { Machine, Result } from './results.js';
import { scenarios } from './scenarios.js';
import type { Case, Scenario } from './scenarios.js';
import { aligned, cellsOf, comparisonLine, report } from './tables.js';
import { way } from './way.js';

const { values: options } = parseArgs({
  options: {
    only: { type: 'string' },
    contenders: { type: 'string' },
    records: { type: 'string', default: '100000' },
    rounds: { type: 'string', default: '3' },
    partitions: { type: 'string', default: '4' },
    seconds: { type: 'string', default: '3' },
    runs: { type: 'string', default: '100000' },
    patience: { type: 'string', default: '120' },
    loaded: { type: 'boolean', default: false },
    profile: { type: 'boolean', default: false },
    readme: { type: 'boolean', default: false },
    draw: { type: 'boolean', default: false },
  },
});

const root = fileURLToPath(new URL('../../', import.meta.url));
const results = join(root, 'bench', 'results');
const all = scenarios({
  records: positive('records'),
  partitions: positive('partitions'),
  latencySeconds: positive('seconds'),
  maxRuns: positive('runs'),
});

try {
  if (!options.draw) await bench();
  await draw();
} catch (error) {
  process.stderr.write(`${error instanceof Error ? error.message : String(error)}\n`);
  process.exitCode = 1;
}

async function bench(): Promise<void> {
  const wanted = wantedScenarios();
  const contenders = chosen(options.contenders);
  const [rounds, patienceMs] = [positive('rounds'), positive('patience') * 1_000];
  const { average, bound } = load();
  if (average > bound && !options.loaded) {
    throw new Error(
      `The machine is busy: its load average is ${average.toFixed(2)}, and above ${bound.toFixed(2)} figures mean little. ` +
        'Wait, or give --loaded to go on all the same; the results will say so.',
    );
  }
  await installPeers();
  // Whoever begins one way goes on so: should the addon change meanwhile, there are no figures, in place of others.
  for (const variable of ['KAFKA_RX_READER', 'KAFKA_RX_PRODUCER'] as const) process.env[variable] ??= way(variable, undefined, addon());
  const broker = await startBroker();
  const folder = await mkdtemp(join(root, '.build', 'bench-'));
  const deletes = broker.kind !== 'embedded';
  try {
    const machine: Machine = {
      cpu: `${cpus().length} × ${cpus()[0]?.model.trim() ?? arch()}`,
      memoryGiB: Math.round(totalmem() / 2 ** 30),
      system: `${type()} ${release()}`,
      node: process.version,
      broker: broker.description,
      commit: commitOfThis(),
      date: new Date().toISOString(),
      loaded: average > bound ? average : null,
    };
    say(`${machine.cpu}, ${machine.system}, Node ${machine.node}, ${machine.broker}, load ${average.toFixed(2)}`);
    await mkdir(results, { recursive: true });
    if (options.profile) {
      await profile({ brokers: broker.brokers, deletes, rounds, patienceMs, folder, say }, machine);
      return;
    }
    for (const scenario of wanted) {
      const { name, title, figure, compares } = scenario;
      const setup: Bench = { brokers: broker.brokers, deletes, contenders, rounds, patienceMs, folder, say };
      const cases = await measure(setup, scenario, `bench-${name}-${Date.now()}`);
      const comparison = compares === undefined ? {} : { compared: compared(cases, compares) };
      const result: Result = { scenario: name, title, figure, rounds, machine, cases, ...comparison };
      await writeFile(join(results, `${name}.json`), `${JSON.stringify(result, null, 2)}\n`);
      for (const one of cases) say(`\n${title}: ${one.name}\n${aligned(cellsOf(result, one))}`);
      if (result.compared !== undefined) say(`\n${comparisonLine(result.compared)}`);
    }
  } finally {
    await broker.close();
    await rm(folder, { recursive: true, force: true });
  }
}

/** Of the main thread, in the case that is measured first. */
async function profile(bench: Omit<Bench, 'contenders'>, machine: Machine): Promise<void> {
  const scenario = all[0] as Scenario;
  const [one] = scenario.cases as [Case];
  const profiles = join(bench.folder, 'profiles');
  const contenders = chosen('kafka-rx').map((contender) => ({ ...contender, execArgv: ['--cpu-prof', `--cpu-prof-dir=${profiles}`] }));
  await measure({ ...bench, contenders }, { ...scenario, cases: [one] }, `bench-profile-${Date.now()}`);
  const { commit, cpu, node, date } = machine;
  const about = `${scenario.title}, ${one.name}: kafka-rx at ${commit}, ${bench.rounds} × ${one.records} records, ${cpu}, Node ${node}, ${date.slice(0, 10)}.`;
  await writeFile(
    join(results, 'profile.md'),
    `# Where the time goes\n\n${about}\n\n${await byFunction(profiles, bench.rounds * one.records)}\n`,
  );
}

/** Charts, tables, and the README if asked for, of all results that there are. */
async function draw(): Promise<void> {
  const measured: Result[] = [];
  for (const { name } of all) {
    const file = join(results, `${name}.json`);
    if (existsSync(file)) measured.push(JSON.parse(await readFile(file, 'utf8')) as Result);
  }
  for (const result of measured) {
    for (const theme of THEMES) await writeFile(join(results, `${result.scenario}-${theme}.svg`), chart(result, theme));
  }
  await writeFile(join(results, 'README.md'), `# What was measured\n\n${measured.map(report).join('\n\n')}\n`);
  if (!options.readme) return;
  const readme = join(root, 'README.md');
  const written = withFigures(await readFile(readme, 'utf8'), measured);
  await writeFile(readme, await format(written, { ...(await resolveConfig(readme)), filepath: readme }));
}

function wantedScenarios(): readonly Scenario[] {
  if (options.only === undefined) return all;
  return options.only.split(',').map((wanted) => {
    const scenario = all.find(({ name }) => name === wanted.trim());
    if (!scenario) throw new Error(`There is no scenario "${wanted.trim()}"; there are: ${all.map(({ name }) => name).join(', ')}.`);
    return scenario;
  });
}

function positive(name: 'records' | 'rounds' | 'partitions' | 'seconds' | 'runs' | 'patience'): number {
  const number = Number(options[name]);
  if (!Number.isInteger(number) || number < 1) throw new Error(`--${name} is a whole number from 1, not "${options[name]}".`);
  return number;
}

/** A mark at its end says that there were changes beyond it. */
function commitOfThis(): string {
  const git = (...words: string[]): string => execFileSync('git', words, { cwd: root, encoding: 'utf8' }).trim();
  try {
    // What a bench has written changes nothing of what the next one measures.
    const changed = git('status', '--porcelain', '--untracked-files=no', '--', '.', ':!bench/results', ':!*.md');
    return `${git('describe', '--always')}${changed === '' ? '' : '-dirty'}`;
  } catch {
    return 'an unknown commit';
  }
}

function say(line: string): void {
  process.stdout.write(`${line}\n`);
}
