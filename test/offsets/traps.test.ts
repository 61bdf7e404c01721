import type { ChildProcess } from 'node:child_process';
import { execFile, execFileSync, spawn } from 'node:child_process';
import { once } from 'node:events';
import { existsSync, mkdirSync, mkdtempSync, readFileSync, rmSync, statSync, truncateSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import type * as Lmdb from 'lmdb';
import * as lmdb from 'lmdb';
import { afterEach, beforeEach, describe, expect, it, onTestFinished, vi } from 'vitest';
import { compiled, unable } from '../powerLoss/compiled.js';
import { unmountable } from '../powerLoss/mounted.js';
import { eventually } from '../support/eventually.js';

/**
 * What lmdb-js itself does, and the reason for each of our rules. If one of these fails after an upgrade, LMDB has changed: see whether the rule
 * that is named is still needed.
 *
 *     rule                                                        trap
 *     1  one environment, one owner, a lock of our own            'opening' hangs behind a stopped process
 *     2  overlappingSync: false                                   'a commit whose fsync fails' is visible, and stays
 *        eventTurnBatching: false, and `commitError` is heard     'a commit whose fsync fails' is an unhandled rejection
 *        noSubdir: false                                          'what is opened' is a file if the path has a dot
 *        never noSync                                             test/powerLoss/powerLoss.test.ts, where it is planted
 *     3  childTransaction, and none other                         'a transaction' keeps what its callback did, is overtaken, is not there yet
 *     4  inside the transaction, the frontier only rises          'a transaction' that is synchronous overtakes
 *     5  a format, a checksum and a manifest                      'a file that is damaged' ends the process, is empty, is believed
 *     6  LMDB never meets a full disk                             'a full disk' overflows the heap, and is none with room in the file
 *     7  every commit has a watchdog, and is read back            'a commit whose meta page fails' never settles; 'a commit' waits for the pool
 *     8  directory 0700, files 0600                               'what is opened' may be read by everybody
 *     9  no cursor or read transaction is kept open               'a reader that stays' makes the file grow
 *     10 spilled messages do not go into LMDB                     'what was removed' leaves the file as large as it was
 */
let folder: string;
let path: string;
const roots: Lmdb.RootDatabase[] = [];

beforeEach(() => {
  folder = mkdtempSync(join(tmpdir(), 'kafka-rx-traps-'));
  path = join(folder, 'data');
});

afterEach(async () => {
  await Promise.all(roots.splice(0).map((root) => root.close()));
  rmSync(folder, { recursive: true, force: true });
});

type Options = Partial<Lmdb.RootDatabaseOptionsWithPath> & { readonly noSubdir?: boolean; readonly permissionsMode?: number };

function open(options: Options = {}): Lmdb.RootDatabase<number, string> {
  const root = lmdb.open<number, string>({ path, noSubdir: false, overlappingSync: false, ...options } as Lmdb.RootDatabaseOptionsWithPath);
  roots.push(root);
  return root;
}

/** The text of a program with a `db`, a `plan` for what the disk does, and a way to `say` something. */
function programOf(options: Options, text: string): string {
  return `
    import { open } from 'lmdb';
    import { writeFileSync } from 'node:fs';
    const say = console.log;
    console.error = () => undefined;
    const settled = (promise) => promise.then(() => 'resolved', () => 'rejected');
    const plan = (text) => writeFileSync(${JSON.stringify(join(folder, 'plan'))}, text);
    process.on('unhandledRejection', () => say('unhandled'));
    const db = open(${JSON.stringify({ path, noSubdir: false, ...options })});
    ${text}`;
}

/** What it says in a process of its own; at the end the signal or code that ended it. */
async function script(options: Options, text: string, env: NodeJS.ProcessEnv = {}): Promise<string[]> {
  const plan = join(folder, 'plan');
  rmSync(plan, { force: true });
  const faults = unable === undefined && { LD_PRELOAD: compiled('faults', folder), FAULT_ROOT: path, FAULT_PLAN: plan };
  return said(process.execPath, ['--input-type=module', '-e', programOf(options, text)], { ...process.env, ...faults, ...env });
}

async function said(command: string, args: readonly string[], env: NodeJS.ProcessEnv): Promise<string[]> {
  return new Promise((resolve) => {
    execFile(command, args, { env, timeout: 30_000 }, (error, out) => {
      const lines = out.split('\n').filter((line) => line !== '');
      resolve(error === null ? lines : [...lines, `ended by ${String(error.signal ?? error.code)}`]);
    });
  });
}

const FAILS_ONCE = "plan('sync 5 1');";

describe.skipIf(unable)('a commit whose fsync fails', () => {
  it('is visible, and stays, with overlappingSync: rule 2', async () => {
    const put = `await db.put('a', 1); ${FAILS_ONCE} say(await settled(db.put('a', 2))); say(db.get('a')); process.exit();`;
    const seen = async (overlappingSync: boolean): Promise<string[]> => {
      rmSync(path, { recursive: true, force: true });
      return (await script({ overlappingSync, eventTurnBatching: false }, put)).filter((line) => line !== 'unhandled');
    };
    expect(await seen(true)).toEqual(['rejected', '2']);
    expect(await seen(false)).toEqual(['rejected', '1']);
  });

  it('is an unhandled rejection by its commitError, and one more by eventTurnBatching, although the caller catches it: rule 2', async () => {
    // Whoever ends by itself has said all.
    const put = (settle: string): string =>
      `await db.put('a', 1); ${FAILS_ONCE} ${settle} await new Promise(setImmediate); await db.close();`;
    const careless = "await settled(db.put('a', 2));";
    const careful = "await db.put('a', 2).catch((error) => error.commitError?.catch(() => undefined));";
    const unhandled = async (eventTurnBatching: boolean, settle: string): Promise<number> => {
      rmSync(path, { recursive: true, force: true });
      return (await script({ overlappingSync: false, eventTurnBatching }, put(settle))).filter((line) => line === 'unhandled').length;
    };
    expect(await unhandled(false, careful)).toBe(0);
    expect(await unhandled(false, careless)).toBeGreaterThan(0);
    expect(await unhandled(true, careful)).toBeGreaterThan(0);
  });
});

describe.skipIf(unable)('a commit whose meta page fails', () => {
  it.each([
    ['put', "db.put('a', 3)"],
    ['transaction', 'db.childTransaction(() => undefined)'],
    ['close', "(db.put('a', 3).catch(() => undefined), db.close())"],
  ])('is the last that is answered: no %s settles after it: rule 7', async (_, next) => {
    const failing = `
      const other = open({ path: ${JSON.stringify(join(folder, 'other'))}, noSubdir: false, overlappingSync: false });
      await db.put('a', 1);
      plan('meta 5 1');
      say(await settled(db.put('a', 2)));
      settled(${next}).then(() => say('settled'));
      // The disk and the threads are as good as ever.
      for (let i = 0; i < 10; i += 1) await other.put('a', i);
      say('others go on');
      process.exit();`;
    expect(await script({ overlappingSync: false, eventTurnBatching: false }, failing)).toEqual(expect.not.arrayContaining(['settled']));
  });
});

describe('a commit', () => {
  it('waits for a thread of the pool, which anybody may hold: rule 7', async () => {
    const fifo = join(folder, 'fifo');
    execFileSync('mkfifo', [fifo]);
    const starved = `
      import fs from 'node:fs';
      import { spawn } from 'node:child_process';
      import { once } from 'node:events';
      await db.put('a', 1);
      const held = fs.promises.open(${JSON.stringify(fifo)}, 'r');
      const put = db.put('a', 2).then(() => say('durable'));
      // Needs no thread of the pool.
      for (let i = 0; i < 5; i += 1) await once(spawn('true'), 'exit');
      say('released');
      fs.openSync(${JSON.stringify(fifo)}, 'w');
      await held;
      await put;
      process.exit();`;
    const options = { overlappingSync: false, eventTurnBatching: false };
    expect(await script(options, starved, { UV_THREADPOOL_SIZE: '1' })).toEqual(['released', 'durable']);
    expect((await script(options, starved, { UV_THREADPOOL_SIZE: '4' })).at(0)).toBe('durable');
  });
});

describe('opening', () => {
  it('hangs behind a process that was stopped in a transaction: rule 1', async () => {
    const child = (text: string): ChildProcess => {
      const started = spawn(process.execPath, ['--input-type=module', '-e', programOf({ overlappingSync: false }, text)], {
        stdio: ['ignore', 'pipe', 'ignore'],
      });
      onTestFinished(() => {
        started.kill('SIGKILL');
      });
      return started;
    };
    await script({ overlappingSync: false }, "await db.put('a', 1); await db.close();");
    const holder = child("db.transactionSync(() => { process.kill(process.pid, 'SIGSTOP'); });");
    await eventually(() => {
      expect(stateOf(holder)).toBe('T');
    });
    const opener = child("say('opened'); process.exit();");
    let opened = '';
    opener.stdout?.on('data', (text: Buffer) => (opened += text.toString()));
    const ended = once(opener, 'exit');
    // Whoever only works is seen to run, or to have ended, before this.
    let asleep = 0;
    let ticks = -1;
    await vi.waitFor(
      () => {
        const now = ticksOf(opener);
        asleep = stateOf(opener) === 'S' && now === ticks && now > 0 ? asleep + 1 : 0;
        ticks = now;
        expect(asleep).toBeGreaterThan(20);
      },
      { timeout: 30_000, interval: 20 },
    );
    expect(opened).toBe('');
    holder.kill('SIGKILL');
    await ended;
    expect(opened).toBe('opened\n');
  });
});

/** Of the main thread: its state, and for how long it has run. */
function statOf({ pid }: ChildProcess): string[] {
  return (
    readFileSync(`/proc/${String(pid)}/task/${String(pid)}/stat`, 'utf8')
      .split(') ')
      .at(-1)
      ?.split(' ') ?? []
  );
}
const stateOf = (child: ChildProcess): string | undefined => statOf(child)[0];
const ticksOf = (child: ChildProcess): number => Number(statOf(child)[11]) + Number(statOf(child)[12]);

describe('a full disk', () => {
  const onSmallDisk = (text: string): Promise<string[]> => {
    mkdirSync(path);
    const mount = 'mount -t tmpfs -o size=4m none "$1" && exec "$2" --input-type=module -e "$3"';
    const program = `
      import { openSync, writeSync, closeSync, statSync } from 'node:fs';
      const fill = () => {
        const file = openSync(${JSON.stringify(join(path, 'ballast'))}, 'a');
        try { for (;;) writeSync(file, Buffer.alloc(4096, 1)); } catch {}
        closeSync(file);
      };
      ${programOf({ overlappingSync: false, eventTurnBatching: false }, text)}
      process.exit();`;
    return said('unshare', ['-rm', 'sh', '-c', mount, 'sh', path, process.execPath, program], process.env);
  };

  it.skipIf(unable)('overflows the heap, for LMDB has 104 bytes for what it says of it: rule 6', async () => {
    const options = { overlappingSync: false, eventTurnBatching: false };
    const full = `
      await db.put('a', 1);
      plan('write 28 1');
      const large = db.childTransaction(() => {
        for (let i = 0; i < 4; i += 1) db.put('large ' + i, 'x'.repeat(12_000_000));
      });
      await large.catch(async (error) => say(await error.commitError.catch((reason) => reason.message)));
      process.exit();`;
    const lines = await script(options, full);
    const message = /Attempting to write page.*/.exec(lines.join('\n'))?.[0] ?? '';
    // Where the heap is looked at before the message is, the process ends instead. C writes one byte more than the message is long.
    if (lines.at(-1)?.startsWith('ended by SIG') !== true) expect(message.length + 1).toBeGreaterThan(104);
  });

  it.skipIf(unmountable)('is none while there is room in the file: rule 6', async () => {
    const presized = `
      await db.put('a', 0);
      const file = openSync(${JSON.stringify(join(path, 'data.mdb'))}, 'r+');
      writeSync(file, Buffer.alloc(1024 * 1024), 0, 1024 * 1024, statSync(${JSON.stringify(join(path, 'data.mdb'))}).size);
      fill();
      for (let i = 1; i <= 500; i += 1) await db.put('a', i);
      say(db.get('a'));`;
    expect(await onSmallDisk(presized)).toEqual(['500']);
  });
});

describe.skipIf(unable)('a file that is damaged', () => {
  it.each([
    ['its first page is cut off after 100 bytes', 100],
    ['all but one page of it is gone', 4_096],
  ])('ends the process when it is opened: rule 5. %s', async (_, bytes) => {
    await script({}, "await db.put('a', 1); await db.close();");
    truncateSync(join(path, 'data.mdb'), bytes);
    expect((await script({}, "say('opened')")).at(-1)).toMatch(/^ended by SIG/);
  });

  it('is an empty database when it is empty: rule 5', async () => {
    await script({}, "await db.put('a', 1); await db.close();");
    truncateSync(join(path, 'data.mdb'), 0);
    expect(await script({}, "say(db.get('a')); await db.close();")).toEqual(['undefined']);
  });
});

describe('a file with a bit that was flipped', () => {
  it('is believed: rule 5', async () => {
    const db = open();
    await db.put('key', 0);
    await db.put('word', 'kept' as unknown as number);
    await db.close();
    roots.pop();
    const data = readFileSync(join(path, 'data.mdb'));
    for (let at = data.indexOf('kept'); at >= 0; at = data.indexOf('kept', at + 1)) data.write('kepT', at);
    writeFileSync(join(path, 'data.mdb'), data);
    expect(open().get('word')).toBe('kepT');
  });
});

describe('a reader that stays', () => {
  const pages = async (hold: (db: Lmdb.RootDatabase<number, string>) => unknown): Promise<number> => {
    path = join(folder, `data ${(files += 1)}`);
    const db = open();
    for (let i = 0; i < 50; i += 1) await db.put(`key ${i}`, i);
    const held = hold(db);
    for (let i = 0; i < 500; i += 1) await db.put('a', i);
    expect(held).toBeDefined();
    return statSync(join(path, 'data.mdb')).size / 4_096;
  };
  let files = 0;

  it.each<[string, (db: Lmdb.RootDatabase<number, string>) => unknown]>([
    ['a read transaction', (db) => db.useReadTransaction()],
    [
      'a cursor',
      (db) => {
        const cursor = db.getRange()[Symbol.iterator]();
        cursor.next();
        return cursor;
      },
    ],
  ])('makes the file grow with every commit: rule 9. %s', async (_, hold) => {
    const alone = await pages(() => 'nobody');
    expect(await pages(hold)).toBeGreaterThan(10 * alone);
  });
});

describe('what was removed', () => {
  it('leaves the file as large as it was: rule 10', async () => {
    const db = open();
    const size = (): number => statSync(join(path, 'data.mdb')).size;
    await db.childTransaction(() => {
      for (let i = 0; i < 1_000; i += 1) void db.put(`key ${i}`, 'x'.repeat(1_000) as unknown as number);
    });
    const before = size();
    await db.clearAsync();
    await db.put('a', 1);
    await db.close();
    roots.pop();
    open();
    expect(before).toBeGreaterThan(1_000_000);
    expect(size()).toBeGreaterThanOrEqual(before);
  });
});

describe('a transaction', () => {
  it('that is synchronous and returns a promise has not happened when it returns: rule 3', async () => {
    const killed = async (work: string): Promise<string[]> => {
      rmSync(path, { recursive: true, force: true });
      await script({ overlappingSync: false }, `db.transactionSync(${work}); process.kill(process.pid, 'SIGKILL');`);
      return script({ overlappingSync: false }, "say(db.get('a')); await db.close();");
    };
    expect(await killed("() => db.put('a', 1)")).toEqual(['undefined']);
    expect(await killed("() => { db.put('a', 1); }")).toEqual(['1']);
  });

  it('keeps what its callback did before it threw, and a childTransaction does not: rule 3', async () => {
    const db = open();
    const failing = (): never => {
      void db.put('a', 1);
      throw new Error('no');
    };
    await expect(db.childTransaction(failing)).rejects.toThrow('no');
    expect(db.get('a')).toBeUndefined();
    await expect(db.transaction(failing)).rejects.toThrow('no');
    expect(db.get('a')).toBe(1);
  });

  it('that is synchronous overtakes a put that came before it, and the older value wins: rule 3', async () => {
    const db = open();
    const earlier = db.put('a', 1);
    db.transactionSync(() => {
      void db.put('a', 2);
    });
    expect(db.get('a')).toBe(2);
    await earlier;
    expect(db.get('a')).toBe(1);
  });
});

describe('what is opened', () => {
  it('is a file if the path has a dot, unless noSubdir says otherwise: rule 2', () => {
    path = join(folder, 'offsets.v1');
    roots.push(lmdb.open({ path, overlappingSync: false }));
    expect(statSync(path).isFile()).toBe(true);
    path = join(folder, 'offsets.v2');
    open();
    expect(existsSync(join(path, 'data.mdb'))).toBe(true);
  });

  it('may be read by everybody, unless permissionsMode says otherwise: rule 8', () => {
    const umask = process.umask(0);
    try {
      open();
      expect(statSync(join(path, 'data.mdb')).mode & 0o777).toBe(0o664);
      path = join(folder, 'private');
      open({ permissionsMode: 0o600 });
      expect(statSync(join(path, 'data.mdb')).mode & 0o777).toBe(0o600);
    } finally {
      process.umask(umask);
    }
  });

  it('grows its map by itself when it is full, also within a childTransaction: so we need not', async () => {
    const db = lmdb.open<Buffer, number>({
      path,
      noSubdir: false,
      overlappingSync: false,
      mapSize: 64 * 1024,
      encoding: 'binary',
    } as Lmdb.RootDatabaseOptionsWithPath);
    roots.push(db);
    await db.childTransaction(() => {
      for (let i = 0; i < 300; i += 1) void db.put(i, Buffer.alloc(4_000, i));
    });
    expect([...db.getRange()].filter(({ key, value }) => value[0] === key % 256)).toHaveLength(300);
  });

  it('writes nothing when its tables are there already: so a closed store stays as it was closed', async () => {
    const first = open();
    first.openDB({ name: 'table' });
    await first.close();
    roots.pop();
    const before = readFileSync(join(path, 'data.mdb'));
    open().openDB({ name: 'table' });
    expect(readFileSync(join(path, 'data.mdb')).equals(before)).toBe(true);
  });

  it('takes no key of more than 1,978 bytes, and says so at once', async () => {
    const db = open();
    expect(() => db.put('x'.repeat(1_979), 1)).toThrow(/key/i);
    await db.put('a', 1);
  });
});
