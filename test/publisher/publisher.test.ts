import { execFile, spawn } from 'node:child_process';
import { once } from 'node:events';
import { mkdirSync, readFileSync, readdirSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { promisify } from 'node:util';
import { Subject, filter, firstValueFrom, from, take } from 'rxjs';
import { describe, expect, inject, it, onTestFinished } from 'vitest';
import type { PublishOutcome, Publisher, PublisherState, PublisherStats } from '../../src/index.js';
import { DeliveryError, Kafka, OptionError, SpillError, publish, publisher } from '../../src/index.js';
import { embeddedKafka } from '../../src/testing/index.js';
import { collect, failure } from '../sinks/outcome.js';
import { createTopic } from '../../broker/index.js';
import { created, unique } from '../sinks/topics.js';
import { installed } from '../examples/program.js';
import { contents } from '../sinks/witness.js';
import { unmountable } from '../powerLoss/mounted.js';
import { silentPort } from '../support/silentPort.js';
import { temporaryFolder } from '../support/temporaryFolder.js';
import { compiledSpillProgram } from './compiledProgram.js';

const brokers = inject('brokers');
/** The embedded cluster makes every topic that it is asked for. */
const real = inject('brokerKind') !== 'embedded';
/** Kafka is soon taken to be away. */
const quick = { attemptTimeoutMs: 300, probeTimeoutMs: 300, maxBackoffMs: 100, retries: 0 };

async function folder(): Promise<string> {
  const made = await temporaryFolder();
  onTestFinished(() => made[Symbol.asyncDispose]());
  return join(made.path, 'spill');
}

function outcomes(of: Publisher, count: number): Promise<PublishOutcome[]> {
  return collect(of.outcomes$.pipe(take(count)));
}

function reaches(of: Publisher, state: PublisherState): Promise<PublisherState> {
  return firstValueFrom(of.state$.pipe(filter((now) => now === state)), { defaultValue: 'spilling' });
}

describe('publisher', () => {
  it('returns at once, and says of each message where it went', async () => {
    const topic = await created('published', 4);
    await using kafka = new Kafka({ brokers });
    const out = publisher(kafka, { topic, spill: await folder() });
    const told: PublishOutcome[] = [];
    const all = outcomes(out, 5);

    const sent = [
      out.send('a', '1', { onOutcome: (outcome) => told.push(outcome) }),
      out.send(null, Buffer.from('2'), { headers: { trace: 'x' } }),
      out.send(7 as unknown as string, 'v', { onOutcome: (outcome) => told.push(outcome) }),
      out.send('k', undefined as unknown as string),
      out.send('k', 'x'.repeat(1_000_000)),
    ];

    expect(sent.map((result) => (result.accepted ? 'accepted' : `${result.reason}: ${result.error.message}`))).toEqual([
      'accepted',
      'accepted',
      expect.stringMatching(/^invalid: the key of an outgoing record .* is of type number/),
      expect.stringMatching(/^invalid: the value of an outgoing record .* is missing/),
      expect.stringMatching(/^too-large: a message to .* is too large: \d+ bytes, 1000000 are allowed/),
    ]);
    // Those that were not taken are told of before `send` returns.
    expect(told.map(({ where }) => where)).toEqual(['rejected']);
    expect((await all).map(({ where }) => where)).toEqual(['rejected', 'rejected', 'rejected', 'kafka', 'kafka']);
    expect(told[1]).toMatchObject({ where: 'kafka', topic, delivery: { topic, offset: 0 }, replayed: false });
    expect(out.stats()).toMatchObject({
      state: 'kafka',
      accepted: 2,
      delivered: 2,
      rejected: { 'invalid': 2, 'too-large': 1 },
      queued: { messages: 0, bytes: 0 },
    });
    out.resetStats();
    expect(out.stats()).toMatchObject({ accepted: 0, rejected: { invalid: 0 } });
    await kafka.close();
    expect(out.send('k', 'v')).toMatchObject({ accepted: false, reason: 'closed' });
    const found = await contents(brokers, topic);
    expect(found.map(({ value }) => String(value)).toSorted()).toEqual(['1', '2']);
    expect(found.find(({ key }) => key === null)?.headers.map(([name, value]) => [name, String(value)])).toEqual([['trace', 'x']]);
  });

  it('spills while Kafka is away, and the next publisher replays it with the time at which it was sent', async () => {
    const spill = await folder();
    const away = await embeddedKafka({ topics: ['t'] });
    const before = Date.now();
    {
      await using kafka = new Kafka({ brokers: away.brokers });
      const out = publisher(kafka, { topic: 't', spill, ...quick });
      await reaches(out, 'kafka');
      await away.close();
      const first = outcomes(out, 3);
      for (const value of ['1', '2', '3']) out.send('k', value);
      expect((await first).map(({ where }) => where)).toEqual(['disk', 'disk', 'disk']);
      expect(out.stats()).toMatchObject({ state: 'spilling', spilled: 3, onDisk: { records: 3 } });
    }
    const after = Date.now();
    const topic = 't';
    await using back = await embeddedKafka({ topics: [topic] });
    await using kafka = new Kafka({ brokers: back.brokers });
    const out = publisher(kafka, { topic, spill, order: 'key', ...quick });
    const replayed = await outcomes(out, 3);
    expect(replayed.map(({ where, replayed: again }) => [where, again])).toEqual(Array(3).fill(['kafka', true]));
    await reaches(out, 'kafka');
    expect(out.stats()).toMatchObject({ replayed: 3, accepted: 0, onDisk: { records: 0 } });
    const found = await contents(back.brokers, topic);
    expect(found.map(({ value }) => String(value))).toEqual(['1', '2', '3']);
    for (const { timestamp } of found) {
      expect(timestamp).toBeGreaterThanOrEqual(before);
      expect(timestamp).toBeLessThanOrEqual(after);
    }
  });

  it.runIf(real)(
    'keeps messages to a topic that is not there, says so, lets those to others pass, and delivers them when it is made',
    async () => {
      const [topic, missing] = [await created('there', 1), unique('missing')];
      const spill = await folder();
      // None is sent before it is on disk.
      {
        await using silent = await silentPort();
        await using kafka = new Kafka({ brokers: [silent.address] });
        const out = publisher(kafka, { topic, spill, ...quick });
        const all = outcomes(out, 1_300);
        for (let i = 0; i < 1_200; i += 1) out.send(null, `${i}`, { topic: missing });
        for (let i = 0; i < 100; i += 1) out.send(null, `${i}`);
        await all;
      }
      await using kafka = new Kafka({ brokers });
      const troubles: unknown[] = [];
      void kafka.events$.forEach((event) => {
        if (event.type === 'error' && event.client === 'publisher') troubles.push(event.error);
      });
      const out = publisher(kafka, { topic, spill, ...quick, properties: { 'topic.metadata.refresh.interval.ms': 200 } });

      await expect.poll(() => out.stats().replayed).toBe(100);
      expect(out.stats()).toMatchObject({ onDisk: { records: 1_200 }, dropped: { refused: 0, age: 0 } });
      const told = troubles.filter((error) => error instanceof DeliveryError && error.topic === missing);
      expect(told).toHaveLength(1);
      expect(String(told[0])).toContain('check that it exists');

      await createTopic(brokers, missing, { partitions: 1 });
      await expect.poll(() => out.stats().replayed).toBe(1_300);
      expect(await reaches(out, 'kafka')).toBe('kafka');
      const values = (await contents(brokers, missing)).map(({ value }) => Number(value));
      expect(new Set(values).size).toBe(1_200);
      expect(values.length).toBe(1_200);
    },
  );

  it('brings everything to the disk where nobody ever answers, and closes', async () => {
    await using silent = await silentPort();
    const kafka = new Kafka({ brokers: [silent.address] });
    const out = publisher(kafka, { topic: 't', spill: await folder(), ...quick });
    const all = outcomes(out, 100);
    for (let i = 0; i < 100; i += 1) out.send('k', String(i));
    expect(new Set((await all).map(({ where }) => where))).toEqual(new Set(['disk']));
    await kafka.close();
  });

  it('a damaged segment is a SpillError on events$, and the rest is replayed', async () => {
    const topic = await created('damaged', 1);
    const spill = await folder();
    const values = Array.from({ length: 100 }, (_, i) => `value ${i}.`);
    {
      await using silent = await silentPort();
      await using kafka = new Kafka({ brokers: [silent.address] });
      const out = publisher(kafka, { topic, spill, ...quick });
      const all = outcomes(out, values.length);
      for (const value of values) out.send('k', value);
      expect(new Set((await all).map(({ where }) => where))).toEqual(new Set(['disk']));
    }
    const [segment = ''] = readdirSync(spill).filter((name) => name.endsWith('.segment'));
    const bytes = readFileSync(join(spill, segment));
    for (const value of ['value 41.', 'value 70.']) {
      const at = bytes.indexOf(value);
      bytes[at] = (bytes[at] as number) ^ 1;
    }
    writeFileSync(join(spill, segment), bytes);

    await using kafka = new Kafka({ brokers });
    const damage: SpillError[] = [];
    void kafka.events$.forEach((event) => {
      if (event.type === 'error' && event.error instanceof SpillError) damage.push(event.error);
    });
    const out = publisher(kafka, { topic, spill, order: 'key' });
    const rest = await outcomes(out, 98);
    expect(rest.map(({ where, replayed }) => [where, replayed])).toEqual(Array(98).fill(['kafka', true]));
    await out.close();
    expect(damage.map(({ code, reason, records, path }) => ({ code, reason, records, path }))).toEqual([
      { code: 'SPILL', reason: 'damaged', records: 2, path: spill },
    ]);
    expect(out.stats()).toMatchObject({ replayed: 98, dropped: { damaged: 2 }, onDisk: { records: 0 } });
    const found = (await contents(brokers, topic)).map(({ value }) => String(value));
    expect(found).toEqual(values.filter((_, i) => i !== 41 && i !== 70));
    // Somebody may want to look at it.
    expect(readdirSync(spill)).toContain(`${segment}.damaged`);
  });

  it.skipIf(unmountable).each([
    ['full', /^disk: .* took nothing \(ENOSPC.*is lost/],
    ['read-only', /^disk: .* took nothing \(EROFS.*is lost/],
  ])('a disk that is %s is a named event, and the rest goes on', async (mishap, event) => {
    const topic = await created('bad-disk', 1);
    await using silent = await silentPort();
    await using mounted = await temporaryFolder();
    const mount = ['-rm', 'sh', '-c', 'mount -t tmpfs -o size=4m none "$3" && exec "$0" "$@"', process.execPath];
    const program = [compiledSpillProgram('badDisk'), mishap, mounted.path, silent.address, brokers.join(), topic];
    const { stdout } = await promisify(execFile)('unshare', [...mount, ...program]);
    expect(JSON.parse(stdout)).toEqual({
      'before': ['disk'],
      'amid': ['dropped disk'],
      'dropped': 20,
      'after': ['disk'],
      'while Kafka is there': ['kafka'],
      'told': [expect.stringMatching(event) as string],
    });
    const found = (await contents(brokers, topic)).map(({ value }) => String(value).trim());
    const sent = ['before', 'after', 'there'].flatMap((name) => Array.from({ length: 20 }, (_, i) => `${name}${i}`));
    // What Kafka was slow to acknowledge may come twice.
    expect([...new Set(found)].toSorted()).toEqual(sent.toSorted());
  });

  it('serves its statistics as a stream that ends with it', async () => {
    await using kafka = new Kafka({ brokers });
    const out = publisher(kafka, { topic: await created('watched', 4), spill: await folder(), statsEveryMs: 5 });
    const snapshots = collect(out.stats$);
    const delivered = firstValueFrom(out.stats$.pipe(filter((stats) => stats.delivered === 1)), { defaultValue: undefined });
    out.send('k', 'v');
    await delivered;
    await out.close();
    expect((await snapshots).length).toBeGreaterThan(1);
    expect(await collect(out.stats$)).toEqual([]);
  });

  it('takes no wrong option, no directory in use, and no setting that the client does not know', async () => {
    await using kafka = new Kafka({ brokers });
    const spill = await folder();
    const make = (options: object) => () => publisher(kafka, { topic: 't', spill, ...options });
    expect(make({ topic: 'no topic' })).toThrow(OptionError);
    expect(make({ spil: 'x' })).toThrow(/did you mean `spill`/);
    expect(make({ order: 'some' })).toThrow(/`order` must be 'none' or 'key'/);
    expect(make({ properties: { 'no.such': 1 } })).toThrow(expect.objectContaining({ code: 'CLIENT_UNAVAILABLE' }) as Error);
    mkdirSync(spill);
    const out = make({})();
    expect(make({})).toThrow(expect.objectContaining({ code: 'STORE_LOCKED' }) as Error);
    await out.close();
    await make({})().close();
    await kafka.close();
    expect(make({})).toThrow(expect.objectContaining({ code: 'CLOSED' }) as Error);
  });
});

describe('publish', () => {
  it('passes each input on with where it went, in order, and completes when all is known', async () => {
    const topic = await created('operator', 4);
    await using kafka = new Kafka({ brokers });
    const out = publisher(kafka, { topic, spill: await folder() });
    const inputs = ['a', undefined, 'b'];
    const seen = await collect(from(inputs).pipe(publish(out, (value) => ({ key: 'k', value: value as string }))));
    expect(seen.map(({ input, where }) => [input, where])).toEqual([
      ['a', 'kafka'],
      [undefined, 'rejected'],
      ['b', 'kafka'],
    ]);
  });

  it('errors with what the functions throw, leaves the publisher open, and stops with its subscriber', async () => {
    await using kafka = new Kafka({ brokers });
    const out = publisher(kafka, { topic: await created('throws', 4), spill: await folder() });
    const thrown = new Error('of the caller');
    const to = (): never => {
      throw thrown;
    };
    expect(await failure(from([1]).pipe(publish(out, to)))).toBe(thrown);
    expect(await failure(from([1]).pipe(publish(out, () => ({ value: 'v' }), { result: to })))).toBe(thrown);
    expect(() => publish({} as unknown as Publisher)).toThrow(OptionError);
    const source$ = new Subject<number>();
    source$
      .pipe(publish(out, () => ({ value: 'v' })))
      .subscribe()
      .unsubscribe();
    expect(source$.observed).toBe(false);
    expect(out.send('k', 'v')).toEqual({ accepted: true });
  });
});

describe('examples/publisher', () => {
  it('answers at once, serves statistics over HTTP, and ends when it is asked to', async () => {
    const topic = await created('example', 4);
    const home = await folder();
    await installed('publisher', home);
    const env = { ...process.env, BROKERS: brokers.join(), TOPIC: topic, SPILL: await folder(), PORT: '0' };
    const child = spawn(process.execPath, ['main.js'], { cwd: home, env, stdio: ['ignore', 'pipe', 'inherit'] });
    onTestFinished(() => {
      child.kill('SIGKILL');
    });
    const [said] = (await once(child.stdout, 'data')) as [Buffer];
    const at = `http://127.0.0.1:${(JSON.parse(said.toString()) as { port: number }).port}`;
    const statistics = async (method = 'GET'): Promise<PublisherStats> =>
      (await (await fetch(`${at}/statistics`, { method })).json()) as PublisherStats;

    expect((await fetch(`${at}/cpu`, { method: 'POST', body: '{"load":0.3}' })).status).toBe(202);
    expect((await fetch(`${at}/cpu`, { method: 'POST', body: 'x'.repeat(1_000_001) })).status).toBe(400);
    await expect.poll(statistics).toMatchObject({ accepted: 1, delivered: 1, rejected: { 'too-large': 1 } });
    expect((await fetch(`${at}/health`)).status).toBe(200);
    expect(await statistics('DELETE')).toMatchObject({ accepted: 0, delivered: 0 });
    child.kill('SIGTERM');
    expect(await once(child, 'exit')).toEqual([0, null]);
    expect((await contents(brokers, topic)).map(({ key, value }) => [String(key), String(value)])).toEqual([['cpu', '{"load":0.3}']]);
  });
});
