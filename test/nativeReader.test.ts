import { execFile } from 'node:child_process';
import { cp, mkdir, readFile, readdir, rm, symlink, writeFile } from 'node:fs/promises';
import { createRequire } from 'node:module';
import { setImmediate as nextTurn } from 'node:timers/promises';
import { fileURLToPath } from 'node:url';
import { promisify } from 'node:util';
import { setFlagsFromString } from 'node:v8';
import { runInNewContext } from 'node:vm';
import type * as RdKafka from 'node-rdkafka';
import { from } from 'rxjs';
import { afterEach, beforeEach, describe, expect, inject, it, vi } from 'vitest';
import { createTopic } from '../broker/index.js';
import { addon } from '../src/addon.js';
import { Kafka, drain, toTopic } from '../src/index.js';
import type { KafkaRecord } from '../src/record.js';
import { chooseReader } from '../src/sources/chooseReader.js';
import { numberedTopic, unique } from './support/numbered.js';
import { RawConsumer } from './support/rawConsumer.js';
import type { RawRecord } from './support/rawRecords.js';
import { writeRaw } from './support/rawRecords.js';
import { temporaryFolder } from './support/temporaryFolder.js';
import { ways } from './support/ways.js';

const brokers = inject('brokers');
const here = (path: string): string => fileURLToPath(new URL(`../${path}`, import.meta.url));
const nodeRdkafka = createRequire(import.meta.url)('node-rdkafka') as typeof RdKafka;
const native = createRequire(import.meta.url)('node-rdkafka/librdkafka') as { KafkaConsumer: { prototype: object } };

const isBuilt = 'addon' in addon();
const QUICK = { 'heartbeat.interval.ms': 300, 'session.timeout.ms': 6_000 };
const ADDON = 'native/build/Release/kafka_rx.node';

async function write(topic: string, partition: number, count: number): Promise<void> {
  await using kafka = new Kafka({ brokers });
  const numbers = Array.from({ length: count }, (_, n) => n);
  await drain(from(numbers).pipe(toTopic(kafka, topic, (n) => ({ value: String(n), partition }))));
}

const upTo = (end: number): number[] => Array.from({ length: end }, (_, offset) => offset);

/** Everything that the format of a record allows, in turns. */
function variety(count: number): RawRecord[] {
  const keys = [null, Buffer.alloc(0), Buffer.from('key'), Buffer.from([0, 255, 254, 65])];
  const values = [null, Buffer.alloc(0), Buffer.from('value'), Buffer.alloc(3_000, 'ä'), Buffer.from([0, 0, 255])];
  const headers: RawRecord['headers'][] = [
    [],
    [['trace', Buffer.from([0, 255, 254, 0])]],
    [
      ['twice', Buffer.from('1')],
      ['twice', Buffer.from('2')],
      ['', Buffer.alloc(0)],
    ],
    [['größe ✓', Buffer.from('x')]],
    [['__proto__', Buffer.from('x')]],
    [],
    [['none', null]],
  ];
  return Array.from({ length: count }, (_, n) => ({
    key: keys[n % keys.length] as Buffer | null,
    value: values[n % values.length] as Buffer | null,
    headers: headers[n % headers.length] as RawRecord['headers'],
    timestamp: 1_700_000_000_000 + 7 * n,
  }));
}

// Whatever was asked for: these tests are about the choice.
beforeEach(() => {
  vi.stubEnv('KAFKA_RX_READER', undefined);
});
afterEach(() => {
  vi.unstubAllEnvs();
});

it.runIf(process.platform === 'linux' && process.env['CI'] !== undefined)('the native reader is built where this is built', () => {
  expect(addon()).toHaveProperty('addon');
});

