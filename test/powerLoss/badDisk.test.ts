import { execFile } from 'node:child_process';
import { copyFileSync, mkdirSync, mkdtempSync, readFileSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterEach, beforeEach, describe, expect, it } from 'vitest';
import { openOffsets } from '../../src/offsets/lmdb.js';
import type { Checkpoint } from '../../src/offsets/store.js';
import { compiled, unable } from './compiled.js';
import { GROUP } from './journal.js';
import { unmountable } from './mounted.js';
import { program } from './states.js';

let folder: string;

beforeEach(() => {
  folder = mkdtempSync(join(tmpdir(), 'kafka-rx-disk-'));
});

afterEach(() => {
  rmSync(folder, { recursive: true, force: true });
});

/** What a program said, line by line, and at the end the signal that ended it, if one did. */
async function run(command: string, args: readonly string[], env: NodeJS.ProcessEnv = {}): Promise<unknown[]> {
  return new Promise((resolve) => {
    execFile(command, args, { env: { ...process.env, ...env } }, (error, out) => {
      const lines = out
        .split('\n')
        .filter((line) => line !== '')
        .map((line) => JSON.parse(line) as unknown);
      resolve(error === null ? lines : [...lines, { ended: error.signal ?? error.code, message: error.message }]);
    });
  });
}

const mishap = (name: string, env?: NodeJS.ProcessEnv): Promise<unknown[]> =>
  run(process.execPath, [program('badDisk'), name, folder], env);

async function remembered(): Promise<readonly number[]> {
  await using store = openOffsets(join(folder, 'offsets'));
  return (await (store.list(GROUP) as Promise<readonly Checkpoint[]>)).map(({ frontier }) => frontier);
}

function failed(frontier: number, name: string, message: RegExp, { retriable = false } = {}): unknown {
  return { failed: frontier, name, message: expect.stringMatching(message) as string, retriable };
}

const DURABLE = [1, 2, 3, 4, 5].map((durable) => ({ durable }));
const EIO = 5;
const ENOSPC = 28;
const EROFS = 30;

describe.skipIf(unable)('a disk that fails', () => {
  const plan = async (text: string): Promise<unknown[]> =>
    mishap(text, { LD_PRELOAD: compiled('faults', folder), FAULT_ROOT: join(folder, 'offsets'), FAULT_PLAN: join(folder, 'plan') });

  it.each([
    ['an fsync fails', `sync ${EIO} 1`],
    ['an fsync fails twice', `sync ${EIO} 2`],
    ['a page cannot be written', `write ${EIO} 1`],
    ['a page does not fit, though there seemed to be room', `write ${ENOSPC} 1`],
    ['a meta page cannot be written', `meta ${EIO} 1`],
    ['every fsync takes 300 ms', 'sync sleep 300'],
  ])('once is tried again, and nobody hears of it: %s', async (_, text) => {
    expect(await plan(text)).toEqual([...DURABLE, 'closed']);
    expect(await remembered()).toEqual([5]);
  });

  it.each([
    ['no fsync succeeds', `sync ${EIO} -1`],
    ['no page can be written', `write ${EIO} -1`],
    ['the file system turned read-only', `write ${EROFS} -1\nmeta ${EROFS} -1\nfile ${EROFS} -1`],
    ['no meta page can be written', `meta ${EIO} -1`],
  ])('for good is an error, and what was durable is there afterwards: %s', async (_, text) => {
    const failure = /^a write to the offset store .* failed \(.*(Input\/output error|Read-only file system).*\)\. Whether it is on disk/s;
    expect(await plan(text)).toEqual([
      { durable: 1 },
      ...[2, 3, 4, 5].map((frontier) => failed(frontier, 'StoreFailedError', failure)),
      'closed',
    ]);
    expect(await remembered()).toEqual([expect.toSatisfy((frontier: number) => frontier === 1 || frontier === 2)]);
  });
});

describe('a directory that changes under its owner', () => {
  it.each([
    ['deleted', 'StoreLostError', /data\.mdb was deleted while it was open/],
    ['replaced', 'StoreLostError', /data\.mdb was replaced while it was open/],
    ['cut off', 'StoreCorruptError', /data\.mdb was cut off while it was open/],
  ])('is an error, and nothing that is lost counts as written: %s', async (name, error, message) => {
    expect(await mishap(name)).toEqual([{ durable: 1 }, ...[2, 3, 4, 5].map((frontier) => failed(frontier, error, message)), 'closed']);
  });
});

describe.skipIf(unmountable)('a disk that', () => {
  const mounted = (size: string, script: string): Promise<unknown[]> =>
    run('unshare', [
      '-rm',
      'sh',
      '-c',
      `mount -t tmpfs -o size=${size} none "$1" && ${script}`,
      'sh',
      folder,
      process.execPath,
      program('badDisk'),
    ]);

  it('is full lets writes wait until there is room again, time after time', async () => {
    expect(await mounted('24m', 'exec "$2" "$3" full "$1"')).toEqual([
      ...Array.from({ length: 21 }, (_, i) => ({ durable: i + 1 })),
      failed(
        100,
        'StoreFailedError',
        /^the disk of .* is full: .* nothing changed within 200 ms\. Nothing was written\. Make room; the next/,
        { retriable: true },
      ),
      { durable: 101 },
      { name: 'StoreUnavailableError', message: expect.stringMatching(/the disk is full|ENOSPC/) as string, retriable: true },
      { remembered: [101] },
    ]);
  });

  it('has too little room takes no new store', async () => {
    expect(await mounted('1m', 'exec "$2" "$3" open "$1"')).toEqual([
      {
        name: 'StoreUnavailableError',
        message: expect.stringMatching(/the disk is full, \d+ bytes are needed, \d+ are free\. Make room/) as string,
        retriable: true,
      },
    ]);
  });

  it('is read-only is an error at once, for a new store and for an old one', async () => {
    const unavailable = { name: 'StoreUnavailableError', message: expect.stringMatching(/EROFS/) as string, retriable: false };
    const open = '"$2" "$3" open "$1"';
    expect(await mounted('8m', `mount -o remount,ro "$1" && ${open}`)).toEqual([unavailable]);
    expect(await mounted('8m', `${open} && mount -o remount,ro "$1" && ${open}`)).toEqual([unavailable]);
  });
});

describe('a copy that is older', () => {
  it('of the data alone is refused: it would repeat what was long done', async () => {
    const directory = join(folder, 'offsets');
    mkdirSync(directory);
    await mishap('open');
    copyFileSync(join(directory, 'data.mdb'), join(folder, 'backup'));
    expect(await mishap('sync 0 0', { FAULT_PLAN: join(folder, 'plan') })).toEqual([...DURABLE, 'closed']);
    const manifest = readFileSync(join(directory, 'manifest.json'));
    copyFileSync(join(folder, 'backup'), join(directory, 'data.mdb'));
    await expect(remembered()).rejects.toMatchObject({
      name: 'StoreCorruptError',
      message: expect.stringMatching(/data\.mdb is older \(transaction \d+\) than manifest\.json beside it \(\d+\)/) as string,
    });
    writeFileSync(join(directory, 'manifest.json'), manifest);
  });
});
