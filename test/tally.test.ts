import { spawn } from 'node:child_process';
import { writeFile } from 'node:fs/promises';
import { createRequire } from 'node:module';
import { text } from 'node:stream/consumers';
import { fileURLToPath } from 'node:url';
import { describe, expect, it } from 'vitest';
import { temporaryFolder } from './support/temporaryFolder.js';

const require = createRequire(import.meta.url);
const vitest = require.resolve('vitest/package.json').replace('package.json', 'vitest.mjs');
const tally = fileURLToPath(new URL('support/tally.ts', import.meta.url));

/** Runs two tests, of which one is like this, and says what is printed. */
async function run(body: string, end: string): Promise<{ readonly code: number | null; readonly printed: string }> {
  await using folder = await temporaryFolder();
  const file = (content: string): string =>
    `import { it } from ${JSON.stringify(require.resolve('vitest').replace('index.cjs', 'dist/index.js'))};\n${content}\n`;
  await writeFile(`${folder.path}/a.test.mjs`, file(`it('passes', () => {}); // ${'The larger file is run first. '.repeat(20)}`));
  await writeFile(`${folder.path}/b.test.mjs`, file(`it('is planted', async () => { ${body} });`));
  await writeFile(`${folder.path}/setup.mjs`, `export default () => async () => { ${end} };\n`);
  const reporters = JSON.stringify(['default', [tally, { silentMs: 10_000, endMs: 10_000 }]]);
  await writeFile(
    `${folder.path}/vitest.config.mjs`,
    `export default { test: { pool: 'forks', maxWorkers: 1, reporters: ${reporters}, globalSetup: './setup.mjs', teardownTimeout: 60_000, include: ['*.test.mjs'] } };\n`,
  );
  const child = spawn(process.execPath, [vitest, 'run', '--root', folder.path], { stdio: ['ignore', 'pipe', 'ignore'] });
  const ended = new Promise<number | null>((resolve) => child.once('exit', resolve));
  return { printed: await text(child.stdout), code: await ended };
}

// Waiting is most of what they do.
describe('a run of tests', () => {
  it.concurrent.each([
    ['passes', '', '', 0, /\n2 passed, 0 failed\n$/],
    ['fails', 'throw new Error();', '', 1, /\n1 passed, 1 failed\n$/],
    [
      'stands still',
      `for (const end = Date.now() + 40_000; Date.now() < end;);`,
      '',
      1,
      /stands still: .*b\.test\.mjs\n1 passed, 2 failed\n$/,
    ],
    ['is not let go', '', 'await new Promise((resolve) => setTimeout(resolve, 40_000));', 1, /the run has not.*\n2 passed, 1 failed\n$/],
  ])('has an end, and a tally, when a test %s', async (_name, body, end, code, last) => {
    const ended = await run(body, end);
    expect(ended.printed).toMatch(last);
    expect(ended.code).toBe(code);
  });
});
