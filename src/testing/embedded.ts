import type { Metadata, MetadataOptions, Producer, ProducerGlobalConfig } from 'node-rdkafka';
import { ClientUnavailableError, OptionError } from '../errors.js';
import { rdkafka } from '../rdkafka.js';
import { isTopicName } from '../topicName.js';

const TIMEOUT_MS = 10_000;

export interface EmbeddedKafkaOptions {
  /** How many brokers, 1 or more. Default 1. Topics get a replica on up to three of them; no broker can be stopped by itself. */
  readonly brokers?: number;
  /**
   * Topics that exist from the start, each with 4 partitions. Default none. Any other topic comes into being, with 4 partitions as well,
   * when a producer first asks for it; a consumer that asks first is told that it does not exist.
   */
  readonly topics?: readonly string[];
}

/** A running embedded cluster. */
export interface EmbeddedKafka extends AsyncDisposable {
  /** `host:port` of every broker, for `new Kafka({ brokers })` in this or any other process of this machine. */
  readonly brokers: readonly string[];
  /** Ends the cluster and forgets its records. Every call returns the same promise. */
  close(): Promise<void>;
}

/**
 * Starts a Kafka cluster inside this process, for tests: librdkafka's own mock cluster, on real TCP ports of 127.0.0.1.
 *
 * Producing, consuming, consumer groups, committed offsets, idempotence and transactions work, from this and from other processes;
 * nothing is installed or written to disk. A promise that is resolved means that every broker listens and every topic of `topics` exists.
 *
 * What it is not:
 * - every topic has 4 partitions, and topics can be neither configured nor deleted;
 * - a partition keeps 5 MB (as stored) or 100,000 batches and drops the oldest beyond that; there is no other retention and no compaction;
 * - records of aborted transactions are visible to `read_committed` readers too;
 * - looking up offsets by timestamp finds nothing; there is no TLS and no SASL;
 * - it dies with this process, or when closed. An open one keeps the process alive, a closed one does not.
 *
 * @throws OptionError (as a rejection) when an option is unknown or has no legal value.
 * @throws ClientUnavailableError (as a rejection) when the native client does not load or the cluster does not start.
 *
 * @example
 * ```ts
 * await using cluster = await embeddedKafka({ topics: ['orders'] });
 * await using kafka = new Kafka({ brokers: cluster.brokers });
 * ```
 */
export async function embeddedKafka(options: EmbeddedKafkaOptions = {}): Promise<EmbeddedKafka> {
  const { brokers, topics } = checked(options);
  // librdkafka starts its mock cluster in the client that has this property; node-rdkafka's types do not know it.
  const settings = { 'client.id': 'kafka-rx-embedded', 'test.mock.num.brokers': brokers } as ProducerGlobalConfig;
  const owner = new (rdkafka().Producer)(settings, {});
  const metadata = await connect(owner);

  let closing: Promise<void> | undefined;
  // node-rdkafka answers only the first of two concurrent disconnects, so there is only ever one.
  const close = (): Promise<void> => (closing ??= disconnect(owner));

  try {
    for (const topic of topics) await create(owner, topic);
  } catch (error) {
    await close();
    throw error;
  }
  return {
    brokers: [...metadata.brokers].sort((a, b) => a.id - b.id).map(({ host, port }) => `${host}:${port}`),
    close,
    [Symbol.asyncDispose]: close,
  };
}

function checked(options: EmbeddedKafkaOptions): Required<EmbeddedKafkaOptions> {
  const { brokers = 1, topics = [], ...unknown } = options;
  for (const name of Object.keys(unknown)) throw new OptionError(`embeddedKafka has no option "${name}": it takes brokers and topics.`);
  if (!Number.isInteger(brokers) || brokers < 1) {
    throw new OptionError(`embeddedKafka needs a whole number of brokers, 1 or more, not ${brokers}.`);
  }
  if (!Array.isArray(topics)) throw new OptionError('embeddedKafka takes topics as an array of names.');
  for (const topic of topics as readonly unknown[]) {
    if (!isTopicName(topic)) {
      throw new OptionError(
        `embeddedKafka cannot create the topic ${JSON.stringify(topic)}: a name has 1 to 249 letters, digits, ".", "_" or "-", and is not "." or "..".`,
      );
    }
  }
  return { brokers, topics };
}

function connect(owner: Producer): Promise<Metadata> {
  return new Promise((resolve, reject) => {
    // On failure the client disconnects itself: a disconnect of ours would be the second.
    owner.connect({ allTopics: false, timeout: TIMEOUT_MS }, (cause, metadata) => {
      // Its types hide that the error is null on success.
      if (cause as unknown) reject(new ClientUnavailableError(`The embedded cluster did not start: ${cause.message}`, { cause }));
      else resolve(metadata);
    });
  });
}

/** The mock cluster has no CreateTopics; it creates what a producer asks for. */
function create(owner: Producer, topic: string): Promise<void> {
  return new Promise((resolve, reject) => {
    const question: MetadataOptions = { topic, allTopics: false, timeout: TIMEOUT_MS };
    owner.getMetadata(question, (cause, metadata) => {
      if (cause as unknown) {
        reject(new ClientUnavailableError(`The embedded cluster did not create the topic "${topic}": ${cause.message}`, { cause }));
      } else if (metadata.topics.find(({ name }) => name === topic)?.partitions.length) {
        resolve();
      } else {
        reject(new ClientUnavailableError(`The embedded cluster did not create the topic "${topic}", though it gave no reason.`));
      }
    });
  });
}

function disconnect(owner: Producer): Promise<void> {
  return new Promise((resolve) => {
    owner.disconnect(() => {
      resolve();
    });
  });
}
