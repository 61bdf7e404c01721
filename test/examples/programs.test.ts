import { readFile } from 'node:fs/promises';
import { createServer } from 'node:http';
import type { AddressInfo } from 'node:net';
import { join } from 'node:path';
import { text } from 'node:stream/consumers';
import { from, lastValueFrom } from 'rxjs';
import type { ExpectStatic } from 'vitest';
import { describe, inject, it } from 'vitest';
import { createTopic } from '../../broker/index.js';
import type { ProducerRecord } from '../../src/index.js';
import { Kafka, drain, openOffsets, toTopic } from '../../src/index.js';
import { contents } from '../sinks/witness.js';
import { unique } from '../support/numbered.js';
import { temporaryFolder } from '../support/temporaryFolder.js';
import type { Running } from './program.js';
import { installed, started } from './program.js';

const brokers = inject('brokers');
const PATIENCE = { timeout: 50_000, interval: 200 };

/** Runs what `test` says about an example that is installed and has these topics, by the name of the variable that tells it theirs. */
function example(name: string, topics: readonly string[], test: (scene: Scene) => Promise<void>) {
  return async ({ expect }: { readonly expect: ExpectStatic }): Promise<void> => {
    await using folder = await temporaryFolder();
    await using kafka = new Kafka({ brokers });
    const names = Object.fromEntries(topics.map((topic) => [topic, unique(topic.toLowerCase())]));
    await Promise.all(Object.values(names).map((topic) => createTopic(brokers, topic)));
    await installed(name, folder.path);
    await test({
      expect,
      topics: names,
      folder: folder.path,
      start: (env = {}) => started(folder.path, { BROKERS: brokers.join(), ...names, ...env }),
      write: (topic, records) => drain(from(records).pipe(toTopic(kafka, names[topic] as string, (record) => record))),
      read: async (topic) =>
        (await contents(brokers, names[topic] as string)).map(({ key, value }) => [String(key), JSON.parse(String(value)) as unknown]),
    });
  };
}

interface Scene {
  /** Of this very test: they run side by side. */
  readonly expect: ExpectStatic;
  readonly topics: Readonly<Record<string, string>>;
  readonly folder: string;
  readonly start: (env?: Readonly<Record<string, string>>) => Running;
  readonly write: (topic: string, records: readonly ProducerRecord[]) => Promise<void>;
  /** What is in a topic: keys, and values as the JSON that they are. */
  readonly read: (topic: string) => Promise<[key: string, value: unknown][]>;
}

/** What a worker of the cluster makes of an order. */
interface Invoice {
  readonly order: number;
  readonly partition: number;
  readonly slot: number;
}

/** How many records a group has remembered as finished, up to the oldest that is not. */
async function remembered({ folder }: Scene, group: string, store = 'offsets'): Promise<number> {
  await using offsets = openOffsets(join(folder, store));
  const checkpoints = await lastValueFrom(from(offsets.list(group)), { defaultValue: [] });
  return checkpoints.reduce((sum, { frontier }) => sum + frontier, 0);
}

/** A service on a real port: `answer` gets each request's text, and gives the status and the text of the answer. */
async function service(answer: (body: string) => Promise<[status: number, body: string]>): Promise<{ url: string } & AsyncDisposable> {
  const server = createServer((request, response) => {
    void text(request)
      .then(answer)
      .then(([status, body]) => response.writeHead(status).end(body));
  });
  await new Promise<void>((resolve) => server.listen(0, '127.0.0.1', resolve));
  return {
    url: `http://127.0.0.1:${(server.address() as AddressInfo).port}`,
    [Symbol.asyncDispose]: async () => {
      server.closeAllConnections();
      await new Promise((resolve) => server.close(resolve));
    },
  };
}

function numbers(from: number, to: number): ProducerRecord[] {
  return Array.from({ length: to - from }, (_, i) => ({ key: String((from + i) % 7), value: String(from + i) }));
}

const ascending = (one: number, other: number): number => one - other;