describe.runIf(isBuilt)('the native reader', () => {
  it('is what a source gets', () => {
    const kafka = new Kafka({ brokers });
    const notices: unknown[] = [];
    void kafka.events$.forEach((event) => notices.push(event));
    let consumed = 0;
    const client = new nodeRdkafka.KafkaConsumer({ 'group.id': 'g' }, {}).getClient() as { consume: () => void };
    client.consume = () => (consumed += 1);
    chooseReader(kafka, client).read(1, 0, () => undefined);
    expect([consumed, notices]).toEqual([0, []]);
    vi.stubEnv('KAFKA_RX_READER', 'plain');
    chooseReader(kafka, client).read(1, 0, () => undefined);
    expect([consumed, notices]).toEqual([1, []]);
  });

  it('touches no object that is not of a consumer of node-rdkafka', () => {
    const found = addon();
    if (!('addon' in found)) throw new Error(found.reason);
    class KafkaConsumer {
      readonly consume = undefined;
    }
    const strangers = [
      undefined,
      7,
      'x',
      {},
      new Map(),
      new KafkaConsumer(),
      Object.create(native.KafkaConsumer.prototype) as object,
      new nodeRdkafka.Producer({}).getClient() as object,
      new nodeRdkafka.KafkaConsumer({ 'group.id': 'g' }, {}),
    ];
    for (const stranger of strangers) {
      expect(found.addon.accepts(stranger)).toBe(false);
      expect(() => {
        found.addon.read(stranger as object, 1, 1, 0, () => undefined);
      }).toThrow(TypeError);
    }
    expect(found.addon.accepts(new nodeRdkafka.KafkaConsumer({ 'group.id': 'g' }, {}).getClient())).toBe(true);
  });

  it("leaves another client's consumer to its own `consume`, with one notice per cluster", () => {
    const kafka = new Kafka({ brokers });
    const notices: unknown[] = [];
    void kafka.events$.forEach((event) => notices.push(event));
    let consumed = 0;
    const stranger = { consume: () => (consumed += 1) };
    for (let i = 0; i < 2; i += 1) chooseReader(kafka, stranger).read(1, 0, () => undefined);
    expect(consumed).toBe(2);
    expect(notices).toEqual([{ type: 'notice', message: expect.stringContaining("the consumer is not node-rdkafka's own") as string }]);
  });

  it('says that a client is not connected', async () => {
    const found = addon();
    if (!('addon' in found)) throw new Error(found.reason);
    const client = new nodeRdkafka.KafkaConsumer({ 'group.id': 'g' }, {}).getClient() as object;
    const row = await new Promise<unknown>((resolve) => {
      found.addon.read(client, 10, 1_000, 0, (rows, _texts, columns, bytes) => {
        resolve([rows, ...new Int32Array(columns, 16, 4), Buffer.from(bytes).toString()]);
      });
    });
    expect(row).toEqual([1, -1, -1, -1, -172, 'the client is not connected']);
  });

  it('tells V8 of the memory that its records hold', async () => {
    const before = external();
    /** Memory is given back a turn after it was collected. */
    const untilFree = async (): Promise<void> => {
      while (external() - before > 1_000_000) await new Promise(setImmediate);
    };
    const { topic } = await numberedTopic(brokers, { records: 2_000, partitions: 4, bytes: 10_000 });
    await using raw = await RawConsumer.open(brokers, 'native', { 'group.id': unique('memory') });
    raw.consumer.assign([0, 1, 2, 3].map((partition) => ({ topic, partition, offset: 0 })));
    await untilFree();
    await raw.readUntil(() => raw.records.length === 2_000);
    expect(external() - before).toBeGreaterThan(10_000_000);
    // No batch holds more than its bound and one record.
    const sizes = raw.records.map(({ value }) => value?.buffer.byteLength ?? 0);
    expect(Math.max(...sizes)).toBeLessThanOrEqual(4_194_304 + 10_000);

    raw.records.length = 0;
    await untilFree();
  });

  it('keeps an error that comes in one read with records, and the records', { timeout: 120_000 }, async () => {
    const { topic } = await numberedTopic(brokers, { records: 20, partitions: 2 });
    const group = unique('error');
    // Both in one read is likely, but never sure.
    for (let together = 0; together < 5;) {
      await using raw = await RawConsumer.open(brokers, 'native', { 'group.id': group });
      raw.consumer.assign([
        { topic, partition: 0, offset: 0 },
        { topic, partition: 1, offset: 1_000 },
      ]);
      // Fetched is more than read.
      while (end(raw, topic) !== 10) await new Promise(setImmediate);
      await raw.readUntil(() => raw.errors.length > 0 && raw.records.length === 10);
      expect(raw.errors).toMatchObject([{ code: -140 }]);
      expect(raw.offsets(0)).toEqual(upTo(10));
      if (raw.withError > 0) together += 1;
    }
  });

  it('lets a disconnect wait for the read in flight', async () => {
    const { topic } = await numberedTopic(brokers, { records: 20_000, partitions: 4 });
    for (let i = 0; i < 20; i += 1) {
      const raw = await RawConsumer.open(brokers, 'native', { 'group.id': unique('leaves') });
      raw.consumer.assign([0, 1, 2, 3].map((partition) => ({ topic, partition, offset: 0 })));
      await raw.readUntil(() => raw.records.length > 500 * i);
      const read = raw.readOnce(i % 2 === 0 ? 0 : 100);
      const left = new Promise<void>((resolve) => {
        raw.consumer.disconnect(() => {
          resolve();
        });
      });
      // Of a client that did not wait, the read would take the process with it. Which of the two is told of first is up to the threads.
      await Promise.all([read, left]);
      // One that came too late for the client was told so, and nothing else.
      expect(raw.errors.filter(({ code }) => code !== -172)).toEqual([]);
      // After that there is nobody to ask.
      await raw.readOnce();
      expect(raw.errors.at(-1)?.code).toBe(-172);
    }
  });

  it('has a read that waits come back when it is woken, early or late, and keeps what it has', async () => {
    const { topic } = await numberedTopic(brokers, { records: 10, partitions: 1 });
    const raw = await RawConsumer.open(brokers, 'native', { 'group.id': unique('wakes') });
    raw.consumer.assign([{ topic, partition: 0, offset: 0 }]);
    for (const turnsBefore of [0, 1, 50]) {
      // Longer than a test may take.
      const read = (async () => {
        for (let reads = 0; reads < 20 || raw.records.length < 10; reads += 1) await raw.readOnce(600_000);
      })();
      const over = new AbortController();
      void read.then(() => {
        over.abort();
      });
      for (let turn = 0; turn < turnsBefore; turn += 1) await nextTurn();
      while (!over.signal.aborted) {
        raw.wake();
        await nextTurn();
      }
    }
    expect(raw.offsets(0)).toEqual([0, 1, 2, 3, 4, 5, 6, 7, 8, 9]);
    const disconnected = new Promise((resolve) => raw.consumer.disconnect(resolve));
    raw.wake();
    await disconnected;
    raw.wake();
  });

  it('lets a process exit in the middle of a read', async () => {
    const { topic } = await numberedTopic(brokers, { records: 20_000, partitions: 4 });
    for (let i = 0; i < 3; i += 1) {
      const args = [here('.build/test/programs/exitsWhileReading.js'), brokers.join(), topic, unique('exits')];
      const ended = promisify(execFile)(process.execPath, args);
      await expect(ended).rejects.toMatchObject({ code: 7, signal: null });
    }
  });
});

