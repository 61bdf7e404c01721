import type { ChildProcessByStdio } from 'node:child_process';
import { fork, spawn } from 'node:child_process';
import { once } from 'node:events';
import { existsSync, readdirSync, statSync, writeFileSync } from 'node:fs';
import { connect, createServer } from 'node:net';
import { join } from 'node:path';
import type { Readable } from 'node:stream';
import { fileURLToPath } from 'node:url';
import { filter, firstValueFrom, of } from 'rxjs';
import { describe, expect, inject, it } from 'vitest';
import type { ServedStats } from '../src/index.js';
import { ClosedError, Kafka, OptionError, StatsUnavailableError, commit, fromTopic, memoryOffsets, serveStats } from '../src/index.js';
import { viewOn } from '../src/cli/top.js';
import { numberedTopic, unique } from './support/numbered.js';
import { temporaryFolder } from './support/temporaryFolder.js';
import { eventually } from './support/eventually.js';

const brokers = inject('brokers');
const PROGRAM = fileURLToPath(new URL('../.build/src/cli/main.js', import.meta.url));
const FINISHES_SOME = fileURLToPath(new URL('../.build/test/programs/finishesSome.js', import.meta.url));

/** `kafka-rx top` as a process that runs. */
function top(...args: readonly string[]) {
  const child: ChildProcessByStdio<null, Readable, Readable> = spawn(process.execPath, [PROGRAM, 'top', ...args], {
    stdio: ['ignore', 'pipe', 'pipe'],
  });
  const said = { out: '', err: '' };
  child.stdout.setEncoding('utf8').on('data', (chunk: string) => (said.out += chunk));
  child.stderr.setEncoding('utf8').on('data', (chunk: string) => (said.err += chunk));
  const ended = once(child, 'close').then(([code]: readonly number[]) => ({ code, ...said }));
  return { child, said, ended };
}

/** A pipeline in a process of its own: every third of its 60 records is finished, the others stay open. */
async function pipeline(folder: string) {
  const { topic } = await numberedTopic(brokers, { records: 60, partitions: 4 });
  const [group, socket] = [unique('billing'), join(folder, 'billing.sock')];
  const child = fork(FINISHES_SOME, [brokers.join(), topic, group, join(folder, 'offsets'), socket]);
  await once(child, 'message');
  return {
    ...{ topic, group, socket, child },
    [Symbol.asyncDispose]: async () => {
      child.kill('SIGKILL');
      if (child.exitCode === null && child.signalCode === null) await once(child, 'exit');
    },
  };
}

async function* lines(path: string): AsyncGenerator<ServedStats> {
  const socket = connect(path);
  let rest = '';
  for await (const chunk of socket.setEncoding('utf8') as AsyncIterable<string>) {
    const whole = (rest + chunk).split('\n');
    rest = whole.pop() ?? '';
    for (const line of whole) yield JSON.parse(line) as ServedStats;
  }
}

