import { randomBytes } from 'node:crypto';
import { execFile } from 'node:child_process';
import {
  chmodSync,
  copyFileSync,
  cpSync,
  existsSync,
  mkdirSync,
  mkdtempSync,
  readFileSync,
  readdirSync,
  renameSync,
  rmSync,
  statSync,
  symlinkSync,
  truncateSync,
  writeFileSync,
} from 'node:fs';
import { connect } from 'node:net';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { fileURLToPath } from 'node:url';
import { promisify } from 'node:util';
import { crc32 } from 'node:zlib';
import * as lmdb from 'lmdb';
import type { ObservableInput } from 'rxjs';
import { from, lastValueFrom, toArray } from 'rxjs';
import { afterEach, beforeEach, describe, expect, it } from 'vitest';
import { encodeCheckpoint } from '../../src/offsets/codec.js';
import type { OpenOffsetsOptions } from '../../src/offsets/lmdb.js';
import { openOffsets } from '../../src/offsets/lmdb.js';
import type { Checkpoint, OffsetStore } from '../../src/offsets/store.js';
import { StoreProcess, openAndDie, openAndPause } from '../support/storeProcess.js';
import { eventually } from '../support/eventually.js';

let folder: string;
let directory: string;
const stores: OffsetStore[] = [];

beforeEach(() => {
  folder = mkdtempSync(join(tmpdir(), 'kafka-rx-offsets-'));
  directory = join(folder, 'offsets');
});

afterEach(async () => {
  await Promise.all(stores.splice(0).map((store) => store.close()));
  rmSync(folder, { recursive: true, force: true });
});

function open(path = directory, options?: OpenOffsetsOptions): OffsetStore {
  const store = openOffsets(path, options);
  stores.push(store);
  return store;
}

async function the<T>(answer: ObservableInput<T>): Promise<T> {
  const [value] = await lastValueFrom(from(answer).pipe(toArray()), { defaultValue: [] });
  return value as T;
}

function checkpoint(part: Partial<Checkpoint> = {}): Checkpoint {
  return { topic: 'orders', partition: 0, epoch: 1, frontier: 10, runs: [], metadata: '', ...part };
}

const GROUP = 'billing';
const ORDERS = [{ topic: 'orders', partition: 0 }];
/** Opening makes fewer calls to the file system than this. */
const MANY_CALLS = 60;
const KEPT = checkpoint({ frontier: 1_000, runs: [1_005, 1_009], metadata: 'kept' });

/** A store that remembers `checkpoints` and is closed. */
async function filled(path = directory, checkpoints: readonly Checkpoint[] = [KEPT]): Promise<void> {
  const store = openOffsets(path);
  await the(store.claim(GROUP, checkpoints));
  await the(store.write(GROUP, checkpoints));
  await store.close();
}

async function remembered(path = directory): Promise<readonly Checkpoint[]> {
  const store = openOffsets(path);
  try {
    return await the(store.list(GROUP));
  } finally {
    await store.close();
  }
}

/** What opening says in a process of its own: damaged files can crash it. */
async function opening(path = directory): Promise<unknown> {
  const report = await new StoreProcess().ask({ do: 'open', directory: path });
  return 'error' in report ? { ...report.error, name: report.error.name } : report.value;
}

function refusal(name: string, message: RegExp): unknown {
  return expect.objectContaining({ name, message: expect.stringMatching(message) as string });
}

function file(name: string): string {
  return join(directory, name);
}

/** Puts `replacement` wherever `bytes` stand in the data. */
function overwrite(bytes: Uint8Array, replacement: Uint8Array): void {
  const data = readFileSync(file('data.mdb'));
  let found = 0;
  for (let at = data.indexOf(bytes); at >= 0; at = data.indexOf(bytes, at + 1), found += 1) data.set(replacement, at);
  expect(found).toBeGreaterThan(0);
  writeFileSync(file('data.mdb'), data);
}

function zeros(length: number): Buffer {
  return Buffer.alloc(length);
}

function fill(start: number, end: number, bytes: (length: number) => Uint8Array): void {
  const data = readFileSync(file('data.mdb'));
  data.set(bytes(end - start), start);
  writeFileSync(file('data.mdb'), data);
}