describe.concurrent('the examples', () => {
  it(
    'config-stream: orders wait for the first rate, and a new one changes what comes after it',
    example('config-stream', ['ORDERS', 'RATES', 'BILLS'], async (scene) => {
      const { expect, topics, write, read, start } = scene;
      await write('ORDERS', numbers(1, 21));
      await using program = start();
      // The orders are read before there is a rate.
      await expect.poll(() => program.lines().join(), PATIENCE).toContain(topics['ORDERS']);
      await write('RATES', [{ value: '2' }]);
      const bills = async (): Promise<number[]> => (await read('BILLS')).map(([, bill]) => Number(bill)).sort(ascending);
      await expect.poll(bills, PATIENCE).toEqual(Array.from({ length: 20 }, (_, i) => 2 * (i + 1)));

      await write('RATES', [{ value: '1000' }]);
      let orders = 20;
      // One after the other, until one is billed at the new rate: nobody knows which is the first.
      while (!(await bills()).some((bill) => bill >= 1_000)) {
        orders += 1;
        await write('ORDERS', [{ key: 'k', value: '1' }]);
        await expect.poll(async () => (await bills()).length, PATIENCE).toBe(orders);
      }
      expect((await bills()).slice(0, -1).filter((bill) => bill >= 1_000)).toEqual([]);
      expect(await program.end()).toEqual([0, null]);
      expect(await remembered(scene, 'billing')).toBe(orders);
    }),
  );

  it(
    'table-join: an order finds its customer, whichever comes first, and still does so after a restart',
    example('table-join', ['ORDERS', 'CUSTOMERS', 'JOINED'], async (scene) => {
      const { expect, write, read, start } = scene;
      const order = (key: string, item: string): ProducerRecord => ({ key, value: JSON.stringify({ item }) });
      const customer = (key: string, name: string): ProducerRecord => ({ key, value: JSON.stringify({ name }) });
      const joined = async (): Promise<unknown[]> => (await read('JOINED')).map(([key, value]) => ({ key, ...(value as object) }));
      await write('CUSTOMERS', [customer('1', 'Ada'), customer('2', 'Bob')]);
      await write('ORDERS', [order('1', 'tea'), order('3', 'ink')]);
      {
        await using program = start();
        await expect.poll(joined, PATIENCE).toEqual([{ key: '1', item: 'tea', name: 'Ada' }]);
        await write('CUSTOMERS', [customer('3', 'Cyd')]);
        await expect.poll(joined, PATIENCE).toContainEqual({ key: '3', item: 'ink', name: 'Cyd' });
        expect(await program.end()).toEqual([0, null]);
      }
      expect([await remembered(scene, 'customers'), await remembered(scene, 'joining')]).toEqual([3, 2]);
      await using program = start();
      await write('ORDERS', [order('2', 'pen')]);
      await expect.poll(joined, PATIENCE).toContainEqual({ key: '2', item: 'pen', name: 'Bob' });
      expect(await joined()).toHaveLength(3);
      expect(await program.end()).toEqual([0, null]);
    }),
  );

  it(
    'timer-flush: every reading is in one bulk, none of which is too large, and a single one does not wait for others',
    example('timer-flush', ['READINGS'], async (scene) => {
      const { expect, write, start, folder } = scene;
      const bulks = async (): Promise<string[][]> =>
        (await readFile(join(folder, 'bulks.jsonl'), 'utf8').catch(() => ''))
          .split('\n')
          .slice(0, -1)
          .map((line) => JSON.parse(line) as string[]);
      await write('READINGS', numbers(0, 2_000));
      await using program = start();
      await expect.poll(async () => (await bulks()).flat().length, PATIENCE).toBe(2_000);
      await write('READINGS', numbers(2_000, 2_001));
      await expect.poll(async () => (await bulks()).at(-1), PATIENCE).toEqual(['2000']);
      const all = await bulks();
      expect(all.flat().map(Number).sort(ascending)).toEqual(Array.from({ length: 2_001 }, (_, i) => i));
      expect(Math.max(...all.map((bulk) => bulk.length))).toBeLessThanOrEqual(500);
      expect(all.length).toBeLessThan(100);
      expect(await program.end()).toEqual([0, null]);
      expect(await remembered(scene, 'storing')).toBe(2_001);
    }),
  );

  it(
    'circuit-breaker: a service that fails gets no more orders until it is healthy, and none is lost',
    example('circuit-breaker', ['ORDERS', 'LATER'], async (scene) => {
      const { expect, write, start } = scene;
      let isUp = true;
      const probes = { up: 0, down: 0 };
      let refused = 0;
      const charged: number[] = [];
      await using billing = await service((order) => {
        if (order === '') probes[isUp ? 'up' : 'down'] += 1;
        else if (isUp) charged.push(Number(order));
        else refused += 1;
        return Promise.resolve([isUp ? 200 : 503, '']);
      });
      await write('ORDERS', numbers(0, 50));
      await using program = start({ SERVICE: billing.url });
      await expect.poll(() => charged.length, PATIENCE).toBe(50);
      isUp = false;
      await write('ORDERS', numbers(50, 500));
      await expect.poll(() => probes.down, PATIENCE).toBeGreaterThan(5);
      isUp = true;
      await expect.poll(() => charged.length, PATIENCE).toBe(500);
      expect(refused).toBeGreaterThan(0);
      expect(refused).toBeLessThanOrEqual(8);
      expect(await program.end()).toEqual([0, null]);
      expect(charged.sort(ascending)).toEqual(Array.from({ length: 500 }, (_, i) => i));
      expect(await remembered(scene, 'charging')).toBe(500 + refused);
    }),
  );

  it(
    'http-calls: several calls at a time, those of one key in order, and what is declined becomes a letter',
    example('http-calls', ['ORDERS', 'INVOICES', 'DECLINED'], async (scene) => {
      const { expect, write, read, start } = scene;
      let now = 0;
      let most = 0;
      const called: number[] = [];
      await using billing = await service(async (body) => {
        const { id } = JSON.parse(body) as { id: number };
        called.push(id);
        most = Math.max(most, (now += 1));
        await new Promise(setImmediate);
        now -= 1;
        return id % 10 === 9 ? [422, ''] : [200, JSON.stringify({ invoice: id })];
      });
      const orders = numbers(0, 200).map(({ key, value }) => ({ key: key ?? null, value: `{"id":${String(value)}}` }));
      await write('ORDERS', [...orders, { key: 'x', value: 'no JSON' }]);
      await using program = start({ SERVICE: billing.url });
      const invoices = async (): Promise<number[]> => (await read('INVOICES')).map(([, value]) => (value as { invoice: number }).invoice);
      await expect.poll(async () => (await invoices()).length, PATIENCE).toBe(180);
      expect(await program.end()).toEqual([0, null]);

      const ids = Array.from({ length: 200 }, (_, id) => id);
      expect((await invoices()).sort(ascending)).toEqual(ids.filter((id) => id % 10 !== 9));
      for (let key = 0; key < 7; key += 1) {
        expect(called.filter((id) => id % 7 === key)).toEqual(ids.filter((id) => id % 7 === key));
      }
      expect(most).toBeGreaterThan(1);
      expect(most).toBeLessThanOrEqual(8);
      expect(await remembered(scene, 'invoicing')).toBe(201);
    }),
  );

  it(
    'cluster: a worker that is killed is started again with its share, and no order is lost',
    example('cluster', ['ORDERS', 'INVOICES'], async (scene) => {
      const { expect, write, read, start } = scene;
      const slots = [0, 1, 2];
      let written = 0;
      const writeMore = async (records: number): Promise<void> => {
        await write(
          'ORDERS',
          numbers(written, (written += records)).map((order, i) => ({ ...order, partition: i % 4 })),
        );
      };
      const invoices = async (): Promise<Invoice[]> => (await read('INVOICES')).map(([, invoice]) => invoice as Invoice);
      const madeBy = async (slot: number): Promise<number> => (await invoices()).filter((invoice) => invoice.slot === slot).length;
      await using program = start({ WORKERS: String(slots.length) });
      const started = (slot: number): number[] =>
        program
          .lines()
          .map((text) => JSON.parse(text) as { slot: number; pid: number })
          .flatMap((worker) => (worker.slot === slot ? [worker.pid] : []));

      for (const slot of [0, 1, 0, 2]) {
        const made = await madeBy(slot);
        await writeMore(1_200);
        await expect.poll(() => madeBy(slot), PATIENCE).toBeGreaterThan(made);
        const pids = started(slot);
        process.kill(pids.at(-1) as number, 'SIGKILL');
        await expect.poll(() => started(slot).length, PATIENCE).toBe(pids.length + 1);
      }
      await writeMore(1_200);
      const invoiced = async (): Promise<Set<number>> => new Set((await invoices()).map(({ order }) => order));
      await expect.poll(async () => (await invoiced()).size, PATIENCE).toBe(written);
      expect([...(await invoiced())].sort(ascending)).toEqual([...Array(written).keys()]);
      expect((await invoices()).filter(({ partition, slot }) => partition % slots.length !== slot)).toEqual([]);
      expect(await program.end()).toEqual([0, null]);
      let finished = 0;
      for (const slot of slots) finished += await remembered(scene, 'invoicing', `offsets-${slot}`);
      expect(finished).toBe(written);
    }),
  );
});
