import type { Metadata, MetadataOptions } from 'node-rdkafka';
import { rdkafka } from '../src/rdkafka.js';

export interface MetadataQuestion {
  /** Ask about this topic only; a cluster that creates topics by itself creates it. Default: about every topic, and create none. */
  readonly topic?: string;
  readonly timeoutMs: number;
}

/** Asks a cluster for its metadata with a client of its own, which is gone again when the promise settles. */
export function askMetadata(brokers: readonly string[], { topic, timeoutMs }: MetadataQuestion): Promise<Metadata> {
  const client = new (rdkafka().Producer)({ 'client.id': 'kafka-rx-broker', 'bootstrap.servers': brokers.join(',') }, {});
  const question: MetadataOptions =
    topic === undefined ? { allTopics: true, timeout: timeoutMs } : { topic, allTopics: false, timeout: timeoutMs };
  return new Promise((resolve, reject) => {
    client.connect(question, (cause, metadata) => {
      // Its types hide that the error is null on success. After a failure the client has disconnected itself, and twice would hang.
      if (cause as unknown) reject(new Error(`no metadata from ${brokers.join(', ')}: ${cause.message}`, { cause }));
      else
        client.disconnect(() => {
          resolve(metadata);
        });
    });
  });
}