describe('kafka-rx top', () => {
  it('shows a pipeline in another process: as lines without a terminal, as JSON, and until it is killed', async () => {
    await using folder = await temporaryFolder();
    await using running = await pipeline(folder.path);
    const live = top(running.socket);
    const { group, topic } = running;
    await eventually(() => {
      expect(live.said.out).toMatch(new RegExp(`source=${group} state=running lag=\\d+ unread=0 open=40 free=4056 .*commit_ms=\\d`));
    });
    const rows = live.said.out.split('\n').filter((line) => line.includes('open=') && line.includes(`partition=${topic}/`));
    expect(new Set(rows.map((row) => /partition=\S+\/(\d)/.exec(row)?.[1]))).toEqual(new Set(['0', '1', '2', '3']));
    expect(live.said.out).not.toContain('\u001b');

    const json = await top(running.socket, '--json', '--count', '2').ended;
    expect(json).toMatchObject({ code: 0, err: '' });
    const samples = json.out
      .trimEnd()
      .split('\n')
      .map((line) => JSON.parse(line) as ServedStats);
    expect(samples).toHaveLength(2);
    expect(samples[1]).toMatchObject({ type: 'source', name: group, totals: { waitingLocal: 40, emitted: 60, finished: 20 } });

    const interrupted = top(running.socket);
    await once(interrupted.child.stdout, 'data');
    interrupted.child.kill('SIGINT');
    expect(await interrupted.ended).toMatchObject({ code: 130, err: '' });

    running.child.kill('SIGKILL');
    expect(await live.ended).toMatchObject({ code: 0, err: 'the pipeline has ended.\n' });
    // What a killed process has left behind answers nobody.
    expect(existsSync(running.socket)).toBe(true);
    const gone = await top(running.socket).ended;
    expect(gone).toMatchObject({ code: 1, out: '' });
    expect(gone.err).toMatch(
      /nobody serves statistics at .*billing\.sock \(ECONNREFUSED\).* call serveStats\(kafka, '.*billing\.sock'\)\?\n$/,
    );
  });

  it.each([
    [[], 2, /top: which socket\?/],
    [['a', 'b'], 2, /"b" is one word too many/],
    [['a', '--count', '0'], 2, /--count takes a whole number from 1 up, not "0"/],
    [['a', '--count', '1e3'], 2, /--count takes/],
    [['a', '--nonsense'], 2, /--nonsense/],
    [['/nowhere/at.sock'], 1, /nobody serves statistics at \/nowhere\/at\.sock \(ENOENT\)/],
  ])('a call that cannot be is refused: %j', async (args, code, reason) => {
    const said = await top(...args).ended;
    expect(said).toMatchObject({ code, out: '' });
    expect(said.err).toMatch(reason);
    expect(said.err).not.toMatch(/\n\s+at /);
  });

  it('says so when what is served is something else, and shows its help', async () => {
    await using folder = await temporaryFolder();
    const path = join(folder.path, 'other.sock');
    for (const greeting of ['hello\n', '{"type":"hello","format":2}\n', '7\n']) {
      const server = createServer((socket) => socket.end(greeting)).listen(path);
      const said = await top(path).ended;
      expect(said).toMatchObject({
        code: 1,
        out: '',
        err: expect.stringMatching(/no statistics that this version .* can read\.\n$/) as string,
      });
      await new Promise((resolve) => server.close(resolve));
    }
    const help = await top('--help').ended;
    expect(help).toMatchObject({ code: 0, err: '' });
    expect(help.out).toMatch(/serveStats\(kafka, '\.\/billing\.sock'\)/);
    expect(Math.max(...help.out.split('\n').map((line) => line.length))).toBeLessThanOrEqual(140);
  });

  it('draws a table on a terminal, of the size that it has by then, and leaves nothing to be put back', async () => {
    const { topic } = await numberedTopic(brokers, { records: 40, partitions: 4 });
    await using folder = await temporaryFolder();
    await using kafka = new Kafka({ brokers });
    const path = join(folder.path, 'table.sock');
    await serveStats(kafka, path);
    const options = { group: unique('t'), offsets: memoryOffsets(), statsEveryMs: 50 };
    const done = fromTopic(kafka, topic, options).pipe(commit()).subscribe();
    const frames: string[] = [];
    const terminal = { isTTY: true, columns: 80, rows: 24, write: (text: string) => frames.push(text) > 0 };
    const show = viewOn(terminal, false);
    for await (const sample of lines(path)) {
      if (sample.type === 'hello') continue;
      show(sample);
      if (sample.type === 'source' && sample.totals.emitted === 40) break;
    }
    done.unsubscribe();
    const last = frames.at(-1) ?? '';
    // eslint-disable-next-line no-control-regex
    const text = last.replaceAll(/\u001b\[(?:2J|H|K|J)/g, '');
    expect(text).not.toContain('\u001b');
    expect(Math.max(...text.split('\n').map((line) => line.length))).toBeLessThanOrEqual(80);
    expect(text).toMatch(/^source +state +lag +open +free +rec\/s +commit +max\n/);
    expect(text).toMatch(/\/3 +\d+ +0 +0 +\d+ +- +0\n/);
  });
});

describe('the statistics that are served', () => {
  it('are sampled only while somebody is there, are for this user alone, and end with the Kafka', async () => {
    const { topic } = await numberedTopic(brokers, { records: 4 });
    await using folder = await temporaryFolder();
    const kafka = new Kafka({ brokers });
    const path = join(folder.path, 'own.sock');
    const server = await serveStats(kafka, path);
    expect(server.path).toBe(path);
    expect(statSync(path).mode & 0o777).toBe(0o600);
    const options = { group: unique('t'), offsets: memoryOffsets(), statsEveryMs: 20, properties: { 'statistics.interval.ms': 20 } };
    const orders$ = fromTopic(kafka, topic, options);
    const done = orders$.pipe(commit()).subscribe();
    const seen: ServedStats[] = [];
    for await (const line of lines(path)) {
      seen.push(line);
      if (line.type === 'source') break;
    }
    expect(seen[0]).toEqual({ type: 'hello', format: 1, pid: process.pid });
    // They are large, and come another way.
    expect(seen[1]).not.toHaveProperty('rdkafkaStats');
    const ended = (async () => {
      let last: ServedStats | undefined;
      for await (const line of lines(path)) last = line;
      return last;
    })();
    await firstValueFrom(orders$.stats$.pipe(filter(({ totals }) => totals.emitted === 4)), { defaultValue: undefined });
    done.unsubscribe();
    await kafka.close();
    await ended;
    expect(readdirSync(folder.path)).toEqual([]);
    await server.close();
    await expect(serveStats(kafka, path)).rejects.toThrow(ClosedError);
    expect(readdirSync(folder.path)).toEqual([]);
  });

  it('are those of the last one who serves at a path, and no file of another kind is touched', async () => {
    await using folder = await temporaryFolder();
    await using kafka = new Kafka({ brokers });
    const path = join(folder.path, 'shared.sock');
    const first = await serveStats(kafka, path);
    await using second = await serveStats(kafka, path);
    await first.close();
    // Not its own any more.
    expect(existsSync(path)).toBe(true);
    for await (const line of lines(path)) {
      expect(line.type).toBe('hello');
      break;
    }
    await second.close();
    expect(readdirSync(folder.path)).toEqual([]);
    const file = join(folder.path, 'data');
    writeFileSync(file, 'precious');
    await expect(serveStats(kafka, file)).rejects.toThrow(StatsUnavailableError);
    expect(statSync(file).size).toBe(8);
    await expect(serveStats(kafka, join(folder.path, 'none', 'x'))).rejects.toThrow(/cannot be served at .*\(E\w+\)\. Choose/);
    await expect(serveStats(kafka, `/${'x'.repeat(100)}`)).rejects.toThrow(OptionError);
    await expect(serveStats(kafka, 7 as never)).rejects.toThrow(OptionError);
    expect(readdirSync(folder.path)).toEqual(['data']);
  });

  it('keep nothing for one who does not read', async () => {
    await using folder = await temporaryFolder();
    await using kafka = new Kafka({ brokers });
    const path = join(folder.path, 'slow.sock');
    await serveStats(kafka, path);
    const samples = 4_000;
    let served = 0;
    const stats = { name: 'x'.repeat(10_000), partitions: [], totals: {} };
    const reader = connect(path);
    await once(reader, 'data');
    reader.pause();
    const before = process.memoryUsage().external;
    const forget = kafka.register({
      kind: 'sink',
      stats$: of(...Array.from({ length: samples }, () => stats as never)).pipe(filter(() => (served += 1) > 0)),
      close: () => Promise.resolve(),
    });
    expect(served).toBe(samples);
    expect(process.memoryUsage().external - before).toBeLessThan(10_000_000);
    forget();
    const closed = kafka.close();
    let got = 0;
    for await (const chunk of reader as AsyncIterable<Buffer>) got += chunk.length;
    await closed;
    expect(got).toBeGreaterThan(0);
    expect(got).toBeLessThan(samples * 10_000 * 0.25);
  });
});
