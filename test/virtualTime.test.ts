import { execFile } from 'node:child_process';
import { createRequire } from 'node:module';
import { fileURLToPath } from 'node:url';
import { promisify } from 'node:util';
import { describe, expect, it } from 'vitest';

const PROGRAM = fileURLToPath(new URL('../.build/test/programs/virtualTime.js', import.meta.url));

async function run(...first: readonly string[]): Promise<unknown> {
  const { stdout } = await promisify(execFile)(process.execPath, [...first, PROGRAM]);
  return JSON.parse(stdout);
}

describe('a test in virtual time', () => {
  it('loads no native code', async () => {
    expect(await run()).toEqual({ asserted: 1, native: [] });
  });

  it('would be seen to load some', async () => {
    const lmdb = createRequire(import.meta.url).resolve('lmdb');
    expect(await run('--require', lmdb)).toEqual({
      asserted: 1,
      native: expect.arrayContaining([expect.stringMatching(/lmdb.*\.node$/)]) as unknown,
    });
  });
});