describe('what was written', () => {
  it('is there when the store is opened again, and so is the epoch', async () => {
    await filled();

    const store = open();
    expect(await the(store.list(GROUP))).toEqual([KEPT]);
    expect(await the(store.claim(GROUP, ORDERS))).toEqual([{ ...ORDERS[0], epoch: 2, checkpoint: KEPT }]);
  });

  it('is there after SIGKILL in the moment at which the promise resolved', async () => {
    for (let life = 1; life <= 10; life += 1) {
      const owner = new StoreProcess();
      await owner.ask({ do: 'open', directory });
      expect(await owner.ask({ do: 'claim', group: GROUP, partitions: ORDERS })).toMatchObject({ value: [{ epoch: life }] });
      const written = checkpoint({ epoch: life, frontier: life, runs: [50, 60 + life], metadata: `life ${life}` });
      const ended = owner.end();

      await expect(owner.ask({ do: 'write, then die', group: GROUP, checkpoints: [written] })).rejects.toThrow('SIGKILL');

      expect(await ended).toBe('SIGKILL');
      expect(await remembered()).toEqual([written]);
    }
  });

  it('does not let a process that was killed come back with an old epoch', async () => {
    const owner = new StoreProcess();
    await owner.ask({ do: 'open', directory });
    await owner.ask({ do: 'claim', group: GROUP, partitions: ORDERS });
    await owner.signal('SIGKILL');

    const store = open();
    await the(store.claim(GROUP, ORDERS));
    expect(await the(store.write(GROUP, [checkpoint({ epoch: 1 })]))).toHaveLength(1);
    expect(await the(store.write(GROUP, [checkpoint({ epoch: 2 })]))).toHaveLength(0);
  });

  it('is refused by the epoch on disk, whatever this process knew of it before', async () => {
    const store = open();
    await the(store.claim(GROUP, ORDERS));
    await the(store.write(GROUP, [checkpoint({ frontier: 5 })]));
    const intruder = `
      import { open } from 'lmdb';
      import { encodeEpoch } from ${JSON.stringify(new URL('../../.build/src/offsets/codec.js', import.meta.url))};
      const options = { encoding: 'binary', keyEncoding: 'binary' };
      const root = open({ path: process.argv[1], noSubdir: false, overlappingSync: false, maxDbs: 8, ...options });
      const epochs = root.openDB({ name: 'epochs', ...options });
      for (const key of epochs.getKeys().asArray) await epochs.put(key, encodeEpoch(7));
      await root.close();`;
    await promisify(execFile)(process.execPath, ['--input-type=module', '-e', intruder, directory], {
      cwd: fileURLToPath(new URL('../..', import.meta.url)),
    });

    const late = checkpoint({ frontier: 6 });
    expect(await the(store.write(GROUP, [late]))).toEqual([late]);
    expect(await the(store.list(GROUP))).toEqual([checkpoint({ frontier: 5 })]);
  });

  it('is checked against what is on disk after a write that was undone', async () => {
    const store = open();
    await the(store.claim(GROUP, ORDERS));
    await the(store.write(GROUP, [checkpoint({ frontier: 5 })]));
    const undone$ = store.write(GROUP, [checkpoint({ frontier: 50 })], () => {
      throw new Error('no');
    });
    await expect(the(undone$)).rejects.toThrow('no');
    expect(await the(store.write(GROUP, [checkpoint({ frontier: 6 })]))).toEqual([]);
    await expect(the(store.write(GROUP, [checkpoint({ frontier: 4 })]))).rejects.toThrow('go back from 6 to 4');
  });

  it('takes few transactions, however many writes come at once', async () => {
    const store = open();
    await the(
      store.claim(
        GROUP,
        Array.from({ length: 1_000 }, (_, partition) => ({ topic: 'orders', partition })),
      ),
    );
    const before = transactions();

    await Promise.all(Array.from({ length: 1_000 }, (_, partition) => the(store.write(GROUP, [checkpoint({ partition })]))));

    expect(transactions() - before).toBeLessThanOrEqual(2);
    expect(await the(store.list(GROUP))).toHaveLength(1_000);
  });

  it('costs a transaction that is on disk, one for each write that waited for the one before', async () => {
    const store = open();
    await the(store.claim(GROUP, ORDERS));
    const before = transactions();
    for (let frontier = 1; frontier <= 5; frontier += 1) await the(store.write(GROUP, [checkpoint({ frontier })]));
    expect(transactions() - before).toBe(5);
  });

  it('is kept although another job in the same transaction fails, and the other alone hears of it', async () => {
    const store = open();
    await the(
      store.claim(
        GROUP,
        [0, 1, 2].map((partition) => ({ topic: 'orders', partition })),
      ),
    );
    await the(store.write(GROUP, [checkpoint({ partition: 1, frontier: 10 })]));

    // The first goes alone into a transaction, the others share the next.
    const settled = await Promise.allSettled([
      the(store.list(GROUP)),
      the(store.write(GROUP, [checkpoint({ partition: 0, frontier: 5 })])),
      the(store.write(GROUP, [checkpoint({ partition: 2, frontier: 1 }), checkpoint({ partition: 1, frontier: 9 })])),
      the(store.claim('x'.repeat(1_025), ORDERS)),
      the(store.write(GROUP, [checkpoint({ partition: 1, frontier: NaN })])),
      the(store.write(GROUP, [checkpoint({ partition: 1, frontier: 11 })])),
      the(store.claim(GROUP, [{ topic: 'orders', partition: -1 }])),
      the(store.claim(GROUP, [{ topic: 'orders', partition: 2 }])),
    ]);

    expect(settled.map(({ status }) => status)).toEqual([
      'fulfilled',
      'fulfilled',
      'rejected',
      'rejected',
      'rejected',
      'fulfilled',
      'rejected',
      'fulfilled',
    ]);
    expect(settled[2]).toMatchObject({ reason: { message: expect.stringMatching(/go back from 10 to 9/) as string } });
    expect(settled[3]).toMatchObject({ reason: { message: expect.stringMatching(/1024 bytes, this one has 1025/) as string } });
    expect(settled[7]).toMatchObject({ value: [{ epoch: 2, checkpoint: undefined }] });
    await store.close();
    expect(await remembered()).toEqual([checkpoint({ partition: 0, frontier: 5 }), checkpoint({ partition: 1, frontier: 11 })]);
  });
});

