import { spawn } from 'node:child_process';
import { once } from 'node:events';
import { chmod, mkdir, mkdtemp, readdir, rm, writeFile } from 'node:fs/promises';
import { connect } from 'node:net';
import { tmpdir } from 'node:os';
import { delimiter, join } from 'node:path';
import { fileURLToPath } from 'node:url';
import { afterEach, beforeEach, describe, expect, it, vi } from 'vitest';
import { startDockerBroker } from '../broker/docker.js';
import { environmentBroker } from '../broker/environment.js';
import { createTopic, deleteTopic, startBroker, startJvmBroker, type TestBroker } from '../broker/index.js';
import { KAFKA_VERSION, kafkaJars } from '../broker/jars.js';
import { findJava } from '../broker/java.js';
import { askMetadata } from '../broker/metadata.js';
import { embeddedKafka } from '../src/testing/index.js';
import { eventually } from './support/eventually.js';

const LONG = 120_000;
const java = await findJava().then(
  () => true,
  () => false,
);
const docker = await startable();

let folder: string;
const open: { close(): Promise<void> }[] = [];

beforeEach(async () => {
  folder = await mkdtemp(join(tmpdir(), 'kafka-rx-test-'));
  vi.stubEnv('KAFKA_BROKERS', undefined);
  vi.stubEnv('KAFKA_RX_BROKER', undefined);
});

afterEach(async () => {
  vi.unstubAllEnvs();
  vi.restoreAllMocks();
  await Promise.all(open.splice(0).map((one) => one.close()));
  await rm(folder, { recursive: true, force: true });
});

describe('startBroker', () => {
  it('takes the cluster that KAFKA_BROKERS names before any other, and leaves it alone at close', async () => {
    const cluster = closedLater(await embeddedKafka({ brokers: 2 }));
    vi.stubEnv('KAFKA_BROKERS', ` ${cluster.brokers.join(' , ')},`);

    const broker = await startBroker();

    expect(broker).toMatchObject({ kind: 'environment', brokers: cluster.brokers });
    await broker.close();
    await expect(askMetadata(cluster.brokers, { timeoutMs: 10_000 })).resolves.toHaveProperty('brokers.length', 2);
  });

  it('replaces no named cluster that does not answer', async () => {
    vi.stubEnv('KAFKA_BROKERS', await addressOfNobody());

    await expect(environmentBroker({ patienceMs: 200 })).rejects.toThrow(/KAFKA_BROKERS names 127\.0\.0\.1:\d+, which did not answer/);
  });

  it('starts exactly the kind that `only` or KAFKA_RX_BROKER names', async () => {
    quietly();
    const cluster = closedLater(await embeddedKafka());
    vi.stubEnv('KAFKA_BROKERS', cluster.brokers.join(','));

    expect(closedLater(await startBroker({ only: 'embedded' }))).toMatchObject({ kind: 'embedded' });
    vi.stubEnv('KAFKA_RX_BROKER', 'embedded');
    expect(closedLater(await startBroker())).toMatchObject({ kind: 'embedded' });
    expect(closedLater(await startBroker({ only: 'environment' }))).toMatchObject({ kind: 'environment' });
  });

  it('fails, and takes no other kind, when the one that was asked for cannot be had', async () => {
    await expect(startBroker({ only: 'environment' })).rejects.toThrow('KAFKA_BROKERS is not set');

    vi.stubEnv('JAVA_HOME', folder);
    await expect(startBroker({ only: 'jvm' })).rejects.toThrow('no usable Java in JAVA_HOME');

    vi.stubEnv('KAFKA_RX_BROKER', 'cloud');
    await expect(startBroker()).rejects.toThrow('KAFKA_RX_BROKER is "cloud"; it can be environment, docker, jvm, embedded.');
  });

  it('never passes the embedded cluster off as a real broker', async () => {
    await expect(startBroker({ only: 'embedded', requireReal: true })).rejects.toThrow('only a real Kafka broker will do');
  });

  it.skipIf(docker)('finds out that there is no Docker', async () => {
    await expect(startDockerBroker()).rejects.toThrow('no Docker engine answered');
    await expect(startBroker({ only: 'docker' })).rejects.toThrow('no Docker engine answered');
  });

  it.skipIf(docker)(
    'ends with the embedded cluster, and says loudly what is not covered and why, or fails if that will not do',
    async () => {
      const written = quietly();
      vi.stubEnv('JAVA_HOME', folder);

      expect(closedLater(await startBroker())).toMatchObject({ kind: 'embedded' });

      const said = written.mock.calls.join('\n');
      expect(said).toMatch(/NO REAL KAFKA.*Not covered: retention.*- docker: no Docker engine.*- jvm: no usable Java/s);
      await expect(startBroker({ requireReal: true })).rejects.toThrow(
        /No real Kafka.*KAFKA_BROKERS.*- docker: no Docker.*- jvm: no usable Java/s,
      );
    },
  );
});

