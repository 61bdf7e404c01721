import { execFile } from 'node:child_process';
import { readFileSync, readdirSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { fileURLToPath } from 'node:url';
import type { ObservableInput } from 'rxjs';
import { filter, firstValueFrom, from, lastValueFrom } from 'rxjs';
import { describe, expect, inject, it } from 'vitest';
import { createTopic } from '../broker/index.js';
import { Kafka, commit, drain, fromTopic, memoryOffsets, openOffsets } from '../src/index.js';
import type { Checkpoint } from '../src/index.js';
import { unique } from './support/numbered.js';
import { StoreProcess } from './support/storeProcess.js';
import { temporaryFolder } from './support/temporaryFolder.js';

interface Said {
  readonly code: number;
  readonly out: string;
  readonly err: string;
}

const PROGRAM = fileURLToPath(new URL('../.build/src/cli/main.js', import.meta.url));

function call(args: readonly string[], input = ''): Promise<Said> {
  return new Promise((resolve) => {
    const child = execFile(process.execPath, [PROGRAM, ...args], (error, out, err) => {
      resolve({ code: error === null ? 0 : Number(error.code), out, err });
    });
    child.stdin?.end(input);
  });
}

const offsets = (...args: readonly string[]): Promise<Said> => call(['offsets', ...args]);

const ORDERS = { topic: 'orders', partition: 0, frontier: 10, runs: [12, 14, 20, 21], metadata: 'half' };
const NAMES = { topic: 'names', partition: 3, frontier: 7, runs: [], metadata: '' };

/** A store of two groups, closed. */
async function made(directory: string): Promise<void> {
  await using store = openOffsets(directory);
  const groups: readonly (readonly [string, readonly Omit<Checkpoint, 'epoch'>[]])[] = [
    ['billing', [ORDERS, NAMES]],
    ['audit', [{ ...ORDERS, frontier: 5, runs: [] }]],
  ];
  for (const [group, checkpoints] of groups) {
    const claims = await remembered(store.claim(group, checkpoints));
    await remembered(
      store.write(
        group,
        checkpoints.map((checkpoint, i) => ({ ...checkpoint, epoch: claims[i]?.epoch ?? 0 })),
      ),
    );
  }
}

const remembered = <T>(answer: ObservableInput<readonly T[]>): Promise<readonly T[]> => lastValueFrom(from(answer), { defaultValue: [] });

async function listed(directory: string, group: string): Promise<readonly Checkpoint[]> {
  await using store = openOffsets(directory);
  return await remembered(store.list(group));
}

describe('kafka-rx', () => {
  it('says what it can do, and its version', async () => {
    const { version } = JSON.parse(readFileSync(new URL('../package.json', import.meta.url), 'utf8')) as { version: string };
    expect(await call(['--version'])).toEqual({ code: 0, out: `${version}\n`, err: '' });
    const help = await call(['--help']);
    expect([help.code, help.err, await call([])]).toEqual([0, '', help]);
    expect(help.out).toMatch(/kafka-rx offsets/);
    expect((await call(['demo', '--help'])).out).toMatch(/--orders-topic/);
    expect((await offsets('--help')).out).toMatch(/Exit code/);
  });

  it.each([
    [['fly'], /no command "fly"; there are: demo, offsets, top\./],
    [['offsets', 'fly', '.'], /no command "fly"; there are: list, show/],
    [['offsets', 'list'], /which directory/],
    [['offsets', 'list', 'a', 'b'], /"b" is one word too many/],
    [['offsets', 'list', '.', '--to', '1'], /list takes no --to/],
    [['offsets', 'list', '.', '--nonsense'], /--nonsense/],
    [['offsets', 'skip', '.', '--group', 'g', '--topic', 't', '--partition', '0'], /skip: --offset is missing/],
    [['offsets', 'reset', '.', '--group', 'g', '--topic', 't', '--to', '-1'], /--to/],
    [['offsets', 'reset', '.', '--group', 'g', '--topic', 't', '--to', '1e3'], /--to takes a whole number from 0 up, not "1e3"/],
    [['offsets', 'import', '.'], /nothing to import/],
    [['offsets', 'to-group', '.', '--group', 'g'], /to-group: --brokers is missing/],
    [['offsets', 'from-group', '.', '--group', 'g', '--brokers', 'kafka://a:1'], /--brokers takes host:port/],
    [['offsets', 'export', '.', '--brokers', 'a:1'], /export takes no --brokers/],
  ])('a call that makes no sense is refused: %j', async (args, reason) => {
    const said = await call(args);
    expect(said).toMatchObject({ code: 2, out: '' });
    expect(said.err).toMatch(reason);
    expect(said.err).toMatch(/Try --help\.\n$/);
    expect(said.err).not.toMatch(/\n\s+at /);
  });
});

describe('kafka-rx offsets', () => {
  it('lists and shows what is remembered', async () => {
    await using folder = await temporaryFolder();
    await made(folder.path);
    const all = await offsets('list', folder.path);
    expect(all).toMatchObject({ code: 0, err: '' });
    expect(all.out.split('\n').map((line) => line.split(/ {2,}/).map((cell) => cell.trim()))).toEqual([
      ['group', 'topic', 'partition', 'frontier', 'beyond it', 'runs', 'epoch', 'metadata'],
      ['audit', 'orders', '0', '5', '0', '0', '1', 'half'],
      ['billing', 'names', '3', '7', '0', '0', '1'],
      ['billing', 'orders', '0', '10', '3', '2', '1', 'half'],
      [''],
    ]);
    const one = await offsets('list', folder.path, '--group', 'billing', '--topic', 'orders', '--json');
    expect(JSON.parse(one.out)).toEqual([{ group: 'billing', epoch: 1, ...ORDERS }]);
    const shown = await offsets('show', folder.path, '--group', 'billing', '--topic', 'orders', '--partition', '0');
    expect(shown.out).toMatch(/frontier +10: .*\n +beyond it +3 finished, in 2 runs\n +12 to 13\n +20\n/);
    const none = await offsets('show', folder.path, '--group', 'billing', '--topic', 'orders', '--partition', '1');
    expect(none).toMatchObject({ code: 2, err: expect.stringMatching(/remembers nothing of orders\/1 for billing/) as string });
    expect((await offsets('list', folder.path, '--group', 'nobody')).out).toBe('Nothing is remembered.\n');
  });

  it('reads while the owner runs, and refuses to write then', async () => {
    await using folder = await temporaryFolder();
    await made(folder.path);
    const owner = new StoreProcess();
    await owner.ask({ do: 'open', directory: folder.path });
    await owner.ask({ do: 'claim', group: 'billing', partitions: [ORDERS] });
    await owner.ask({ do: 'write', group: 'billing', checkpoints: [{ ...ORDERS, epoch: 2, frontier: 1_000, runs: [] }] });
    const seen = await offsets('list', folder.path, '--group', 'billing', '--topic', 'orders', '--json');
    expect(JSON.parse(seen.out)).toMatchObject([{ epoch: 2, frontier: 1_000 }]);
    expect(await offsets('verify', folder.path)).toMatchObject({ code: 0 });
    const before = readdirSync(folder.path);
    const refused = await offsets('reset', folder.path, '--group', 'billing', '--topic', 'orders', '--to', '0');
    expect(refused).toMatchObject({ code: 1, out: '' });
    expect(refused.err).toMatch(new RegExp(`in use by process ${owner.pid}`));
    expect(readdirSync(folder.path)).toEqual(before);
    expect(await owner.ask({ do: 'list', group: 'billing' })).toMatchObject({ value: [{ topic: 'names' }, { frontier: 1_000 }] });
  });

  it('reads one transaction, however fast the owner writes', async () => {
    await using folder = await temporaryFolder();
    await using store = openOffsets(folder.path);
    const partitions = Array.from({ length: 300 }, (_, partition) => ({ topic: 'orders', partition }));
    const claims = await remembered(store.claim('billing', partitions));
    let written = 0;
    let done = false;
    const write = async (): Promise<void> => {
      while (!done) {
        written += 1;
        // Every transaction sets all frontiers to one number.
        const checkpoints = partitions.map((at, i) => ({ ...at, epoch: claims[i]?.epoch ?? 0, frontier: written, runs: [], metadata: '' }));
        await remembered(store.write('billing', checkpoints));
      }
    };
    const writing = write();
    for (let i = 0; i < 10; i += 1) {
      const { code, out } = await offsets('list', folder.path, '--json');
      const seen = JSON.parse(out) as readonly Checkpoint[];
      expect([code, seen.length === 300 || written === 0, new Set(seen.map(({ frontier }) => frontier)).size]).toEqual([0, true, 1]);
    }
    done = true;
    await writing;
    expect(written).toBeGreaterThan(10);
  });

  it('skips a record that is never to come again, and says when it is finished already', async () => {
    await using folder = await temporaryFolder();
    await made(folder.path);
    const skip = (offset: number): Promise<Said> =>
      offsets('skip', folder.path, '--group', 'billing', '--topic', 'orders', '--partition', '0', '--offset', String(offset));
    expect(await skip(11)).toEqual({ code: 0, out: 'the record at 11 of orders/0 of billing is finished\n', err: '' });
    expect(await skip(13)).toMatchObject({ code: 0, out: expect.stringMatching(/already/) as string });
    expect(await listed(folder.path, 'billing')).toContainEqual({ ...ORDERS, epoch: 1, runs: [11, 14, 20, 21] });
    await skip(10);
    expect(await listed(folder.path, 'billing')).toContainEqual({ ...ORDERS, epoch: 1, frontier: 14, runs: [20, 21] });
    expect(await listed(folder.path, 'audit')).toMatchObject([{ frontier: 5 }]);
  });

  it('skips a record that has failed: it is not tried again, and those that wait beside it keep their attempts', async () => {
    await using folder = await temporaryFolder();
    await made(folder.path);
    const retries = [10, 15, 30].map((offset) => ({ offset, name: '', failed: 3, due: 1_000 }));
    {
      await using store = openOffsets(folder.path);
      await remembered(store.write('billing', [{ ...ORDERS, epoch: 1, retries }]));
    }
    const skip = (offset: number): Promise<Said> =>
      offsets('skip', folder.path, '--group', 'billing', '--topic', 'orders', '--partition', '0', '--offset', String(offset));
    expect(await skip(15)).toMatchObject({ code: 0, err: '' });
    expect(await skip(10)).toMatchObject({ code: 0, err: '' });
    expect(await listed(folder.path, 'billing')).toContainEqual({
      ...ORDERS,
      epoch: 1,
      frontier: 11,
      runs: [12, 14, 15, 16, 20, 21],
      retries: retries.slice(2),
    });
    const lines = (await offsets('export', folder.path, '--group', 'billing', '--topic', 'orders')).out;
    expect(await call(['offsets', 'import', folder.path], lines)).toMatchObject({ code: 0 });
    expect(await listed(folder.path, 'billing')).toMatchObject([{ topic: 'names' }, { frontier: 11, retries: retries.slice(2) }]);
    expect(await skip(30)).toMatchObject({ code: 0, err: '' });
    expect((await offsets('list', folder.path, '--json')).out).not.toMatch(/retries/);
  });

  it('resets one partition, or all that are remembered of a topic', async () => {
    await using folder = await temporaryFolder();
    await made(folder.path);
    const reset = (...more: readonly string[]): Promise<Said> =>
      offsets('reset', folder.path, '--group', 'billing', '--topic', 'orders', ...more);
    expect(await reset('--partition', '4', '--to', '44')).toEqual({ code: 0, out: 'orders/4 of billing goes on at 44\n', err: '' });
    expect((await reset('--to', '3', '--json')).out).toMatch(/"partition":0,"frontier":3.*"partition":4,"frontier":3/);
    expect(await listed(folder.path, 'billing')).toMatchObject([
      { topic: 'names', frontier: 7 },
      { partition: 0, frontier: 3, runs: [] },
      { partition: 4, frontier: 3 },
    ]);
    const unknown = await offsets('reset', folder.path, '--group', 'billing', '--topic', 'nothing', '--to', '3');
    expect(unknown).toMatchObject({
      code: 2,
      err: expect.stringMatching(/remembers nothing of nothing for billing; name a --partition/) as string,
    });
  });

  it('imports what it has exported, into another store', async () => {
    await using folder = await temporaryFolder();
    const [source, to] = [join(folder.path, 'from'), join(folder.path, 'to')];
    await made(source);
    const lines = (await offsets('export', source)).out;
    expect(lines.split('\n')).toHaveLength(4);
    expect(await call(['offsets', 'import', to], lines)).toEqual({ code: 0, out: '3 checkpoints of 2 groups are remembered\n', err: '' });
    expect((await offsets('export', to)).out).toBe(lines);
    await using store = openOffsets(to);
    // Whoever takes the partition over gets an epoch above that of the import.
    expect(await remembered(store.claim('billing', [ORDERS]))).toMatchObject([{ epoch: 1, checkpoint: ORDERS }]);
  });

  it.each([
    ['{', /line 2 is no checkpoint: it is not JSON/],
    ['{"group":"g","topic":"t","partition":-1,"frontier":0,"runs":[]}', /line 2 is no checkpoint: `partition`/],
    ['{"group":"g","topic":"t","partition":0,"frontier":5,"runs":[5,6]}', /line 2 is no checkpoint: `runs`/],
    ['{"group":"g","topic":"t","partition":0,"frontier":5,"runs":[7,9,8,10]}', /line 2 is no checkpoint: `runs`/],
    ['{"group":"g","topic":"t","partition":0,"frontier":1e300,"runs":[]}', /line 2 is no checkpoint: `frontier`/],
    ['{"group":"g","topic":"t","partition":9,"frontier":1,"runs":[]}', /line 2 is no checkpoint: t\/9 of g has had a line before/],
  ])('imports nothing if a line is no checkpoint: %s', async (line, reason) => {
    await using folder = await temporaryFolder();
    const to = join(folder.path, 'to');
    const said = await call(['offsets', 'import', to], `{"group":"g","topic":"t","partition":9,"frontier":1,"runs":[]}\n${line}\n`);
    expect(said).toMatchObject({ code: 2, out: '' });
    expect(said.err).toMatch(reason);
    expect(readdirSync(folder.path)).toEqual([]);
  });

  it('makes no store of a directory that is none', async () => {
    await using folder = await temporaryFolder();
    for (const args of [['list'], ['verify'], ['export'], ['reset', '--group', 'g', '--topic', 't', '--partition', '0', '--to', '0']]) {
      const [command = '', ...rest] = args;
      const said = await offsets(command, folder.path, ...rest);
      expect(said).toMatchObject({ code: 1, out: '' });
      expect(said.err).toMatch(/holds no offset store/);
    }
    expect(readdirSync(folder.path)).toEqual([]);
  });

  it('finds what is damaged, lists the rest, and resets it', async () => {
    await using folder = await temporaryFolder();
    await made(folder.path);
    const file = join(folder.path, 'data.mdb');
    const bytes = readFileSync(file);
    // The word of the last checkpoint of billing: also in pages that are no longer in use.
    for (let at = bytes.indexOf('half'); at >= 0; at = bytes.indexOf('half', at + 1)) bytes.write('hulf', at);
    writeFileSync(file, bytes);
    const found = await offsets('verify', folder.path);
    expect(found.code).toBe(1);
    expect(found.out).toMatch(/damaged: orders\/0 of billing/);
    const rest = await offsets('list', folder.path, '--json');
    expect([rest.code, JSON.parse(rest.out)]).toEqual([1, [expect.objectContaining(NAMES)]]);
    expect(rest.err).toMatch(/what is remembered of orders\/0 of audit, orders\/0 of billing is damaged\. Reset it/);
    expect(await offsets('list', folder.path, '--topic', 'names')).toMatchObject({ code: 0, err: '' });
    const one = ['--group', 'billing', '--topic', 'orders', '--partition', '0'];
    expect(await offsets('show', folder.path, ...one)).toMatchObject({ code: 1, err: expect.stringMatching(/is damaged/) as string });
    expect(await offsets('skip', folder.path, ...one, '--offset', '10')).toMatchObject({ code: 1 });
    expect(await offsets('to-group', folder.path, '--group', 'billing', '--brokers', 'localhost:1')).toMatchObject({
      code: 1,
      err: expect.stringMatching(/orders\/0 of billing is damaged/) as string,
    });
    for (const group of ['billing', 'audit'])
      expect(await offsets('reset', folder.path, '--group', group, '--topic', 'orders', '--partition', '0', '--to', '2')).toMatchObject({
        code: 0,
      });
    expect(await offsets('verify', folder.path)).toMatchObject({ code: 0 });
    writeFileSync(file, readFileSync(file).subarray(0, 9_000));
    expect(await offsets('verify', folder.path)).toMatchObject({ code: 1, err: expect.stringMatching(/data\.mdb .*Restore/) as string });
  });
});

/** A store that remembers of a group three partitions of a topic which is there; two of them hold finished records beyond their frontier. */
async function remembering(directory: string): Promise<{ readonly topic: string; readonly group: string }> {
  const [topic, group] = [unique('orders'), unique('billing')];
  await createTopic(brokers, topic, { partitions: 4 });
  const checkpoint = (partition: number, frontier: number, runs: readonly number[]): object => ({
    group,
    topic,
    partition,
    frontier,
    runs,
  });
  const lines = [checkpoint(0, 10, [12, 14, 20, 21]), checkpoint(1, 0, [1, 2]), checkpoint(2, 30, [])];
  const said = await call(['offsets', 'import', directory], lines.map((line) => JSON.stringify(line)).join('\n'));
  expect(said).toMatchObject({ code: 0, err: '' });
  return { topic, group };
}

const brokers = inject('brokers');
const CLUSTER = ['--brokers', brokers.join(',')];

describe.runIf(inject('brokerKind') !== 'embedded')('kafka-rx offsets, with a Kafka group', () => {
  it('takes the frontiers to the group and from there to another store, and says what a group cannot know', async () => {
    await using folder = await temporaryFolder();
    const [here, there] = [join(folder.path, 'here'), join(folder.path, 'there')];
    const { topic, group } = await remembering(here);
    expect(await offsets('to-group', here, '--group', group, ...CLUSTER)).toEqual({
      code: 0,
      out: [
        `${topic}/0: group ${group} goes on at 10; not taken along: 3 finished beyond it, which come again elsewhere`,
        `${topic}/1: group ${group} goes on at 0; not taken along: 1 finished beyond it, which come again elsewhere`,
        `${topic}/2: group ${group} goes on at 30`,
        '',
      ].join('\n'),
      err: '',
    });
    await using kafka = new Kafka({ brokers });
    const committed = [10, 0, 30].map((offset, partition) => ({ topic, partition, offset }));
    expect(await kafka.admin.groupOffsets(group)).toEqual(committed);

    const taken = await offsets('from-group', there, '--group', group, ...CLUSTER);
    expect(taken).toEqual({
      code: 0,
      out: committed.map(({ partition, offset }) => `${topic}/${partition} of ${group} goes on at ${offset}\n`).join(''),
      err: '',
    });
    expect(await listed(there, group)).toMatchObject(committed.map(({ offset, ...at }) => ({ ...at, frontier: offset, runs: [] })));
  });

  it('follows a group that is further, and never goes back to one that is not', async () => {
    await using folder = await temporaryFolder();
    const { topic, group } = await remembering(folder.path);
    await using kafka = new Kafka({ brokers });
    await kafka.admin.commitGroupOffsets(
      group,
      [13, 0, 29, 4].map((offset, partition) => ({ topic, partition, offset })),
    );
    const fromGroup = (...more: readonly string[]): Promise<Said> =>
      offsets('from-group', folder.path, '--group', group, '--topic', topic, ...CLUSTER, ...more);
    expect((await fromGroup()).out.split('\n')).toEqual([
      `${topic}/0 of ${group} goes on at 13`,
      `${topic}/1 of ${group} stays at 0: like the group`,
      `${topic}/2 of ${group} stays at 30: the group is at 29, and only reset goes back`,
      `${topic}/3 of ${group} goes on at 4`,
      '',
    ]);
    const after = await listed(folder.path, group);
    expect(after.map(({ frontier, runs }) => [frontier, runs])).toEqual([
      [13, []],
      [0, [1, 2]],
      [30, []],
      [4, []],
    ]);
    expect(JSON.parse((await fromGroup('--json')).out)).toEqual(
      [13, 0, 29, 4].map((offset, partition) => ({
        topic,
        partition,
        committed: offset,
        frontier: Math.max(offset, partition === 2 ? 30 : 0),
        taken: false,
      })),
    );
    expect(await listed(folder.path, group)).toEqual(after);
  });

  it('sets the group back after a reset, and says from where', async () => {
    await using folder = await temporaryFolder();
    const { topic, group } = await remembering(folder.path);
    const toGroup = (...more: readonly string[]): Promise<Said> => offsets('to-group', folder.path, '--group', group, ...CLUSTER, ...more);
    expect(JSON.parse((await toGroup('--json')).out)).toEqual([
      { topic, partition: 0, frontier: 10, beyond: 3 },
      { topic, partition: 1, frontier: 0, beyond: 1 },
      { topic, partition: 2, frontier: 30, beyond: 0 },
    ]);
    await offsets('reset', folder.path, '--group', group, '--topic', topic, '--partition', '2', '--to', '5');
    expect((await toGroup('--topic', topic)).out).toMatch(new RegExp(`${topic}/2: group ${group} goes on at 5, back from 30\\n$`));
    expect(JSON.parse((await toGroup('--json')).out)).toContainEqual({ topic, partition: 2, frontier: 5, committed: 5, beyond: 0 });
    await using kafka = new Kafka({ brokers });
    expect(await kafka.admin.groupOffsets(group)).toContainEqual({ topic, partition: 2, offset: 5 });
  });

  it('commits nothing while the group has members', async () => {
    await using folder = await temporaryFolder();
    const { topic, group } = await remembering(folder.path);
    await using kafka = new Kafka({ brokers });
    const assigned = firstValueFrom(kafka.events$.pipe(filter(({ type }) => type === 'assigned')), { defaultValue: undefined });
    const reading = drain(fromTopic(kafka, topic, { group, offsets: memoryOffsets() }).pipe(commit()));
    await assigned;
    const refused = await offsets('to-group', folder.path, '--group', group, ...CLUSTER);
    expect(refused).toMatchObject({ code: 1, out: '' });
    expect(refused.err).toMatch(/^could not commit offsets of group .* has members, .*Stop them first.*\n$/);
    expect(await kafka.admin.groupOffsets(group)).not.toContainEqual({ topic, partition: 2, offset: 30 });
    await kafka.close();
    await reading;
    expect(await offsets('to-group', folder.path, '--group', group, ...CLUSTER)).toMatchObject({ code: 0, err: '' });
  });

  it('reads for the group while the owner of the store runs, and takes nothing from it then', async () => {
    await using folder = await temporaryFolder();
    const { topic, group } = await remembering(folder.path);
    const owner = new StoreProcess();
    await owner.ask({ do: 'open', directory: folder.path });
    expect(await offsets('to-group', folder.path, '--group', group, ...CLUSTER)).toMatchObject({ code: 0, err: '' });
    await using kafka = new Kafka({ brokers });
    await kafka.admin.commitGroupOffsets(group, [{ topic, partition: 0, offset: 40 }]);
    const refused = await offsets('from-group', folder.path, '--group', group, ...CLUSTER);
    expect(refused).toMatchObject({ code: 1, out: '' });
    expect(refused.err).toMatch(new RegExp(`in use by process ${owner.pid}`));
    expect(await owner.ask({ do: 'list', group })).toMatchObject({ value: [{ frontier: 10 }, { frontier: 0 }, { frontier: 30 }] });
  });

  it('says in a line what cannot be done, and makes no store then', async () => {
    await using folder = await temporaryFolder();
    const [here, none] = [join(folder.path, 'here'), join(folder.path, 'none')];
    const { topic, group } = await remembering(here);
    const nobody = ['--brokers', 'localhost:1'];
    const refusals = await Promise.all([
      offsets('to-group', here, '--group', group, ...nobody),
      offsets('from-group', none, '--group', group, ...nobody),
      offsets('to-group', none, '--group', group, ...CLUSTER),
      offsets('to-group', here, '--group', 'nobody', ...CLUSTER),
      offsets('from-group', none, '--group', group, '--topic', topic, ...CLUSTER),
      offsets('from-group', none, '--group', group, '--topic', unique('missing'), ...CLUSTER),
    ]);
    expect(refusals.map(({ code, out }) => [code, out])).toEqual([1, 1, 1, 2, 2, 1].map((code) => [code, '']));
    const reasons = [
      /localhost:1/,
      /localhost:1/,
      /holds no offset store/,
      /remembers nothing/,
      /committed nothing of orders-/,
      /missing-/,
    ];
    for (const [i, { code, err }] of refusals.entries()) {
      expect(err).toMatch(reasons[i] as RegExp);
      // One line; with code 2 another that points to --help.
      expect(err.trimEnd().split('\n')).toHaveLength(code);
    }
    expect(readdirSync(folder.path)).toEqual(['here']);
  });
});