describe('closing', () => {
  it('waits for the writes that were under way', async () => {
    const store = openOffsets(directory);
    const happened: string[] = [];
    void the(store.claim(GROUP, ORDERS)).then(() => happened.push('claimed'));
    // Comes while the first is in flight, so it waits for the next transaction.
    await new Promise(setImmediate);
    void the(store.write(GROUP, [KEPT])).then(() => happened.push('written'));
    await store.close();
    happened.push('closed');

    expect(happened).toEqual(['claimed', 'written', 'closed']);
    expect(await remembered()).toEqual([KEPT]);
  });

  it('is done once, and lets nothing in from its beginning', async () => {
    const store = open();
    const closing = store.close();
    await expect(the(store.claim(GROUP, ORDERS))).rejects.toMatchObject({
      name: 'StoreFailedError',
      message: `the offset store ${directory} was closed.`,
    });
    expect(store.close()).toBe(closing);
    await closing;
    expect(store.close()).toBe(closing);
  });

  it('leaves the directory to the next, time after time, with nothing piling up in it', async () => {
    for (let i = 0; i < 10; i += 1) await filled(directory, [checkpoint({ epoch: i + 1 })]);
    expect(readdirSync(directory).filter((name) => name.startsWith('owner')).length).toBeLessThanOrEqual(2);
  });
});

describe('the directory', () => {
  it('is for nobody else to read', async () => {
    const umask = process.umask(0);
    try {
      await filled();
    } finally {
      process.umask(umask);
    }
    const mode = (path: string): string => (statSync(path).mode & 0o777).toString(8);
    expect(mode(directory)).toBe('700');
    expect(readdirSync(directory)).toEqual(expect.arrayContaining(['data.mdb', 'lock.mdb', 'manifest.json']));
    expect(readdirSync(directory).filter((name) => mode(file(name)) !== '600')).toEqual([]);
  });

  it('has room on disk from the start, so that an ordinary checkpoint needs no more', async () => {
    await filled();
    const { size, blocks } = statSync(file('data.mdb'));
    expect(size).toBe(1024 * 1024);
    expect(blocks * 512).toBeGreaterThanOrEqual(size);
  });

  it('may have a name with a dot, and be reached through a link', async () => {
    await filled(join(folder, 'offsets.v1'));
    expect(statSync(join(folder, 'offsets.v1')).isDirectory()).toBe(true);
    symlinkSync(join(folder, 'offsets.v1'), join(folder, 'link'));

    open(join(folder, 'link'));
    expect(() => openOffsets(join(folder, 'offsets.v1'))).toThrow('in use by this process itself');
  });

  it.each([
    ['long', Array<string>(4).fill('d'.repeat(200))],
    ['long in bytes but not in characters', ['\u5e33'.repeat(22)]],
    ['long and hostile', Array<string>(4).fill('ß\n\'"$(x) %2e%2e'.repeat(9))],
  ])('may have a path that is %s', async (_, names) => {
    const parent = join(folder, ...names);
    mkdirSync(parent, { recursive: true });
    const path = join(parent, 'offsets');
    await filled(path);

    const store = open(path);
    expect(await the(store.list(GROUP))).toEqual([KEPT]);
    expect(() => openOffsets(path)).toThrow('in use by this process itself');
    expect(await opening(path)).toEqual(refusal('StoreLockedError', /in use by process/));
    expect(readdirSync(parent)).toEqual(['offsets']);
    expect(readdirSync(folder)).toEqual([names[0]]);
  });

  it('cannot be used if its parent is missing', () => {
    const path = join(folder, 'not', 'there');
    expect(() => openOffsets(path)).toThrow(
      expect.objectContaining({
        name: 'StoreUnavailableError',
        code: 'STORE_UNAVAILABLE',
        path,
        message: `the offset store ${path} cannot be used: its parent directory does not exist. Choose a directory on a local disk that this user may write to.`,
      }),
    );
    expect(existsSync(join(folder, 'not'))).toBe(false);
  });

  it('cannot be used if it is a file, or below a file, or a link to nowhere', () => {
    const path = join(folder, 'file');
    writeFileSync(path, 'precious');
    symlinkSync(join(folder, 'nowhere'), join(folder, 'link'));

    expect(() => openOffsets(path)).toThrow(refusal('StoreUnavailableError', /it is a file, not a directory. Choose/));
    expect(() => openOffsets(join(path, 'offsets'))).toThrow(refusal('StoreUnavailableError', /ENOTDIR.*Choose/));
    expect(() => openOffsets(join(folder, 'link'))).toThrow(refusal('StoreUnavailableError', /ENOENT.*Choose/));
    expect(readFileSync(path, 'utf8')).toBe('precious');
  });

  it('cannot be used if this user may not write to it, or to its parent', async () => {
    mkdirSync(directory, { mode: 0o500 });
    chmodSync(folder, 0o555);
    const user = new StoreProcess();
    await user.ask({ do: 'give up root' });

    const fixed = refusal('StoreUnavailableError', /it is not writable for this user \(EACCES\). Choose a directory/);
    expect(await user.ask({ do: 'open', directory })).toEqual({ error: fixed });
    const noParent = refusal('StoreUnavailableError', /EACCES.*Choose a directory/);
    expect(await user.ask({ do: 'open', directory: join(folder, 'new') })).toEqual({ error: noParent });
  });

  it('cannot be used if this user may write to it, but not to what is in it', async () => {
    await filled();
    chmodSync(folder, 0o777);
    chmodSync(directory, 0o777);
    chmodSync(file('data.mdb'), 0);
    const user = new StoreProcess();
    await user.ask({ do: 'give up root' });

    const refused = refusal('StoreUnavailableError', /EACCES.*Choose a directory on a local disk that this user may write to/);
    expect(await user.ask({ do: 'open', directory })).toEqual({ error: refused });
  });

  it('is refused with the name of the option that is wrong', () => {
    expect(() => openOffsets('')).toThrow('the first argument is the path of a directory');
    expect(() => openOffsets(directory, { commitTimeoutMs: 0 })).toThrow('commitTimeoutMs');
    expect(existsSync(directory)).toBe(false);
  });
});

