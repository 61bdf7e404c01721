import { execFile } from 'node:child_process';
import { readFileSync } from 'node:fs';
import { copyFile, mkdir, symlink, writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import { fileURLToPath } from 'node:url';
import { promisify } from 'node:util';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { temporaryFolder } from './support/temporaryFolder.js';

const ROOT = fileURLToPath(new URL('..', import.meta.url));
const run = promisify(execFile);

/** The README's examples of `kafka-rx/testing`, to the letter. */
const [, testing = ''] = /^## Testing your streams\n([^]*?)^## /m.exec(readFileSync(join(ROOT, 'README.md'), 'utf8')) ?? [];
const [inMarbles = '', withBroker = ''] = [...testing.matchAll(/^```ts\n([^]*?)^```$/gm)].map(([, code]) => code);

function tsc(...options: readonly string[]): Promise<unknown> {
  return run(process.execPath, [join(ROOT, 'node_modules/typescript/bin/tsc'), ...options]).catch((error: unknown) => {
    throw new Error((error as { readonly stdout: string }).stdout);
  });
}

describe('what the README shows of kafka-rx/testing, in a project that has kafka-rx installed', () => {
  let project: Awaited<ReturnType<typeof temporaryFolder>>;
  beforeAll(async () => {
    project = await temporaryFolder();
    const modules = join(project.path, 'node_modules');
    await mkdir(join(modules, 'kafka-rx'), { recursive: true });
    for (const name of ['rxjs', 'lmdb', 'node-rdkafka', '@types']) await symlink(join(ROOT, 'node_modules', name), join(modules, name));
    await copyFile(join(ROOT, 'package.json'), join(modules, 'kafka-rx/package.json'));
    await tsc('-p', join(ROOT, 'tsconfig.dist.json'), '--outDir', join(modules, 'kafka-rx/dist'), '--incremental', 'false');
    const compilerOptions = { target: 'ES2022', module: 'NodeNext', strict: true, skipLibCheck: false, types: ['node'] };
    await writeFile(join(project.path, 'tsconfig.json'), JSON.stringify({ compilerOptions }));
    await writeFile(join(project.path, 'package.json'), JSON.stringify({ type: 'module' }));
    await writeFile(join(project.path, 'inMarbles.ts'), inMarbles);
    await writeFile(join(project.path, 'changed.ts'), inMarbles.replace(/(result = ')/, '$1-'));
    await writeFile(join(project.path, 'withBroker.ts'), withBroker);
  });
  afterAll(() => project[Symbol.asyncDispose]());

  it('compiles, and its marbles are right', async () => {
    await tsc('-p', project.path);
    await run(process.execPath, [join(project.path, 'inMarbles.js')]);
    // It has asserted something.
    await expect(run(process.execPath, [join(project.path, 'changed.js')])).rejects.toThrow('AssertionError');
  });
});
