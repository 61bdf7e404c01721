import { spawn } from 'node:child_process';
import { generateKeyPairSync } from 'node:crypto';
import { once } from 'node:events';
import { join } from 'node:path';
import { text } from 'node:stream/consumers';
import { fileURLToPath } from 'node:url';
import { of } from 'rxjs';
import { beforeAll, describe, expect, inject, it } from 'vitest';
import { Kafka, drain, toTopic } from '../src/index.js';
import type { Canaries, ErrorPathsOptions } from './programs/errorPaths.js';
import { created, unique } from './sinks/topics.js';
import { canary, sightings } from './support/canary.js';
import { silentPort } from './support/silentPort.js';
import { temporaryFolder } from './support/temporaryFolder.js';

const brokers = inject('brokers');
const guarded = inject('guarded');

interface Run {
  readonly code: number;
  readonly out: string;
  readonly err: string;
}

function run(program: string, ...args: readonly string[]): Promise<Run> {
  return runWith('', program, ...args);
}

/** With this as its input. */
async function runWith(input: string, program: string, ...args: readonly string[]): Promise<Run> {
  const child = spawn(process.execPath, [fileURLToPath(new URL(`../.build/${program}.js`, import.meta.url)), ...args], {
    // Each client that waits holds a thread.
    env: { ...process.env, UV_THREADPOOL_SIZE: '64' },
  });
  child.stdin.end(input);
  const [out, err, [code]] = await Promise.all([text(child.stdout), text(child.stderr), once(child, 'exit') as Promise<[number]>]);
  return { code, out, err };
}

function secrets(): { readonly canaries: Canaries; readonly words: Readonly<Record<string, string>> } {
  const { privateKey } = generateKeyPairSync('rsa', {
    modulusLength: 2_048,
    publicKeyEncoding: { type: 'spki', format: 'pem' },
    privateKeyEncoding: { type: 'pkcs8', format: 'pem', cipher: 'aes-256-cbc', passphrase: 'another one' },
  });
  const texts = { password: canary(), keyPassword: canary(), payload: canary() };
  const canaries = { ...texts, key: privateKey };
  // The first lines say what it is, and are those of every key.
  const lines = privateKey.split('\n').slice(4, -2);
  return { canaries, words: { ...texts, ...Object.fromEntries(lines.map((line, i) => [`line ${i} of the key`, line])) } };
}

/** An address at which nobody listens. */
async function nobody(): Promise<string> {
  await using port = await silentPort();
  return port.address;
}

// An embedded cluster cannot refuse.
describe.runIf(guarded.length > 0)('secrets and payloads', () => {
  const { canaries, words } = secrets();
  let options: Omit<ErrorPathsOptions, 'silent' | 'folder' | 'planted'>;
  beforeAll(async () => {
    const [topic, empty] = [await created('canary', 1), await created('empty', 1)];
    const narrow = await created('narrow', 1, { 'max.message.bytes': '1000' });
    await using kafka = new Kafka({ brokers });
    const { payload } = canaries;
    await drain(of(payload).pipe(toTopic(kafka, topic, (value) => ({ key: value, value, headers: { h: payload } }))));
    options = { brokers, guarded, nobody: await nobody(), topic, stateGroup: unique('state'), narrow, empty, canaries };
  });

  async function errorPaths(folder: string, planted: ErrorPathsOptions['planted']): Promise<Run> {
    await using silent = await silentPort();
    return await run('test/programs/errorPaths', JSON.stringify({ ...options, silent: silent.address, folder, planted }));
  }

  it('are in no event, no line of log, no error, and nothing that is printed, on any path that ends with an error', async () => {
    await using folder = await temporaryFolder();
    const { code, out, err } = await errorPaths(folder.path, 'none');
    const store = join(folder.path, 'offsets');
    const { payload } = canaries;
    const group = ['--group', options.stateGroup];
    const one = [...group, '--topic', options.topic, '--partition', '0'];
    const line = { group: 'g', topic: 't', partition: 0, frontier: 1, runs: [], metadata: payload };
    const lines = [
      `{${payload}`,
      payload,
      ...[{ partition: payload }, { runs: [payload] }, { metadata: [payload] }, { retries: [payload] }, { fingerprint: payload }].map(
        (wrong) => JSON.stringify({ ...line, ...wrong }),
      ),
    ];
    const imported = await Promise.all(
      lines.map((each) => runWith(each, 'src/cli/main', 'offsets', 'import', join(folder.path, 'imported'))),
    );
    const commands = await Promise.all(
      [['show', ...one], ['list'], ['verify'], ['verify', '--json'], ['export']].map(([command = '', ...more]) =>
        run('src/cli/main', 'offsets', command, store, ...more),
      ),
    );
    // Each wants the store for itself.
    commands.push(await run('src/cli/main', 'offsets', 'skip', store, ...one, '--offset', '5'));
    commands.push(await run('src/cli/main', 'offsets', 'reset', store, ...one, '--to', '0'));
    commands.push(...imported);

    expect({ code, err }).toEqual({ code: 0, err: '' });
    const codes = JSON.parse(out.trimEnd().split('\n').at(-1) ?? '') as [string, string][];
    expect(codes.map(([, found]) => found)).toEqual(codes.map(([expected]) => expected));
    expect(commands.some((command) => command.code === 1)).toBe(true);
    expect(imported.map((command) => command.code)).toEqual(lines.map(() => 2));
    for (const { err: said } of imported) expect(said).toContain('line 1 is no checkpoint');
    expect(out.length).toBeGreaterThan(100_000);
    expect(sightings([out, err, ...commands.flatMap((command) => [command.out, command.err])].join('\n'), words)).toEqual([]);
  });

  it.each([
    ['event', /^password, base64/],
    ['thrown', /^payload, bytes of a Buffer/],
    ['stderr', /^keyPassword, as it is/],
  ] as const)('would be seen in a planted leak: %s', async (planted, sighting) => {
    await using folder = await temporaryFolder();
    const { out, err } = await errorPaths(folder.path, planted);
    expect(sightings(out + err, words)).toContainEqual(expect.stringMatching(sighting));
  });
});