describe('topics of the embedded cluster', () => {
  it('have 4 partitions, no settings and no end, and anything else is refused', async () => {
    const { brokers } = closedLater(await embeddedKafka({ topics: ['there'] }));

    await createTopic(brokers, 'orders');

    await expect(createTopic(brokers, 'three', { partitions: 3 })).rejects.toThrow('"three" needs a real broker');
    await expect(createTopic(brokers, 'compacted', { config: { 'cleanup.policy': 'compact' } })).rejects.toThrow(
      '"compacted" needs a real broker',
    );
    await expect(deleteTopic(brokers, 'orders')).rejects.toThrow('"orders" needs a real broker');
    expect(await partitions(brokers)).toEqual({ orders: 4, there: 4 });
  });

  it('are refused by embeddedKafka when no broker would take the name, like any other option that makes no sense', async () => {
    await expect(embeddedKafka({ topics: ['no spaces'] })).rejects.toThrow('cannot create the topic "no spaces"');
    await expect(embeddedKafka({ brokers: 0 })).rejects.toThrow('needs a whole number of brokers, 1 or more, not 0');
    await expect(embeddedKafka({ partitions: 8 } as object)).rejects.toThrow('has no option "partitions"');
  });

  it('are gone when the cluster is closed, once or twice', async () => {
    const cluster = await embeddedKafka({ topics: ['orders'] });
    const closing = cluster.close();

    expect(cluster.close()).toBe(closing);
    await closing;
    expect(await isOpen(cluster.brokers[0])).toBe(false);
  });
});

describe('a local JVM that cannot be had', () => {
  it('is refused when it is too old', async () => {
    await fakeJava('echo \'openjdk version "11.0.2" 2019-01-15\' >&2');

    await expect(startJvmBroker()).rejects.toThrow(/Java 17 or newer is needed; JAVA_HOME \(.*\) has 11/);
  });

  it('gives the last words of a broker that cannot format its storage or ends at once, and leaves no data', async () => {
    vi.stubEnv('TMPDIR', join(folder, 'tmp'));
    await mkdir(join(folder, 'tmp'));
    await fakeJars();

    await fakeJava(`${saysVersion('*StorageTool*')} echo 'no room in here'; exit 7 ;; esac`);
    await expect(startJvmBroker()).rejects.toThrow(/did not start: formatting its storage ended with code 7.*no room in here/s);

    await fakeJava(`${saysVersion('*StorageTool*')} ;; *) echo 'the port is taken'; exit 3 ;; esac`);
    await expect(startJvmBroker()).rejects.toThrow(/did not start: it ended with code 3 before it answered.*the port is taken/s);

    expect(await readdir(join(folder, 'tmp'))).toEqual([]);
  });

  it('says when Maven is missing or fails, and takes nothing half fetched into the cache', async () => {
    quietly();
    vi.stubEnv('XDG_CACHE_HOME', join(folder, 'cache'));
    vi.stubEnv('PATH', join(folder, 'nothing'));
    await expect(kafkaJars()).rejects.toThrow('no `mvn` on the PATH');

    vi.unstubAllEnvs();
    vi.stubEnv('XDG_CACHE_HOME', join(folder, 'cache'));
    await fakeMaven('echo "BUILD FAILURE: no network"; exit 1');
    await expect(kafkaJars()).rejects.toThrow(/Maven could not fetch .*BUILD FAILURE: no network/s);

    expect(await readdir(join(folder, 'cache', 'kafka-rx'))).toEqual([]);
  });

  it('has its jars fetched once, whole, also by two at the same time', async () => {
    quietly();
    vi.stubEnv('XDG_CACHE_HOME', join(folder, 'cache'));
    await fakeMaven('mkdir -p "$out" && touch "$out/a.jar" "$out/kafka_2.13-4.1.0.jar"');

    const [one, other] = await Promise.all([kafkaJars(), kafkaJars()]);
    await fakeMaven('exit 1');

    expect([one, other, await kafkaJars()]).toEqual(Array(3).fill(join(folder, 'cache', 'kafka-rx', `kafka-${KAFKA_VERSION}`)));
    expect(await readdir(one)).toEqual(['a.jar', 'kafka_2.13-4.1.0.jar']);
    expect(await readdir(join(folder, 'cache', 'kafka-rx'))).toEqual([`kafka-${KAFKA_VERSION}`]);
  });
});

