import type { ChildProcess } from 'node:child_process';
import { spawn } from 'node:child_process';
import { randomUUID } from 'node:crypto';
import { on, once } from 'node:events';
import { cp, mkdir, mkdtemp, readFile, readdir, rm, symlink, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import type { Readable } from 'node:stream';
import { text } from 'node:stream/consumers';
import { fileURLToPath } from 'node:url';
import { map, merge, range } from 'rxjs';
import { afterEach, beforeEach, describe, expect, inject, it } from 'vitest';
import { createTopic } from '../broker/index.js';
import { Ledger } from '../src/demo/ledger.js';
import { statement } from '../src/demo/statement.js';
import { Kafka, drain, toTopic } from '../src/index.js';

const ROOT = fileURLToPath(new URL('..', import.meta.url));
const PROGRAM = join(ROOT, '.build', 'src', 'demo', 'main.js');

let folder: string;

beforeEach(async () => {
  folder = await mkdtemp(join(tmpdir(), 'kafka-rx-test-'));
});

afterEach(async () => {
  await rm(folder, { recursive: true, force: true });
});

describe('the demo', () => {
  it('loses nothing on the embedded cluster, and leaves nothing behind', async () => {
    const { code, out, err } = await run();

    expect({ code, err }).toEqual({ code: 0, err: '' });
    expect(counts(out)).toEqual({ produced: 20_000, processed: 20_000, repeated: expect.any(Number) as number, lost: 0 });
    expect(number(out, /([\d,]+) in flight/)).toBeGreaterThan(0);
    expect(number(out, /([\d,]+) orders committed/)).toBeGreaterThan(0);
    expect(partitions(out)).toHaveLength(4);
    for (const { end, frontier } of partitions(out)) expect(frontier).toBe(end);
    expect(await readdir(folder)).toEqual([]);
  });

  it('loses nothing on a real cluster, in topics that hold what others have left', async () => {
    const brokers = inject('brokers');
    const [orders, invoices] = [`orders-${randomUUID()}`, `invoices-${randomUUID()}`];
    await Promise.all([orders, invoices].map((topic) => createTopic(brokers, topic)));
    await using kafka = new Kafka({ brokers });
    const leftOver$ = merge(...[orders, invoices].map((topic) => range(100).pipe(map(() => ({ topic, value: 'not ours' })))));
    await drain(leftOver$.pipe(toTopic(kafka, orders, (record) => record)));

    const { code, out, err } = await run('--brokers', brokers.join(), '--orders-topic', orders, '--invoices-topic', invoices);

    expect({ code, err }).toEqual({ code: 0, err: '' });
    expect(counts(out)).toMatchObject({ produced: 20_000, processed: 20_000, lost: 0 });
    for (const { end, frontier } of partitions(out)) expect(frontier).toBe(end);
    expect(partitions(out).reduce((sum, { end }) => sum + end, 0)).toBe(20_100);
  });

  it('ends with code 1 when a worker commits an order without having written its invoice', async () => {
    const program = await tampered('worker.js', '({ key, value }) => (', "({ key, value }) => String(key).endsWith('-77') ? null : (");

    const { code, out } = await start(program).ended;

    expect(counts(out)).toMatchObject({ produced: 20_000, processed: 19_999, lost: 1 });
    expect(out).toContain('1 order was lost.');
    expect(code).toBe(1);
  });

  it('ends with code 1 when a worker fails', async () => {
    const program = await tampered('worker.js', 'openOffsets(job.offsets)', "openOffsets(job.offsets + '/missing/parent')");

    const { code, err } = await start(program).ended;

    expect(err).toMatch(/The demo broke off: a worker failed: .*its parent directory does not exist/);
    expect(code).toBe(1);
  });

  it.skipIf(inject('brokerKind') === 'embedded')('says how to create the topics that a cluster does not have', async () => {
    const [broker] = inject('brokers');
    const orders = `orders-${randomUUID()}`;
    const { code, err } = await run('--brokers', String(broker), '--orders-topic', orders);

    expect(code).toBe(2);
    expect(err).toContain(`kafka-topics.sh --bootstrap-server ${String(broker)} --create --topic ${orders} --partitions 4\n`);
  });

  it.each([
    ['--broker localhost:9092', "Unknown option '--broker'"],
    ['--brokers localhost', '--brokers takes host:port'],
    ['--orders-topic a/b', '"a/b" is no name of a topic'],
    ['--orders-topic same --invoices-topic same', 'need a topic each'],
    ['now', "Unexpected argument 'now'"],
  ])('refuses %s', async (args, reason) => {
    const { code, out, err } = await run(...args.split(' '));

    expect({ code, out }).toEqual({ code: 2, out: '' });
    expect(err).toContain(reason);
    expect(err).toContain('--help');
  });

  it('explains itself', async () => {
    const { code, out } = await run('--help');

    expect(code).toBe(0);
    expect(out).toContain('npm start -- --brokers localhost:9092');
  });

  it.each(['SIGINT', 'SIGTERM'] as const)('takes its worker along and tidies up at %s', async (signal) => {
    const demo = start(PROGRAM);
    const worker = await heard(demo, /Process (\d+) is at work/);
    demo.child.kill(signal);

    expect(await demo.ended).toMatchObject({ code: signal === 'SIGINT' ? 130 : 143, err: '' });
    expect(isAlive(Number(worker))).toBe(false);
    expect(await readdir(folder)).toEqual([]);
  });

  it('takes its worker along and tidies up when nobody reads what it says', async () => {
    const demo = start(PROGRAM);
    const worker = await heard(demo, /Process (\d+) is at work/);
    demo.child.stdout?.destroy();

    expect(await once(demo.child, 'exit')).toEqual([141, null]);
    expect(isAlive(Number(worker))).toBe(false);
    expect(await readdir(folder)).toEqual([]);
  });

  it('is not outlived by its worker when it is killed', async () => {
    const demo = start(PROGRAM);
    const worker = await heard(demo, /Process (\d+) is at work/);
    demo.child.kill('SIGKILL');
    await demo.ended;

    await expect.poll(() => isAlive(Number(worker)), { timeout: 10_000 }).toBe(false);
  });
});

describe('its ledger', () => {
  const delivery = (partition: number, offset: number) => ({ topic: 'orders', partition, offset, timestamp: 1 });

  it('counts what was acknowledged against what stands in the log', () => {
    const ledger = new Ledger();
    for (const order of [1, 2, 3, 4]) ledger.produced(order, delivery(0, 10 + order));
    for (const order of [1, 2, 2, 4, 4, 4]) ledger.invoiced(order);

    expect(ledger.totals).toEqual({ produced: 4, processed: 3, repeated: 2, lost: 1 });
  });

  it('takes no invoice for an order that was never acknowledged', () => {
    const ledger = new Ledger();
    ledger.produced(1, delivery(0, 0));
    ledger.invoiced(2);

    expect(ledger.totals).toEqual({ produced: 1, processed: 0, repeated: 0, lost: 1 });
  });

  it('is behind a frontier only when every partition is', () => {
    const ledger = new Ledger();
    ledger.produced(1, delivery(0, 7));
    ledger.produced(2, delivery(1, 3));
    const frontiers = (...offsets: number[]) => offsets.map((offset, partition) => delivery(partition, offset));

    expect(ledger.isBehind([])).toBe(false);
    expect(ledger.isBehind(frontiers(8, 3))).toBe(false);
    expect(ledger.isBehind(frontiers(8, 4))).toBe(true);
  });

  it('shows what was finished beyond the frontier at the kill', () => {
    const ledger = new Ledger();
    for (let order = 0; order < 1_234; order += 1) ledger.produced(order, delivery(2, order));
    const checkpoint = { topic: 'orders', partition: 2, epoch: 1, metadata: '' };

    const shown = statement(ledger, {
      atKill: [{ ...checkpoint, frontier: 500, runs: [510, 520, 600, 605] }],
      atEnd: [{ ...checkpoint, frontier: 1_234, runs: [] }],
    });

    expect(partitions(shown)).toEqual([{ partition: 2, orders: 1_234, end: 1_234, atKill: 500, beyond: 15, frontier: 1_234 }]);
    expect(counts(shown)).toEqual({ produced: 1_234, processed: 0, repeated: 0, lost: 1_234 });
  });
});

interface Demo {
  readonly child: ChildProcess;
  readonly ended: Promise<{ readonly code: number | null; readonly out: string; readonly err: string }>;
}

/** Everything that it makes in the temporary directory is made in `folder`. */
function start(program: string, ...args: string[]): Demo {
  const child = spawn(process.execPath, [program, ...args], {
    env: { ...process.env, TMPDIR: folder },
    stdio: ['ignore', 'pipe', 'pipe'],
  });
  const ended = Promise.all([text(child.stdout), text(child.stderr), once(child, 'exit')]).then(([out, err, [code]]) => {
    return { code: code as number | null, out, err };
  });
  // A test may close an output that nobody needs any more.
  ended.catch(() => undefined);
  return { child, ended };
}

function run(...args: string[]): Demo['ended'] {
  return start(PROGRAM, ...args).ended;
}

/** A copy of the compiled demo, with a fault planted in one of its files. */
async function tampered(file: string, text: string, fault: string): Promise<string> {
  const copy = join(folder, 'tampered');
  await mkdir(copy);
  await cp(join(ROOT, '.build', 'src'), join(copy, 'src'), { recursive: true });
  await cp(join(ROOT, 'package.json'), join(copy, 'package.json'));
  await symlink(join(ROOT, 'node_modules'), join(copy, 'node_modules'));
  const path = join(copy, 'src', 'demo', file);
  const source = await readFile(path, 'utf8');
  expect(source.split(text)).toHaveLength(2);
  await writeFile(
    path,
    source.replace(text, () => fault),
  );
  return join(copy, 'src', 'demo', 'main.js');
}

/** What it says first that matches. */
async function heard({ child }: Demo, pattern: RegExp): Promise<string> {
  let said = '';
  for await (const chunk of on(child.stdout as Readable, 'data')) {
    said += String(chunk[0]);
    const found = pattern.exec(said)?.[1];
    if (found !== undefined) return found;
  }
  throw new Error(`it never said ${String(pattern)}:\n${said}`);
}

function isAlive(pid: number): boolean {
  try {
    return process.kill(pid, 0);
  } catch {
    return false;
  }
}

function number(out: string, pattern: RegExp): number {
  return Number(pattern.exec(out)?.[1]?.replaceAll(',', ''));
}

function counts(out: string): Record<string, number> {
  return Object.fromEntries(
    ['produced', 'processed', 'repeated', 'lost'].map((name) => [name, number(out, new RegExp(`${name} +([\\d,]+)`))]),
  );
}

/** The rows of its table. */
function partitions(out: string) {
  return [...out.matchAll(/^ +(?:[\d,]+ +){5}[\d,]+$/gm)].map(([row]) => {
    const [partition = NaN, orders = NaN, end = NaN, atKill = NaN, beyond = NaN, frontier = NaN] = row
      .trim()
      .split(/ +/)
      .map((cell) => Number(cell.replaceAll(',', '')));
    return { partition, orders, end, atKill, beyond, frontier };
  });
}