describe('the lock', () => {
  const locked = (owner: string): unknown => ({ error: { name: 'StoreLockedError', code: 'STORE_LOCKED', message: lockedBy(owner) } });
  const lockedBy = (owner: string): string =>
    `the offset store ${directory} is in use by ${owner}: close that one first, or open another directory. One store has one owner; share the opened store within a process.`;

  it('keeps a second one in the same process out, and the first is none the worse', async () => {
    const store = open();
    await the(store.claim(GROUP, ORDERS));
    expect(() => openOffsets(directory)).toThrow(
      expect.objectContaining({ name: 'StoreLockedError', retriable: true, path: directory, message: lockedBy('this process itself') }),
    );
    await the(store.write(GROUP, [KEPT]));
    await store.close();
    expect(await remembered()).toEqual([KEPT]);
  });

  it('keeps other processes out while the owner lives, and lets them in when it has closed', async () => {
    const [owner, other] = [new StoreProcess(), new StoreProcess()];
    expect(await owner.ask({ do: 'open', directory })).toEqual({ value: 'opened' });
    expect(await other.ask({ do: 'open', directory })).toEqual(locked(`process ${owner.pid}`));
    await owner.ask({ do: 'close' });
    expect(await other.ask({ do: 'open', directory })).toEqual({ value: 'opened' });
    expect(await owner.ask({ do: 'open', directory })).toEqual(locked(`process ${other.pid}`));
  });

  it('is held by an owner that was stopped, and whoever asks is answered', async () => {
    const [owner, other] = [new StoreProcess(), new StoreProcess()];
    await owner.ask({ do: 'open', directory });
    await owner.signal('SIGSTOP');

    expect(await other.ask({ do: 'open', directory })).toEqual(locked(`process ${owner.pid}`));

    await owner.signal('SIGKILL');
    expect(await other.ask({ do: 'open', directory })).toEqual({ value: 'opened' });
  });

  it('is held by an owner that was stopped however many have asked before', async () => {
    const [owner, other] = [new StoreProcess(), new StoreProcess()];
    await owner.ask({ do: 'open', directory });
    await owner.signal('SIGSTOP');
    const socket = readdirSync(directory).find((name) => name.endsWith('.sock')) as string;
    // The kernel keeps so many waiting, and refuses the rest in another way than for one who is dead.
    const asked = Array.from({ length: 600 }, () =>
      connect(file(socket)).on('error', (error: NodeJS.ErrnoException) => refused.add(error.code)),
    );
    const refused = new Set<string | undefined>();
    await eventually(() => {
      expect(refused).toEqual(new Set(['EAGAIN']));
    });

    expect(await other.ask({ do: 'open', directory })).toEqual(locked(`process ${owner.pid}`));
    for (const one of asked) one.destroy();
  });

  it('names nobody but its owner: neither who had it before, nor a number that is half written', { timeout: 120_000 }, async () => {
    const named = new Set<string>();
    for (let call = 1, paused = true; paused && call < MANY_CALLS; call += 1) {
      const path = join(folder, `offsets ${call}`);
      const before = new StoreProcess();
      await before.ask({ do: 'open', directory: path });
      await before.signal('SIGKILL');
      const owner = await openAndPause(path, call);
      try {
        await openOffsets(path).close();
      } catch (error) {
        const [, name = ''] = /is in use by (.*): close that one first/.exec((error as Error).message) ?? [];
        named.add(name.replace(String(owner.pid), 'the owner').replace(String(before.pid), 'the owner before'));
      }
      const report = await owner.goOn();
      if ('value' in report) paused = report.value === 'opened';
      await owner.end();
    }
    expect(named).toEqual(new Set(['another process', 'process the owner']));
  });

  it('is taken over from an owner that was killed, in this process and in others', async () => {
    const owner = new StoreProcess();
    await owner.ask({ do: 'open', directory });
    await owner.signal('SIGKILL');
    await open().close();

    const next = new StoreProcess();
    expect(await next.ask({ do: 'open', directory })).toEqual({ value: 'opened' });
    await next.signal('SIGKILL');
    open();
  });

  it('is taken over also by a process that was started with options which threads inherit', async () => {
    const owner = new StoreProcess();
    await owner.ask({ do: 'open', directory });
    await owner.signal('SIGKILL');

    const script = `
      import { openOffsets } from ${JSON.stringify(new URL('../../.build/src/offsets/lmdb.js', import.meta.url))};
      openOffsets(process.argv[1]);
      process.stdout.write('opened');
    `;
    const { stdout } = await promisify(execFile)(process.execPath, ['--input-type=module', '-e', script, directory]);
    expect(stdout).toBe('opened');
  });

  it('goes to exactly one of those that race for it', async () => {
    let racers = Array.from({ length: 4 }, () => new StoreProcess());
    const outcomes: string[][] = [];
    for (let round = 0; round < 30; round += 1) {
      const reports = await Promise.all(racers.map((racer) => racer.ask({ do: 'open', directory })));
      outcomes.push(reports.map((report) => ('error' in report ? report.error.name : 'opened')).sort());
      const winners = racers.filter((_, i) => 'value' in (reports[i] as object));
      // Every other winner is killed, the rest close: both leave something to take over.
      if (round % 2 === 0) await Promise.all(winners.map((winner) => winner.ask({ do: 'close' })));
      else {
        await Promise.all(winners.map((winner) => winner.signal('SIGKILL')));
        racers = racers.map((racer) => (winners.includes(racer) ? new StoreProcess() : racer));
      }
    }
    expect(outcomes).toEqual(Array(30).fill(['StoreLockedError', 'StoreLockedError', 'StoreLockedError', 'opened']));
  });

  it.each([
    ['a new directory', 0],
    ['what two dead owners have left', 2],
  ])('goes to exactly one, whenever one is overtaken by others on its way to %s', { timeout: 120_000 }, async (_, dead) => {
    const owners: string[] = [];
    for (let call = 1, paused = true; paused && call < MANY_CALLS; call += 1) {
      const path = join(folder, `offsets ${call}`);
      for (let i = 0; i < dead; i += 1) await openOffsets(path).close();
      const slow = await openAndPause(path, call);

      // It may be past the point at which it has the lock.
      let quick: OffsetStore | undefined;
      try {
        // One comes and goes, so that the next finds more than the slow one saw.
        await openOffsets(path).close();
        quick = open(path);
      } catch (error) {
        expect(error).toMatchObject({ name: 'StoreLockedError' });
      }
      const report = await slow.goOn();
      if ('error' in report) expect(report.error).toMatchObject({ name: 'StoreLockedError' });
      else paused = report.value === 'opened';
      owners.push(`${call}: ${quick === undefined ? '' : 'quick'}${'value' in report ? 'slow' : ''}`);
      await slow.end();
      await quick?.close();
    }
    expect(owners.filter((owner) => !/^\d+: (quick|slow)$/.test(owner))).toEqual([]);
    expect(new Set(owners.map((owner) => owner.replace(/.* /, '')))).toEqual(new Set(['quick', 'slow']));
  });
});