describe.runIf(inject('brokerKind') !== 'embedded')('both ways to read', () => {
  it.runIf(isBuilt)('give the same records, whatever their format allows', async () => {
    const topic = unique('variety');
    await createTopic(brokers, topic, { partitions: 1, config: { 'retention.ms': '-1' } });
    const written = variety(1_400);
    await writeRaw(brokers[0] as string, topic, 0, written);

    const [one, other] = await Promise.all(
      ways.map(async (path) => {
        await using raw = await RawConsumer.open(brokers, path, { 'group.id': unique('variety') });
        raw.consumer.assign([{ topic, partition: 0, offset: 0 }]);
        await raw.readUntil(() => raw.records.length === written.length);
        return raw.records.map((record) => ({ ...record }));
      }),
    );
    expect(one).toMatchObject(written.map((record, offset) => ({ ...record, topic, partition: 0, offset })));
    // node-rdkafka has no headers without a value: it takes them for empty. Who set the time, and the epoch of the leader, it does not say.
    expect(other).toEqual(one?.map(withoutNullHeaders).map((record) => ({ ...record, timestampType: undefined, leaderEpoch: undefined })));
  });

  it.each(ways)('%s: the addon alone is told who set the time, and under which epoch of the leader', async (path) => {
    for (const type of ['CreateTime', 'LogAppendTime'] as const) {
      const topic = unique(type);
      await createTopic(brokers, topic, { partitions: 1, config: { 'message.timestamp.type': type, 'retention.ms': '-1' } });
      const written = variety(10);
      await writeRaw(brokers[0] as string, topic, 0, written);
      await using raw = await RawConsumer.open(brokers, path, { 'group.id': unique(type) });
      raw.consumer.assign([{ topic, partition: 0, offset: 0 }]);
      await raw.readUntil(() => raw.records.length === 10);
      const told = path === 'native' ? [type, 0] : [undefined, undefined];
      for (const [n, { timestamp, timestampType, leaderEpoch }] of raw.records.entries()) {
        expect([timestampType, leaderEpoch]).toEqual(told);
        expect(timestamp === written[n]?.timestamp).toBe(type === 'CreateTime');
      }
    }
  });

  describe.each(ways)('%s, where the ends of partitions are told', (path) => {
    it('deliver the first record after a pause at the end', async () => {
      const { topic } = await numberedTopic(brokers, { records: 10, partitions: 1 });
      await using raw = await RawConsumer.open(brokers, path, { 'group.id': unique('paused'), 'enable.partition.eof': true });
      const partition = { topic, partition: 0 };
      raw.consumer.assign([{ ...partition, offset: 0 }]);
      await raw.readUntil(() => raw.records.length === 10 && raw.ends > 0);
      raw.consumer.pause([partition]);
      raw.consumer.resume([partition]);
      await write(topic, 0, 3);
      await raw.readUntil(() => raw.records.length === 13);
      expect(raw.offsets(0)).toEqual(upTo(13));
      expect(raw.consumer.position([partition])).toMatchObject([{ offset: 13 }]);
    });

    it('read nothing again of partitions that stay through a cooperative rebalance', async () => {
      const { topic } = await numberedTopic(brokers, { records: 400, partitions: 4 });
      const settings = {
        ...QUICK,
        'group.id': unique('stays'),
        'enable.partition.eof': true,
        'partition.assignment.strategy': 'cooperative-sticky',
        'rebalance_cb': true,
        'auto.offset.reset': 'earliest',
      };
      await using first = await RawConsumer.open(brokers, path, settings);
      first.consumer.subscribe([topic]);
      await first.readUntil(() => first.records.length === 400 && first.ends >= 4);
      await using second = await RawConsumer.open(brokers, path, settings);
      second.consumer.subscribe([topic]);
      // The newcomer has nothing committed to go on from.
      const both = async (met: () => boolean): Promise<void> => {
        await Promise.all([first.readUntil(met), second.readUntil(met)]);
      };
      await both(() => second.records.length >= 200);
      for (const partition of [0, 1, 2, 3]) await write(topic, partition, 5);
      await both(() => first.records.length + second.records.length >= 400 + 200 + 20);

      const theirs = new Set(second.records.map(({ partition }) => partition));
      expect(theirs.size).toBe(2);
      for (const partition of [0, 1, 2, 3]) {
        const owner = theirs.has(partition) ? second : first;
        expect(owner.offsets(partition)).toEqual(upTo(105));
      }
    });
  });
});

