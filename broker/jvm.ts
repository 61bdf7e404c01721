import { setTimeout } from 'node:timers/promises';
import { mkdtemp, readFile, rm, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import type { TestBroker } from './broker.js';
import { KAFKA_VERSION, kafkaJars } from './jars.js';
import { findJava } from './java.js';
import { freePorts } from './ports.js';
import { untilReady } from './ready.js';
import { newClusterId, singleNode } from './settings.js';
import { startSupervised, type Supervised } from './supervised.js';

/** Who may log in at the guarded listener, with SASL PLAIN and without TLS. */
export const LOGIN = { mechanism: 'PLAIN', username: 'somebody', password: 'a password that is right' } as const;

const description = `Apache Kafka ${KAFKA_VERSION} on a local JVM`;

export interface JvmBroker extends TestBroker {
  readonly kind: 'jvm';
  /** `host:port` of its listener that lets nobody in but `LOGIN`. */
  readonly guarded: readonly string[];
  /** Kills the broker (SIGKILL) and starts it again with the same address and data; resolves when it answers again. */
  restart(options?: { readonly downMs?: number }): Promise<void>;
  /** Stops it where it is (SIGSTOP): it keeps its connections and answers nothing, until it is thawed. */
  freeze(): void;
  thaw(): void;
}

export interface JvmBrokerOptions {
  /** Settings beside those that every test needs, and before them. Default: none. */
  readonly settings?: Readonly<Record<string, string>>;
}

/** A real Apache Kafka, one KRaft node with its data in a temporary folder. Nothing of it outlives this process, however that ends. */
export async function startJvmBroker({ settings = {} }: JvmBrokerOptions = {}): Promise<JvmBroker> {
  const [java, jars] = [await findJava(), await kafkaJars()];
  const { client, guard, internal, controller } = await freePorts('client', 'guard', 'internal', 'controller');
  const address = `127.0.0.1:${client}`;
  const guarded = `127.0.0.1:${guard}`;

  const data = await mkdtemp(join(tmpdir(), 'kafka-rx-broker-'));
  const file = { settings: join(data, 'server.properties'), logging: join(data, 'log4j2.properties'), log: join(data, 'broker.log') };
  await writeFile(file.logging, properties(logging));
  await writeFile(
    file.settings,
    properties({
      ...singleNode,
      'controller.quorum.voters': `1@127.0.0.1:${controller}`,
      'listeners': `PLAINTEXT://${address},GUARDED://${guarded},INTERNAL://127.0.0.1:${internal},CONTROLLER://127.0.0.1:${controller}`,
      'advertised.listeners': `PLAINTEXT://${address},GUARDED://${guarded},INTERNAL://127.0.0.1:${internal}`,
      'listener.security.protocol.map': `${singleNode['listener.security.protocol.map'] ?? ''},GUARDED:SASL_PLAINTEXT`,
      'sasl.enabled.mechanisms': LOGIN.mechanism,
      'listener.name.guarded.plain.sasl.jaas.config': `org.apache.kafka.common.security.plain.PlainLoginModule required user_${LOGIN.username}="${LOGIN.password}";`,
      'log.dirs': join(data, 'log'),
      // A broker that was killed is let in again only when its old session has ended.
      'broker.session.timeout.ms': '3000',
      'broker.heartbeat.interval.ms': '500',
      ...settings,
    }),
  );
  // The codecs unpack native libraries into the temporary folder, where a killed JVM would leave them.
  const options = ['-Xmx1g', `-Djava.io.tmpdir=${data}`, `-Dlog4j2.configurationFile=${file.logging}`, '-cp', join(jars, '*')];
  const run = (...command: string[]): Supervised => startSupervised(java, [...options, ...command], { data, log: file.log });

  let running: Supervised | undefined;
  let closing: Promise<void> | undefined;
  const start = async (): Promise<void> => {
    if (closing) throw new Error(`${description} at ${address} was closed.`);
    const started = (running = run('kafka.Kafka', file.settings));
    await untilReady(address, started);
    // A broker that nobody closes must not keep Node alive.
    started.background();
    void started.ended.then(async (why) => {
      if (running === started) process.stderr.write(`${description} at ${address} ${why}, unasked.${await tail(file.log)}\n`);
    });
  };
  const stop = async (): Promise<void> => {
    const stopping = running;
    running = undefined;
    await stopping?.kill();
  };
  const close = (): Promise<void> => (closing ??= stop().then(() => rm(data, { recursive: true, force: true, maxRetries: 5 })));

  try {
    const formatted = await run('kafka.tools.StorageTool', 'format', '-t', newClusterId(), '-c', file.settings).ended;
    if (formatted !== 'ended with code 0') throw new Error(`formatting its storage ${formatted}`);
    await start();
  } catch (cause) {
    const reason = `${description} did not start: ${cause instanceof Error ? cause.message : String(cause)}.${await tail(file.log)}`;
    await close();
    throw new Error(reason, { cause });
  }
  return {
    kind: 'jvm',
    brokers: [address],
    guarded: [guarded],
    description,
    close,
    freeze() {
      running?.freeze();
    },
    thaw() {
      running?.thaw();
    },
    async restart({ downMs = 0 } = {}) {
      await stop();
      await setTimeout(downMs);
      await start();
    },
  };
}

function properties(values: Readonly<Record<string, string>>): string {
  return Object.entries(values)
    .map(([name, value]) => `${name}=${value}\n`)
    .join('');
}

const logging = {
  'appender.out.name': 'out',
  'appender.out.type': 'Console',
  'appender.out.layout.type': 'PatternLayout',
  'appender.out.layout.pattern': '%d{ABSOLUTE} %p %m (%c{1})%n',
  'rootLogger.level': 'info',
  'rootLogger.appenderRef.out.ref': 'out',
};

async function tail(log: string): Promise<string> {
  const lines = (await readFile(log, 'utf8').catch(() => '')).trimEnd().split('\n');
  return `\nThe end of its log:\n${lines.slice(-40).join('\n')}`;
}
