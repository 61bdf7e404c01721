import { readFileSync } from 'node:fs';
import { createRequire } from 'node:module';
import type * as NodeRdKafka from 'node-rdkafka';

const require = createRequire(import.meta.url);

/** node-rdkafka without anything of ours around it. */
export function rdkafka(): typeof NodeRdKafka {
  return require('node-rdkafka') as typeof NodeRdKafka;
}

export function nodeRdkafkaVersion(): string {
  const { version } = JSON.parse(readFileSync(require.resolve('node-rdkafka/package.json'), 'utf8')) as { version: string };
  return `${version.replace(/^v/, '')} (librdkafka ${rdkafka().librdkafkaVersion})`;
}

export function connected(client: NodeRdKafka.KafkaConsumer | NodeRdKafka.Producer): Promise<void> {
  return new Promise((resolve, reject) => {
    client.connect({ allTopics: false, timeout: 10_000 }, (error) => {
      if (error as unknown) reject(new Error(error.message, { cause: error }));
      else resolve();
    });
  });
}
