import { brokerKinds, type BrokerKind, type TestBroker } from './broker.js';
import { startDockerBroker } from './docker.js';
import { startEmbeddedBroker } from './embedded.js';
import { environmentBroker } from './environment.js';
import { startJvmBroker } from './jvm.js';

export type { BrokerKind, TestBroker } from './broker.js';
export { LOGIN, startJvmBroker, type JvmBroker, type JvmBrokerOptions } from './jvm.js';
export { authorizing, denyEverything, denyWrites } from './acls.js';
export { setClientQuota } from './clientQuota.js';
export { deleteRecords, type Deletion } from './deleteRecords.js';
export { groups } from './groups.js';
export { createTopic, deleteTopic, type TopicOptions } from './topics.js';

export interface BrokerOptions {
  /** Start exactly this kind or fail. Default: `KAFKA_RX_BROKER` in the environment, else the first kind that works. */
  readonly only?: BrokerKind;
  /** Fail rather than fall back to the embedded cluster, which is no real Kafka. Default false. */
  readonly requireReal?: boolean;
}

/**
 * A broker for everyone: what `KAFKA_BROKERS` names, else Docker, else a local JVM, else librdkafka's embedded cluster.
 *
 * The returned broker has answered a metadata request. A cluster that `KAFKA_BROKERS` names is never replaced by another one: if it does not
 * answer, that is the error. Otherwise a kind that does not work is skipped, and its reason is told if it ends with the embedded cluster or
 * with an error.
 */
export async function startBroker({ only = onlyFromEnvironment(), requireReal = false }: BrokerOptions = {}): Promise<TestBroker> {
  if (requireReal && only === 'embedded') throw new Error('The embedded cluster was asked for where only a real Kafka broker will do.');
  if (only !== undefined) return start(only);

  const named = await environmentBroker();
  if (named) return named;

  const reasons: string[] = [];
  for (const kind of ['docker', 'jvm'] as const) {
    try {
      return await (kind === 'docker' ? startDockerBroker() : startJvmBroker());
    } catch (error) {
      reasons.push(`${kind}: ${error instanceof Error ? error.message : String(error)}`);
    }
  }
  if (requireReal)
    throw new Error(['No real Kafka broker could be had.', 'environment: KAFKA_BROKERS is not set.', ...reasons].join('\n- '));
  return startEmbeddedBroker(reasons);
}

async function start(kind: BrokerKind): Promise<TestBroker> {
  switch (kind) {
    case 'environment': {
      const named = await environmentBroker();
      if (!named)
        throw new Error('The broker of the environment was asked for, but KAFKA_BROKERS is not set: give it as host:port,host:port.');
      return named;
    }
    case 'docker':
      return startDockerBroker({ patienceMs: 30_000 });
    case 'jvm':
      return startJvmBroker();
    case 'embedded':
      return startEmbeddedBroker();
  }
}

function onlyFromEnvironment(): BrokerKind | undefined {
  const wanted = process.env['KAFKA_RX_BROKER'];
  if (!wanted) return undefined;
  const kind = brokerKinds.find((known) => known === wanted);
  if (!kind) throw new Error(`KAFKA_RX_BROKER is "${wanted}"; it can be ${brokerKinds.join(', ')}.`);
  return kind;
}