describe('a crash', () => {
  it('at any point of making a store leaves one that can be opened', { timeout: 120_000 }, async () => {
    for (let call = 1, killed = true; killed && call < MANY_CALLS; call += 1) {
      const path = join(folder, `offsets ${call}`);
      const outcome = await openAndDie(path, call);
      killed = outcome === 'killed';
      if (!killed) expect(outcome).toEqual({ value: 'opened without a signal' });

      await filled(path);
      expect(await remembered(path), `killed before call ${call}`).toEqual([KEPT]);
      expect(statSync(join(path, 'data.mdb')).size, `killed before call ${call}`).toBe(1024 * 1024);
      expect(existsSync(join(path, 'manifest.json'))).toBe(true);
    }
  });

  it('at any point of opening a store again leaves all that it holds', { timeout: 120_000 }, async () => {
    await filled();
    for (let call = 1, killed = true; killed && call < MANY_CALLS; call += 1) {
      // Half of them find the manifest file gone, and make it again.
      if (call % 2 === 0) rmSync(file('manifest.json'));
      killed = (await openAndDie(directory, call)) === 'killed';
      expect(await remembered(), `killed before call ${call}`).toEqual([KEPT]);
    }
  });

  it('before LMDB made anything of its file leaves one that can be opened', async () => {
    mkdirSync(directory);
    writeFileSync(file('data.mdb'), '');
    await filled();
    expect(await remembered()).toEqual([KEPT]);
  });
});

