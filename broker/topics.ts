import { setTimeout as delay } from 'node:timers/promises';
import type { IAdminClient, LibrdKafkaError, TopicMetadata } from 'node-rdkafka';
import { rdkafka } from '../src/rdkafka.js';
import { askMetadata } from './metadata.js';
import { knownRequests } from './requests.js';

const WITHIN_MS = 30_000;
const CREATE_TOPICS = 19;
const EMBEDDED_PARTITIONS = 4;

export interface TopicOptions {
  /** Default 4, the only number that the embedded cluster has. */
  readonly partitions?: number;
  /** Topic settings such as `cleanup.policy`; none on the embedded cluster. Default: the broker's. */
  readonly config?: Readonly<Record<string, string>>;
}

/**
 * Creates a topic and waits until every partition has a leader. Rejects when the topic exists already.
 *
 * The embedded cluster cannot create topics on request: there the topic is made by asking for it, an existing one is taken as it is, and
 * options that it cannot meet are an error.
 */
export async function createTopic(
  brokers: readonly string[],
  topic: string,
  { partitions = 4, config = {} }: TopicOptions = {},
): Promise<void> {
  if (await isEmbedded(brokers)) {
    if (partitions !== EMBEDDED_PARTITIONS || Object.keys(config).length > 0) {
      throw new Error(
        `The embedded cluster has topics of ${EMBEDDED_PARTITIONS} partitions without settings: "${topic}" needs a real broker.`,
      );
    }
    await askMetadata(brokers, { topic, timeoutMs: WITHIN_MS });
  } else {
    // -1 leaves the number of replicas to the cluster.
    const wanted = { topic, num_partitions: partitions, replication_factor: -1, config: { ...config } };
    await administer(brokers, `create the topic "${topic}"`, (admin, done) => {
      admin.createTopic(wanted, WITHIN_MS, done);
    });
  }
  await until(brokers, topic, `has ${partitions} partitions with leaders`, (found) => {
    return found?.partitions.length === partitions && found.partitions.every(({ leader }) => leader >= 0);
  });
}

/** Deletes a topic and waits until no metadata names it any more. The embedded cluster cannot do this. */
export async function deleteTopic(brokers: readonly string[], topic: string): Promise<void> {
  if (await isEmbedded(brokers)) throw new Error(`The embedded cluster cannot delete topics: "${topic}" needs a real broker.`);
  await administer(brokers, `delete the topic "${topic}"`, (admin, done) => {
    admin.deleteTopic(topic, WITHIN_MS, done);
  });
  await until(brokers, topic, 'is gone', (found) => found === undefined);
}

async function isEmbedded(brokers: readonly string[]): Promise<boolean> {
  const known = await Promise.any(brokers.map(knownRequests)).catch((cause: unknown) => {
    throw new Error(`None of ${brokers.join(', ')} answered.`, { cause });
  });
  return !known.has(CREATE_TOPICS);
}

async function administer(
  brokers: readonly string[],
  what: string,
  request: (admin: IAdminClient, done: (error: LibrdKafkaError | undefined) => void) => void,
): Promise<void> {
  const admin = rdkafka().AdminClient.create({ 'client.id': 'kafka-rx-broker', 'bootstrap.servers': brokers.join(','), 'log_level': 0 });
  try {
    await new Promise<void>((resolve, reject) => {
      request(admin, (cause) => {
        if (cause) reject(new Error(`Could not ${what}: ${cause.message}`, { cause }));
        else resolve();
      });
    });
  } finally {
    admin.disconnect();
  }
}

async function until(
  brokers: readonly string[],
  topic: string,
  what: string,
  met: (found: TopicMetadata | undefined) => boolean,
): Promise<void> {
  const deadline = Date.now() + WITHIN_MS;
  for (;;) {
    // About every topic: a question about one would make a cluster that creates topics by itself create it (again).
    const { topics } = await askMetadata(brokers, { timeoutMs: WITHIN_MS });
    if (met(topics.find(({ name }) => name === topic))) return;
    if (Date.now() > deadline) throw new Error(`The topic "${topic}" was not seen to be as asked within ${WITHIN_MS / 1_000} s: ${what}.`);
    await delay(50);
  }
}
