import { execFileSync } from 'node:child_process';
import { createRequire } from 'node:module';
import type { TestProject } from 'vitest/node';
import type { BrokerKind } from '../../broker/index.js';
import { startBroker } from '../../broker/index.js';
import { addon } from '../../src/addon.js';

declare module 'vitest' {
  export interface ProvidedContext {
    /** `host:port` of the cluster that all tests share; each makes topics of its own. */
    readonly brokers: readonly string[];
    readonly brokerKind: BrokerKind;
    /** The same cluster where it lets nobody in but `LOGIN`; none if it has no such door. */
    readonly guarded: readonly string[];
  }
}

/** Compiles the programs that tests run as processes of their own, and starts one broker for all tests, whatever projects they are of. */
export default async function setup(project: TestProject): Promise<(() => Promise<void>) | undefined> {
  if ('brokers' in project.getProvidedContext()) return undefined;
  const tsc = createRequire(import.meta.url).resolve('typescript/bin/tsc');
  // Types are checked elsewhere; one that is wrong in another file need not stop these tests.
  execFileSync(process.execPath, [tsc, '--noCheck', '--incremental', 'false'], { stdio: 'inherit' });
  // On a build server an embedded cluster in place of a real one would be a green light for what was never tested.
  const broker = await startBroker({ requireReal: process.env['CI'] !== undefined && process.env['CI'] !== 'false' });
  const found = addon();
  const path = 'addon' in found ? 'with the addon' : `without the addon, for ${found.reason}`;
  process.stdout.write(`\nThese tests run on ${broker.description}, ${path}.\n`);
  project.vitest.provide('brokers', broker.brokers);
  project.vitest.provide('brokerKind', broker.kind);
  project.vitest.provide('guarded', broker.guarded ?? []);
  return () => broker.close();
}