describe('the data of another program', () => {
  type Tables = (root: lmdb.RootDatabase) => Promise<unknown>;

  it.each<[string, Tables]>([
    ['has nothing in it', () => Promise.resolve()],
    [
      'is no LMDB',
      async (root) => {
        await root.put('a', 1);
        writeFileSync(file('data.mdb'), 'mail'.repeat(10_000));
      },
    ],
    ['has no tables', (root) => root.put('a', 1)],
    ['has a table of its own', (root) => root.openDB({ name: 'mails' }).put('a', 1)],
    ['has tables with the names of ours', (root) => Promise.all(['meta', 'state'].map((name) => root.openDB({ name }).put('a', 1)))],
    ['has a table with the name of ours, and nothing in it', (root) => Promise.resolve(root.openDB({ name: 'meta' }))],
    [
      'has a table with several values under a key',
      (root) => root.openDB({ name: 'epochs', dupSort: true, encoding: 'ordered-binary' }).put('a', 1),
    ],
  ])('is refused, and left as it is: it %s', async (_, fill) => {
    const root = lmdb.open({ path: directory, noSubdir: false, maxDbs: 8 } as lmdb.RootDatabaseOptionsWithPath);
    await fill(root);
    await root.close();
    // Theirs is smaller than the one we would make.
    truncateSync(file('lock.mdb'), 8_192);
    const before = ['data.mdb', 'lock.mdb'].map((name) => readFileSync(file(name)));

    expect(() => openOffsets(directory)).toThrow(
      expect.objectContaining({ name: 'StoreFormatError', code: 'STORE_FORMAT', path: directory, message: foreign }),
    );

    expect(['data.mdb', 'lock.mdb'].map((name) => readFileSync(file(name)))).toEqual(before);
    expect(existsSync(file('manifest.json'))).toBe(false);
  });

  const foreign = expect.stringMatching(
    /has no manifest\.json, and its data\.mdb is none of ours: choose a directory of its own for the offsets/,
  ) as string;

  it('is not what a store has whose manifest file alone is gone', async () => {
    await filled();
    rmSync(file('manifest.json'));
    expect(await remembered()).toEqual([KEPT]);
    expect(existsSync(file('manifest.json'))).toBe(true);
  });
});

describe('a store that is lost', () => {
  const lost = (what: RegExp): unknown => refusal('StoreLostError', what);

  it('is never begun anew: its data is gone', async () => {
    await filled();
    rmSync(file('data.mdb'));
    const { id } = JSON.parse(readFileSync(file('manifest.json'), 'utf8')) as { id: string };

    expect(() => openOffsets(directory)).toThrow(
      expect.objectContaining({
        name: 'StoreLostError',
        code: 'STORE_LOST',
        path: directory,
        message: `${directory} held offsets (store ${id}), but data.mdb is gone. Restore it from a backup; or, if the offsets may be forgotten, delete the whole directory.`,
      }),
    );
    expect(existsSync(file('data.mdb'))).toBe(false);
    expect(await opening()).toEqual(lost(/data.mdb is gone/));
  });

  it('is never begun anew: its data is empty', async () => {
    await filled();
    truncateSync(file('data.mdb'));
    expect(await opening()).toEqual(lost(/data.mdb is empty. Restore it/));
    expect(statSync(file('data.mdb')).size).toBe(0);
  });

  it('is never begun anew: its data is that of an LMDB without offsets', async () => {
    await filled();
    await lmdb.open({ path: join(folder, 'other'), noSubdir: false }).close();
    // As large as the real one, or it would count as cut off.
    truncateSync(join(folder, 'other', 'data.mdb'), 1024 * 1024);
    copyFileSync(join(folder, 'other', 'data.mdb'), file('data.mdb'));
    expect(await opening()).toEqual(lost(/but its data is empty. Restore it/));
    expect(await opening()).toEqual(lost(/but its data is empty/));
  });

  it('is there again when it was restored, also in the process that missed it', async () => {
    await filled();
    cpSync(directory, join(folder, 'backup'), { recursive: true, filter: (path) => !path.endsWith('.sock') });
    rmSync(file('data.mdb'));
    expect(() => openOffsets(directory)).toThrow(lost(/gone/));
    copyFileSync(join(folder, 'backup', 'data.mdb'), file('data.mdb'));
    expect(await remembered()).toEqual([KEPT]);
  });

  it('may be forgotten by deleting the directory', async () => {
    await filled();
    rmSync(directory, { recursive: true });
    expect(await remembered()).toEqual([]);
  });
});

