import type { IAdminClient } from 'node-rdkafka';
import { refused } from '../brokerErrors.js';
import type { Cluster } from '../cluster.js';
import type { RdkafkaError } from '../rdkafka.js';
import { rdkafka } from '../rdkafka.js';
import type { Subject } from './adminErrors.js';
import { adminError } from './adminErrors.js';
import type { TimeLimit } from './timeLimit.js';

/** What a topic is to be like. */
export interface NewTopic {
  readonly partitions: number;
  readonly replicas: number;
  readonly config: Readonly<Record<string, string>>;
}

type Done = (error: RdkafkaError | undefined) => void;

/** Changes topics. One order after the other: each holds the client's lock and a thread of the pool until it is answered. */
export class TopicClient {
  readonly #client: IAdminClient;
  #last: Promise<unknown> = Promise.resolve();

  constructor(cluster: Cluster) {
    try {
      // It can report nothing but by writing to the terminal.
      this.#client = rdkafka().AdminClient.create({ ...cluster.properties, log_level: 0 });
    } catch (cause) {
      throw refused(cause as Error);
    }
  }

  create(topic: string, { partitions, replicas, config }: NewTopic, subject: Subject, limit: TimeLimit): Promise<void> {
    const wanted = { topic, num_partitions: partitions, replication_factor: replicas, config: { ...config } };
    return this.#order(subject, limit, (done) => {
      this.#client.createTopic(wanted, limit.leftMs, done);
    });
  }

  delete(topic: string, subject: Subject, limit: TimeLimit): Promise<void> {
    return this.#order(subject, limit, (done) => {
      this.#client.deleteTopic(topic, limit.leftMs, done);
    });
  }

  createPartitions(topic: string, partitions: number, subject: Subject, limit: TimeLimit): Promise<void> {
    return this.#order(subject, limit, (done) => {
      this.#client.createPartitions(topic, partitions, limit.leftMs, done);
    });
  }

  /** It would stop the event loop while an order is under way. */
  async close(): Promise<void> {
    await this.#last;
    this.#client.disconnect();
  }

  #order(subject: Subject, limit: TimeLimit, order: (done: Done) => void): Promise<void> {
    const ordered = this.#last.then(
      () =>
        new Promise<void>((resolve, reject) => {
          order((error) => {
            if (error === undefined) resolve();
            else reject(adminError(subject, error, limit));
          });
        }),
    );
    this.#last = ordered.catch(() => undefined);
    return ordered;
  }
}