describe('where the native reader cannot be used', () => {
  const cases: readonly [
    what: string,
    change: readonly [from: string, to: string] | undefined,
    notice: RegExp | undefined,
    more?: string,
  ][] = [
    ['was not built', undefined, /Cannot find module .*kafka_rx\.node/],
    ['was built for another node-rdkafka', ['v3.6.1', 'v3.6.0'], /it was built for node-rdkafka v3\.6\.0, and v3\.6\.1 is installed/],
    ['was built from other sources', ['v3.6.1', 'v3.6.1'], /it was built from other sources/, '// One line more.'],
    ['is there and fits, there is no notice', ['v3.6.1', 'v3.6.1'], undefined],
  ];
  // Without one there is none to be changed.
  it.each(isBuilt ? cases : cases.slice(0, 1))('because it %s', async (_what, change, notice, more = '') => {
    const { topic } = await numberedTopic(brokers, { records: 10, partitions: 4 });
    await using folder = await temporaryFolder();
    const inFolder = (path: string): string => `${folder.path}/${path}`;
    await mkdir(inFolder('native/build/Release'), { recursive: true });
    await cp(here('.build/src'), inFolder('src'), { recursive: true });
    await mkdir(inFolder('test/programs'), { recursive: true });
    await cp(here('.build/test/programs/readsTwice.js'), inFolder('test/programs/readsTwice.js'));
    await cp(here('package.json'), inFolder('package.json'));
    await symlink(here('node_modules'), inFolder('node_modules'));
    if (change === undefined) await rm(inFolder('native'), { recursive: true });
    else await writeFile(inFolder(ADDON), replaced(await readFile(here(ADDON)), ...change));
    if (change !== undefined) {
      for (const file of (await readdir(here('native'))).filter((name) => /\.(cc|h)$/.test(name))) {
        await writeFile(
          inFolder(`native/${file}`),
          `${await readFile(here(`native/${file}`), 'utf8')}${file === 'producer.cc' ? more : ''}`,
        );
      }
    }

    const args = [inFolder('test/programs/readsTwice.js'), brokers.join(), topic, unique('fallback')];
    const { stdout } = await promisify(execFile)(process.execPath, args);
    const { notices, offsets } = JSON.parse(stdout) as { notices: string[]; offsets: number[] };
    expect(offsets).toHaveLength(20);
    if (notice === undefined) expect(notices).toEqual([]);
    else expect(notices).toEqual([expect.stringMatching(notice)]);
  });
});

/** What V8 has been told of, after a collection. */
function external(): number {
  setFlagsFromString('--expose-gc');
  (runInNewContext('gc') as () => void)();
  return process.memoryUsage().external;
}

function end({ consumer }: RawConsumer, topic: string): number {
  try {
    return consumer.getWatermarkOffsets(topic, 0).highOffset;
  } catch {
    return -1;
  }
}

function withoutNullHeaders(record: KafkaRecord): KafkaRecord {
  return { ...record, headers: record.headers.map(([name, value]) => [name, value ?? Buffer.alloc(0)] as const) };
}

/** A built addon with another text of the same length in it. */
function replaced(built: Buffer, from: string, to: string): Buffer {
  expect(built.includes(`${from}\0`)).toBe(true);
  return Buffer.from(built.toString('latin1').replaceAll(`${from}\0`, `${to}\0`), 'latin1');
}