describe('a store that is damaged', () => {
  const PAGE = 4_096;
  const corrupt = (what: RegExp): unknown => refusal('StoreCorruptError', what);

  it.each<[string, () => void]>([
    [
      'zeros in its first page',
      () => {
        fill(0, PAGE, zeros);
      },
    ],
    [
      'zeros in its second page',
      () => {
        fill(PAGE, 2 * PAGE, zeros);
      },
    ],
    [
      'noise in its first page',
      () => {
        fill(0, PAGE, randomBytes);
      },
    ],
    [
      'noise in its second page',
      () => {
        fill(PAGE, 2 * PAGE, randomBytes);
      },
    ],
    [
      'another magic number',
      () => {
        fill(24, 28, zeros);
      },
    ],
    [
      'another version of LMDB',
      () => {
        fill(28, 29, () => Buffer.of(9));
      },
    ],
    [
      'another page size',
      () => {
        fill(49, 50, () => Buffer.of(0x20));
      },
    ],
    [
      'nothing but zeros',
      () => {
        fill(0, 1024 * 1024, zeros);
      },
    ],
    [
      'a text in place of it',
      () => {
        writeFileSync(file('data.mdb'), 'offsets: 1000\n'.repeat(1_000));
      },
    ],
    [
      'one byte left',
      () => {
        truncateSync(file('data.mdb'), 1);
      },
    ],
    [
      '100 bytes left',
      () => {
        truncateSync(file('data.mdb'), 100);
      },
    ],
    [
      'one page left',
      () => {
        truncateSync(file('data.mdb'), PAGE);
      },
    ],
    [
      'two pages left',
      () => {
        truncateSync(file('data.mdb'), 2 * PAGE);
      },
    ],
    [
      'four pages left',
      () => {
        truncateSync(file('data.mdb'), 4 * PAGE);
      },
    ],
  ])('is refused, and ends no process: data.mdb with %s', async (_, damage) => {
    await filled();
    damage();
    expect(await opening()).toEqual(
      corrupt(/data\.mdb (is no LMDB file, or its first pages are damaged|is cut off)\. Restore the whole directory from a backup/),
    );
  });

  it('is opened as long as nothing of it is missing', async () => {
    await filled();
    const [, last] = [0, 1].map((page) => Number(readFileSync(file('data.mdb')).readBigUInt64LE(page * PAGE + 144))).sort((a, b) => a - b);
    truncateSync(file('data.mdb'), (Number(last) + 1) * PAGE);
    expect(await remembered()).toEqual([KEPT]);
  });

  it('is refused when its files are of two stores, and opened when they are of one again', async () => {
    await filled();
    await filled(join(folder, 'other'), [checkpoint({ metadata: 'other' })]);
    renameSync(file('data.mdb'), join(folder, 'mine'));
    copyFileSync(join(folder, 'other', 'data.mdb'), file('data.mdb'));
    const ids = [directory, join(folder, 'other')].map(
      (path) => (JSON.parse(readFileSync(join(path, 'manifest.json'), 'utf8')) as { id: string }).id,
    );

    expect(() => openOffsets(directory)).toThrow(
      corrupt(new RegExp(`manifest.json speaks of store ${ids[0]}, the data is of store ${ids[1]}.*restore both from one backup`)),
    );
    // What was opened for a look is closed again.
    expect(filesOpenIn(directory)).toEqual([]);

    renameSync(join(folder, 'mine'), file('data.mdb'));
    expect(await remembered()).toEqual([KEPT]);
  });

  it.each([
    ['no JSON', '{ "format": 1, "id'],
    ['empty', ''],
    ['of something else', '{"name":"my-app","version":"1.0.0"}'],
    ['null', 'null'],
  ])('is refused when its manifest file is %s', async (_, text) => {
    await filled();
    writeFileSync(file('manifest.json'), text);
    expect(() => openOffsets(directory)).toThrow(corrupt(/the manifest (cannot be read|is none of ours)\. Restore it from a backup/));
  });

  it('is refused when a directory stands in the place of a file', async () => {
    await filled();
    const data = readFileSync(file('data.mdb'));
    for (const name of ['data.mdb', 'manifest.json']) {
      rmSync(file(name));
      mkdirSync(file(name));
      expect(await opening()).toEqual(refusal('StoreUnavailableError', /EISDIR.*Choose a directory/));
      rmSync(file(name), { recursive: true });
      writeFileSync(file('data.mdb'), data);
    }
    expect(await remembered()).toEqual([KEPT]);
  });

  it('gives out no damaged checkpoint, says which it is, and takes no others with it', async () => {
    const sound = checkpoint({ partition: 1, metadata: 'sound' });
    await filled(directory, [KEPT, sound]);
    overwrite(Buffer.from('kept'), Buffer.from('kepT'));
    const damaged = {
      name: 'StoreCorruptError',
      code: 'STORE_CORRUPT',
      message: expect.stringMatching(/orders\/0 is damaged. Restore the store/) as string,
    };

    const store = open();
    await expect(the(store.list(GROUP))).rejects.toMatchObject(damaged);
    await expect(the(store.claim(GROUP, ORDERS))).rejects.toMatchObject(damaged);
    await expect(the(store.write(GROUP, [KEPT]))).rejects.toMatchObject(damaged);
    expect(await the(store.claim(GROUP, [sound]))).toMatchObject([{ epoch: 2, checkpoint: sound }]);

    // The claim was refused, so the epoch is what it was.
    expect(await the(store.reset(GROUP, [KEPT]))).toEqual([]);
    expect(await the(store.list(GROUP))).toEqual([KEPT, sound]);
  });
});

