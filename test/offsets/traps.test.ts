import { execFile } from 'node:child_process';
import { existsSync, mkdtempSync, readFileSync, rmSync, statSync, truncateSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import type * as Lmdb from 'lmdb';
import * as lmdb from 'lmdb';
import { afterEach, beforeEach, describe, expect, it } from 'vitest';
import { compiled, unable } from '../powerLoss/compiled.js';

/**
 * What lmdb-js itself does, and the reason for each of our rules. If one of these fails after an upgrade, LMDB has changed: see whether the rule
 * that is named is still needed.
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

/** What a script says in a process of its own; at the end the signal or code that ended it. `db` and `plan` are there for it. */
async function script(options: Options, text: string): Promise<string[]> {
  const plan = join(folder, 'plan');
  const whole = `
    import { open } from 'lmdb';
    import { writeFileSync } from 'node:fs';
    const say = console.log;
    console.error = () => undefined;
    const settled = (promise) => promise.then(() => 'resolved', () => 'rejected');
    const plan = (text) => writeFileSync(${JSON.stringify(plan)}, text);
    process.on('unhandledRejection', () => say('unhandled'));
    const db = open(${JSON.stringify({ path, noSubdir: false, ...options })});
    ${text}`;
  rmSync(plan, { force: true });
  const env = { ...process.env, LD_PRELOAD: compiled('faults', folder), FAULT_ROOT: path, FAULT_PLAN: plan };
  return new Promise((resolve) => {
    execFile(process.execPath, ['--input-type=module', '-e', whole], { env, timeout: 30_000 }, (error, out) => {
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

describe('a transaction', () => {
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
