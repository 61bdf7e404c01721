import { readFileSync, writeFileSync } from 'node:fs';
import { lastValueFrom, from } from 'rxjs';
import { afterAll, afterEach, describe, expect, it } from 'vitest';
import type { ApplyWrite, OffsetStore, StateKey, StateTransaction } from '../../src/index.js';
import { OptionError, memoryOffsets, openOffsets } from '../../src/index.js';
import { temporaryFolder } from '../support/temporaryFolder.js';

const folder = await temporaryFolder();
const open: OffsetStore[] = [];
let stores = 0;

afterEach(async () => {
  await Promise.all(open.splice(0).map((store) => store.close()));
});

afterAll(() => folder[Symbol.asyncDispose]());

describe.each([
  ['LMDB', () => openOffsets(`${folder.path}/${(stores += 1)}`)],
  ['memory', memoryOffsets],
])('the state of the store in %s', (_name, make) => {
  /** A store with one partition claimed, and a way to change its state together with the frontier. */
  async function claimed(): Promise<{
    store: OffsetStore;
    epoch: number;
    change: (frontier: number, apply: ApplyWrite, epoch?: number) => Promise<unknown>;
  }> {
    const store = make();
    open.push(store);
    const [claim] = await lastValueFrom(from(store.claim('g', [{ topic: 't', partition: 0 }])), { defaultValue: [] });
    const epoch = claim?.epoch ?? 0;
    const change = (frontier: number, apply: ApplyWrite, at = epoch): Promise<unknown> =>
      lastValueFrom(from(store.write('g', [{ topic: 't', partition: 0, epoch: at, frontier, runs: [], metadata: '' }], apply)), {
        defaultValue: [],
      });
    return { store, epoch, change };
  }

  const frontierOf = async (store: OffsetStore): Promise<number | undefined> =>
    (await lastValueFrom(from(store.list('g')), { defaultValue: [] }))[0]?.frontier;

  it('keeps what was put, by table and by key', async () => {
    const { store, change } = await claimed();
    const value = { total: 3, items: ['a', 'b'], at: new Date(7), bytes: Buffer.from([1, 2]) };
    await change(1, (_, txn) => {
      txn.table<typeof value>('orders').put('x', value);
      txn.table<number>('counts').put('x', 1);
    });
    expect(store.state<typeof value>('orders').get('x')).toMatchObject({ total: 3, items: ['a', 'b'], at: new Date(7) });
    expect(Buffer.from(store.state<typeof value>('orders').get('x')?.bytes ?? [])).toEqual(Buffer.from([1, 2]));
    expect(store.state('counts').get('x')).toBe(1);
    expect(store.state('counts').get('y')).toBeUndefined();
    expect(store.state('nothing').entries()).toEqual([]);
  });

  it('reads inside a transaction what was put in it, and outside only what was written', async () => {
    const { store, change } = await claimed();
    const counts = store.state<number>('counts');
    const seen: unknown[] = [];
    await change(1, (_, txn) => {
      const table = txn.table<number>('counts');
      table.put('a', 1);
      table.put('b', 2);
      table.put('a', (table.get('a') ?? 0) + 10);
      table.remove('b');
      seen.push(table.get('a'), table.get('b'), table.entries(), counts.get('b'));
    });
    expect(seen.slice(0, 3)).toEqual([11, undefined, [['a', 11]]]);
    expect(counts.entries()).toEqual([['a', 11]]);
  });

  it('what throws changes neither state nor offset, and the next write goes on', async () => {
    const { store, change } = await claimed();
    await change(1, (_, txn) => {
      txn.table('counts').put('a', 1);
    });
    const failing = change(2, (_, txn) => {
      txn.table('counts').put('a', 2);
      txn.table('others').put('b', 1);
      throw new RangeError('too much');
    });
    await expect(failing).rejects.toThrow(new RangeError('too much'));
    expect([store.state('counts').entries(), store.state('others').entries(), await frontierOf(store)]).toEqual([[['a', 1]], [], 1]);
    await change(3, (_, txn) => {
      txn.table('counts').put('a', 3);
    });
    expect([store.state('counts').entries(), await frontierOf(store)]).toEqual([[['a', 3]], 3]);
  });

  it('is told which checkpoints are refused', async () => {
    const { store, epoch, change } = await claimed();
    const told: unknown[] = [];
    const note: ApplyWrite = (refused) => told.push(refused.map((checkpoint) => checkpoint.frontier));
    await change(5, note);
    await change(6, note, epoch - 1);
    expect(told).toEqual([[], [6]]);
    expect(await frontierOf(store)).toBe(5);
  });

  it('has its keys in order, and reads ranges of them', async () => {
    const { store, change } = await claimed();
    const keys: StateKey[] = ['b', 10, ['a', 2], -1, 'ä', 2.5, ['a', 10], 'a', true, ['a', 'x'], false, ['b', 1, 'y']];
    await change(1, (_, txn) => {
      const table = txn.table<string, StateKey>('keys');
      for (const key of keys) table.put(key, JSON.stringify(key));
      txn.table('kez').put('z', 1);
      txn.table('key').put('z', 1);
    });
    const table = store.state<string, StateKey>('keys');
    const inOrder: StateKey[] = [false, true, -1, 2.5, 10, 'a', ['a', 2], ['a', 10], ['a', 'x'], 'b', ['b', 1, 'y'], 'ä'];
    expect(table.entries()).toEqual(inOrder.map((key) => [key, JSON.stringify(key)]));
    expect(table.entries({ from: 2.5, to: 'b' }).map(([key]) => key)).toEqual(inOrder.slice(3, 9));
    expect(table.entries({ from: ['a', 3], limit: 2 }).map(([key]) => key)).toEqual(inOrder.slice(7, 9));
  });

  it.each<[string, unknown]>([
    ['nothing', undefined],
    ['null', null],
    ['no number', NaN],
    ['an object', {}],
    ['an array of one', ['a']],
    ['an array in an array', ['a', ['b']]],
    ['half a character', '\ud800'],
    ['a very long text', 'x'.repeat(2_000)],
  ])('refuses %s as a key', async (_what, key) => {
    const { store, change } = await claimed();
    expect(() => store.state('t').get(key as string)).toThrow(OptionError);
    const putting = change(1, (_, txn) => {
      txn.table('t').put(key as string, 1);
    });
    await expect(putting).rejects.toThrow(OptionError);
    expect(await frontierOf(store)).toBeUndefined();
  });

  it('hands out copies: what happens to a value later does not happen to the state', async () => {
    const { store, change } = await claimed();
    const value = { n: 1 };
    await change(1, (_, txn) => {
      txn.table<typeof value>('t').put('a', value);
    });
    value.n = 2;
    const read = store.state<typeof value>('t').get('a');
    if (read !== undefined) read.n = 3;
    expect(store.state('t').get('a')).toEqual({ n: 1 });
  });
});

