/**
 * `npm run test:kill -- --kills 300`: a pipeline is killed that often on a real broker, and what it did is verified by a program of its own.
 *
 * `--seed 7` makes the choices of an earlier run again; `--planted 'state on emission'` plants a mistake that has to be found; `--keep` leaves the run's files.
 */
import { execFileSync } from 'node:child_process';
import { mkdtempSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { parseArgs } from 'node:util';
import { startBroker } from '../../broker/index.js';
import { compiledProgram } from './compiledProgram.js';
import { killLoop } from './killLoop.js';
import type { PipelineOptions } from './programs/pipeline.js';

const { values } = parseArgs({
  options: {
    kills: { type: 'string', default: '40' },
    seed: { type: 'string', default: String(Math.floor(Math.random() * 1e9)) },
    planted: { type: 'string' },
    keep: { type: 'boolean', default: false },
  },
});
const folder = mkdtempSync(join(tmpdir(), 'kafka-rx-kill-'));
const broker = await startBroker();
try {
  process.stdout.write(`on ${broker.description}, seed ${values.seed}, in ${folder}\n`);
  await killLoop({
    brokers: broker.brokers,
    kills: Number(values.kills),
    seed: Number(values.seed),
    folder,
    properties: broker.kind === 'embedded' ? { 'session.timeout.ms': 2_000 } : { 'group.instance.id': 'the-only-one' },
    ...(values.planted === undefined ? {} : { planted: values.planted as PipelineOptions['planted'] }),
  });
  execFileSync(process.execPath, [compiledProgram('verifier'), folder], { stdio: 'inherit' });
} catch (error) {
  process.stderr.write(`${error instanceof Error ? error.message : String(error)}\n`);
  process.exitCode = 1;
} finally {
  await broker.close();
  if (!values.keep) rmSync(folder, { recursive: true, force: true });
}