describe('a store of a newer version', () => {
  const newer = refusal('StoreFormatError', /was written by a newer version of kafka-rx \(format \d.*\): upgrade/);

  it('is refused by its manifest file, before anything of it is looked at', async () => {
    await filled();
    writeFileSync(file('manifest.json'), JSON.stringify({ format: 2, writtenBy: 'something to come' }));
    writeFileSync(file('data.mdb'), 'no LMDB any more');
    expect(() => openOffsets(directory)).toThrow(newer);
    expect(readFileSync(file('data.mdb'), 'utf8')).toBe('no LMDB any more');
  });

  it('is refused by the manifest in its data', async () => {
    await filled();
    overwrite(Buffer.from('"format":1'), Buffer.from('"format":2'));
    expect(await opening()).toEqual(newer);
    rmSync(file('manifest.json'));
    expect(await opening()).toEqual(newer);
    expect(existsSync(file('manifest.json'))).toBe(false);
  });

  it('is refused by a single checkpoint', async () => {
    await filled();
    const bytes = encodeCheckpoint(KEPT);
    const next = Buffer.from(bytes);
    next[0] = 3;
    next.writeUInt32BE(crc32(next.subarray(0, -4)), next.length - 4);
    overwrite(bytes, next);

    const refused = {
      name: 'StoreFormatError',
      message: expect.stringMatching(/orders\/0 was written by a newer version.*\(format 3\): upgrade/) as string,
    };
    const store = open();
    await expect(the(store.list(GROUP))).rejects.toMatchObject(refused);
    await expect(the(store.claim(GROUP, ORDERS))).rejects.toMatchObject(refused);
    await expect(the(store.write(GROUP, [KEPT]))).rejects.toMatchObject(refused);
  });
});

describe('a write that never ends', () => {
  it('fails after commitTimeoutMs, with all that came after it, and closing does not wait for it', async () => {
    const store = open(directory, { commitTimeoutMs: 300 });
    await the(store.claim(GROUP, ORDERS));
    const disk = new StoreProcess();
    expect(await disk.ask({ do: 'hold the disk', directory })).toEqual({ value: 'held' });

    const writes = [the(store.write(GROUP, [KEPT]))];
    await new Promise(setImmediate);
    writes.push(the(store.write(GROUP, [checkpoint({ frontier: 2_000 })])), the(store.list(GROUP)));

    const failed = {
      name: 'StoreFailedError',
      code: 'STORE_FAILED',
      message: expect.stringMatching(
        /no answer within 300 ms\). Whether it is on disk is unknown until the store is opened again: check the disk, then restart/,
      ) as string,
    };
    // What waits behind it is not tried: it fails in the same moment.
    let settled = 0;
    for (const write of writes) write.catch(() => (settled += 1));
    await expect(writes[0]).rejects.toMatchObject(failed);
    await new Promise(setImmediate);
    expect(settled).toBe(3);
    for (const write of await Promise.allSettled(writes)) expect(write).toMatchObject({ status: 'rejected', reason: failed });
    await expect(the(store.write(GROUP, [KEPT]))).rejects.toMatchObject(failed);
    await store.close();
    await disk.signal('SIGKILL');
  });

  it('keeps the directory locked after it was given up and the store was closed, until it has ended after all', async () => {
    const store = open(directory, { commitTimeoutMs: 300 });
    await the(store.claim(GROUP, ORDERS));
    const [disk, next] = [new StoreProcess(), new StoreProcess()];
    await disk.ask({ do: 'hold the disk', directory });
    await expect(the(store.write(GROUP, [KEPT]))).rejects.toMatchObject({ name: 'StoreFailedError', retriable: false });
    await store.close();

    expect(() => openOffsets(directory)).toThrow(refusal('StoreLockedError', /in use by this process itself/));
    expect(await next.ask({ do: 'open', directory })).toEqual({ error: refusal('StoreLockedError', /in use by process/) });

    await disk.signal('SIGKILL');
    await eventually(async () => {
      expect(await next.ask({ do: 'open', directory })).toEqual({ value: 'opened' });
    });
    // It came late, but before the next owner.
    expect(await next.ask({ do: 'list', group: GROUP })).toEqual({ value: [KEPT] });
  });
});

/** How many transactions LMDB has written: the larger number of its two meta pages. */
function transactions(): number {
  const data = readFileSync(file('data.mdb'));
  return Math.max(...[0, 4_096].map((page) => Number(data.readBigUInt64LE(page + 152))));
}

/** The files in `path` that this process has open. */
function filesOpenIn(path: string): string[] {
  return readFileSync('/proc/self/maps', 'utf8')
    .split('\n')
    .filter((line) => line.includes(path));
}