/** Puts the values into two tables. */
async function put(store: OffsetStore, values: Readonly<Record<string, unknown>>): Promise<void> {
  await (store.write('g', [], (_, txn) => {
    for (const [key, value] of Object.entries(values)) for (const name of ['t', 'u']) txn.table(name).put(key, value);
  }) as Promise<unknown>);
}

/** Changes what stands in the table `t`, and leaves `u`. */
function flip(path: string, word: string, replacement: string): void {
  const data = readFileSync(`${path}/data.mdb`);
  let found = 0;
  for (let at = data.indexOf(word); at >= 0; at = data.indexOf(word, at + 1)) {
    const isOfT = data.lastIndexOf('t\0', at) > data.lastIndexOf('u\0', at);
    if (isOfT) found += data.write(replacement, at);
  }
  expect(found).toBeGreaterThan(0);
  writeFileSync(`${path}/data.mdb`, data);
}

/** As if its owner had been killed: without a checksum over all. */
function markAsOpen(path: string): void {
  const manifest = JSON.parse(readFileSync(`${path}/manifest.json`, 'utf8')) as object;
  writeFileSync(`${path}/manifest.json`, JSON.stringify({ ...manifest, state: 'open', checksum: undefined }));
}

describe('the state of the store in LMDB', () => {
  it('is there again after reopening', async () => {
    const path = `${folder.path}/again`;
    const first = openOffsets(path);
    await first.claim('g', [{ topic: 't', partition: 0 }]);
    await lastValueFrom(
      from(
        first.write('g', [], (_, txn) => {
          txn.table('t').put('a', 1);
        }),
      ),
      { defaultValue: [] },
    );
    await first.close();
    const second = openOffsets(path);
    open.push(second);
    expect(second.state('t').get('a')).toBe(1);
  });

  it.each(['closed', 'killed'])('is never given out damaged, and takes no offsets with it: after it was %s', async (state) => {
    const path = `${folder.path}/damaged ${state}`;
    const first = openOffsets(path);
    await put(first, { sound: 'sound', other: 'precious' });
    await first.close();
    flip(path, 'precious', 'prec10us');
    if (state === 'killed') markAsOpen(path);

    const store = openOffsets(path);
    open.push(store);
    const damaged = expect.objectContaining({
      name: 'StoreCorruptError',
      code: 'STORE_CORRUPT',
      path,
      message: `${path}: a value of the state is damaged. Restore the store from a backup.`,
    }) as Error;
    expect(() => store.state('t').get('other')).toThrow(damaged);
    expect(() => store.state('t').entries()).toThrow(damaged);
    expect(store.state('t').get('sound')).toBe('sound');
    expect(store.state('u').get('sound')).toBe('sound');
    await expect(store.list('g')).resolves.toEqual([]);
    // What is put anew is sound again.
    await put(store, { other: 'again' });
    expect(store.state('t').get('other')).toBe('again');
  });

  it.each(['closed', 'killed'])('does not seem to be missing because its key was damaged: after it was %s', async (state) => {
    const path = `${folder.path}/damaged key ${state}`;
    const first = openOffsets(path);
    await put(first, { keyOfOurs: 1, other: 2 });
    await first.close();
    flip(path, 'keyOfOurs', 'keyOfOurz');
    if (state === 'killed') markAsOpen(path);
    expect(() => openOffsets(path)).toThrow(
      expect.objectContaining({ name: 'StoreCorruptError', message: expect.stringMatching(/has a damaged key in the state/) as string }),
    );
  });

  it('takes nothing from a transaction that is over', async () => {
    const store = openOffsets(`${folder.path}/over`);
    open.push(store);
    let kept: StateTransaction | undefined;
    await lastValueFrom(
      from(
        store.write('g', [], (_, txn) => {
          kept = txn;
        }),
      ),
      { defaultValue: [] },
    );
    const put = (): void => {
      kept?.table('t').put('a', 1);
    };
    expect(put).toThrow(/the transaction of `apply` is over/);
  });

  it('grows beyond what the file began with', async () => {
    const store = openOffsets(`${folder.path}/large`);
    open.push(store);
    const large = 'x'.repeat(100_000);
    for (let round = 0; round < 10; round += 1) {
      await lastValueFrom(
        from(
          store.write('g', [], (_, txn) => {
            for (let i = 0; i < 100; i += 1) txn.table<string, [number, number]>('large').put([round, i], large);
          }),
        ),
        { defaultValue: [] },
      );
    }
    expect(store.state('large').entries({ limit: 2_000 })).toHaveLength(1_000);
  });
});