describe.runIf(java)('Apache Kafka on a local JVM', () => {
  it('has topics with the partitions and settings that were asked for, and keeps them over a hard restart', { timeout: LONG }, async () => {
    const broker = closedLater(await startJvmBroker());

    await createTopic(broker.brokers, 'three', { partitions: 3, config: { 'cleanup.policy': 'compact' } });
    await createTopic(broker.brokers, 'usual');
    await expect(createTopic(broker.brokers, 'three')).rejects.toThrow(
      'Could not create the topic "three": Topic \'three\' already exists',
    );
    await expect(createTopic(broker.brokers, 'odd', { config: { 'cleanup.policy': 'odd' } })).rejects.toThrow(
      'Could not create the topic "odd"',
    );
    expect(await partitions(broker.brokers)).toEqual({ three: 3, usual: 4 });

    await broker.restart();
    expect(await partitions(broker.brokers)).toEqual({ three: 3, usual: 4 });

    await deleteTopic(broker.brokers, 'three');
    expect(await partitions(broker.brokers)).toEqual({ usual: 4 });

    await broker.close();
    expect(await isOpen(broker.brokers[0])).toBe(false);
    await expect(broker.restart()).rejects.toThrow('was closed');
  });

  it('goes down, with its data, when the process that started it is killed', { timeout: LONG }, async () => {
    const { child, address } = await brokerOfAChild();
    expect(await isOpen(address)).toBe(true);
    expect(await readdir(folder)).not.toEqual([]);

    child.kill('SIGKILL');

    await eventually(async () => {
      expect(await isOpen(address)).toBe(false);
    });
    await eventually(async () => {
      expect(await readdir(folder)).toEqual([]);
    });
  });

  it('goes down, with its data, when the process that started it exits without closing it', { timeout: LONG }, async () => {
    const { child, address } = await brokerOfAChild();

    child.disconnect();

    expect(await once(child, 'exit')).toEqual([0, null]);
    await eventually(async () => {
      expect(await isOpen(address)).toBe(false);
    });
    expect(await readdir(folder)).toEqual([]);
  });
});

function closedLater<T extends { close(): Promise<void> }>(one: T): T {
  open.push(one);
  return one;
}

/** Nobody needs to read notices that a test provokes. */
function quietly() {
  return vi.spyOn(process.stderr, 'write').mockReturnValue(true);
}

async function startable(): Promise<boolean> {
  const { getContainerRuntimeClient } = await import('testcontainers');
  return getContainerRuntimeClient().then(
    () => true,
    () => false,
  );
}

async function partitions(brokers: TestBroker['brokers']): Promise<Record<string, number>> {
  const { topics } = await askMetadata(brokers, { timeoutMs: 10_000 });
  return Object.fromEntries(topics.map((topic) => [topic.name, topic.partitions.length]));
}

async function isOpen(address = ''): Promise<boolean> {
  const [host = '', port] = address.split(':');
  const socket = connect({ host, port: Number(port) });
  return once(socket, 'connect')
    .then(
      () => true,
      () => false,
    )
    .finally(() => socket.destroy());
}

async function addressOfNobody(): Promise<string> {
  const cluster = await embeddedKafka();
  await cluster.close();
  return cluster.brokers.join(',');
}

/** A process that starts a broker in `folder`, tells its address, and stays until it is killed or disconnected. */
async function brokerOfAChild() {
  const script = `
    import { runnerImport } from 'vite';
    const { module } = await runnerImport('./broker/index.ts', { configFile: false, logLevel: 'error' });
    const broker = await module.startJvmBroker();
    process.on('disconnect', () => {}); // Until then, this listener keeps it alive.
    process.send(broker.brokers[0]);
  `;
  const child = spawn(process.execPath, ['--input-type=module', '-e', script], {
    cwd: fileURLToPath(new URL('..', import.meta.url)),
    env: { ...process.env, TMPDIR: folder },
    stdio: ['ignore', 'inherit', 'inherit', 'ipc'],
  });
  open.push({ close: () => Promise.resolve(void child.kill('SIGKILL')) });
  const [address] = (await Promise.race([once(child, 'message'), once(child, 'exit')])) as [string | number];
  if (typeof address !== 'string') throw new Error(`the child ended with code ${String(address)}`);
  return { child, address };
}

async function fakeJava(body: string): Promise<void> {
  await fakeProgram(join(folder, 'home', 'bin', 'java'), body);
  vi.stubEnv('JAVA_HOME', join(folder, 'home'));
}

/** The beginning of a fake java: new enough, and then what it does with arguments that match. */
function saysVersion(pattern: string): string {
  return `case "$*" in -version) echo 'openjdk version "21.0.1"' >&2 ;; ${pattern})`;
}

async function fakeJars(): Promise<void> {
  await mkdir(join(folder, 'cache', 'kafka-rx', `kafka-${KAFKA_VERSION}`), { recursive: true });
  vi.stubEnv('XDG_CACHE_HOME', join(folder, 'cache'));
}

/** In `body`, `$out` is the folder where Maven is to put the jars. */
async function fakeMaven(body: string): Promise<void> {
  const findOut = 'for arg; do case "$arg" in -DoutputDirectory=*) out=${arg#*=} ;; esac; done';
  await fakeProgram(join(folder, 'maven', 'mvn'), `${findOut}\n${body}`);
  vi.stubEnv('PATH', [join(folder, 'maven'), process.env['PATH']].join(delimiter));
}

async function fakeProgram(path: string, body: string): Promise<void> {
  await mkdir(join(path, '..'), { recursive: true });
  await writeFile(path, `#!/bin/sh\n${body}\n`);
  await chmod(path, 0o700);
}
