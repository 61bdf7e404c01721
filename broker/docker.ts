import { setTimeout as delay } from 'node:timers/promises';
import type { TestBroker } from './broker.js';
import { askMetadata } from './metadata.js';
import { freePorts } from './ports.js';
import { newClusterId, singleNode } from './settings.js';

const INSIDE_PORT = 9092;

export interface DockerOptions {
  /** How long to wait for a Docker engine to answer. Default 1,800 ms: nobody who has none should have to wait for it. */
  readonly patienceMs?: number;
}

/** Apache Kafka in a container: the image is `KAFKA_RX_IMAGE`, by default `apache/kafka:4.1.0`. Fails at once where no Docker engine answers. */
export async function startDockerBroker({ patienceMs = 1_800 }: DockerOptions = {}): Promise<TestBroker> {
  const { GenericContainer, getContainerRuntimeClient } = await import('testcontainers');
  const impatient = new AbortController();
  const engine = await Promise.race([
    getContainerRuntimeClient().catch(() => undefined),
    delay(patienceMs, undefined, { signal: impatient.signal }),
  ]).finally(() => {
    impatient.abort();
  });
  if (!engine) throw new Error(`no Docker engine answered within ${patienceMs} ms: start one, or set DOCKER_HOST.`);

  const image = process.env['KAFKA_RX_IMAGE'] ?? 'apache/kafka:4.1.0';
  const { host } = engine.info.containerRuntime;
  const { port } = await freePorts('port');
  const address = `${host === 'localhost' ? '127.0.0.1' : host}:${port}`;
  const container = await new GenericContainer(image)
    // The broker tells clients its address before Docker would tell us a mapped port, so the port is chosen here.
    .withExposedPorts({ container: INSIDE_PORT, host: port })
    .withEnvironment({
      CLUSTER_ID: newClusterId(),
      KAFKA_HEAP_OPTS: '-Xmx1g',
      ...imageEnvironment({
        ...singleNode,
        'controller.quorum.voters': '1@127.0.0.1:9093',
        'listeners': `PLAINTEXT://0.0.0.0:${INSIDE_PORT},CONTROLLER://127.0.0.1:9093,INTERNAL://127.0.0.1:9094`,
        // The broker talks to itself (transaction markers), and from inside the mapped port is not there.
        'advertised.listeners': `PLAINTEXT://${address},INTERNAL://127.0.0.1:9094`,
      }),
    })
    .withStartupTimeout(120_000)
    .start();

  let closing: Promise<void> | undefined;
  const close = (): Promise<void> => (closing ??= container.stop({ timeout: 0 }).then(() => undefined));
  try {
    await askMetadata([address], { timeoutMs: 60_000 });
  } catch (error) {
    await close();
    throw error;
  }
  return { kind: 'docker', brokers: [address], description: `${image} on Docker`, close };
}

/** The images take `group.id` as `KAFKA_GROUP_ID`. */
function imageEnvironment(settings: Readonly<Record<string, string>>): Record<string, string> {
  return Object.fromEntries(Object.entries(settings).map(([name, value]) => [`KAFKA_${name.toUpperCase().replaceAll('.', '_')}`, value]));
}
