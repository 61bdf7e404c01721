import { embeddedKafka } from '../src/testing/index.js';
import type { TestBroker } from './broker.js';

/** librdkafka's own cluster inside this process. `reasons` says why nothing better was to be had. */
export async function startEmbeddedBroker(reasons: readonly string[] = []): Promise<TestBroker> {
  const cluster = await embeddedKafka();
  process.stderr.write(notice(reasons));
  return {
    kind: 'embedded',
    brokers: cluster.brokers,
    description: "librdkafka's embedded cluster (no real Kafka)",
    close: () => cluster.close(),
  };
}

function notice(reasons: readonly string[]): string {
  return [
    '',
    "!!! NO REAL KAFKA: this runs against librdkafka's embedded cluster.",
    '!!! Not covered: retention and its gaps, compaction, aborted transactions, lookups by timestamp, real rebalance timing,',
    '!!! authentication and TLS, topic settings, any number of partitions but 4.',
    '!!! For a real broker: set KAFKA_BROKERS, or start Docker, or install Java 17+ and Maven.',
    ...reasons.map((reason) => `!!! - ${reason.replaceAll('\n', '\n!!!   ')}`),
    '',
    '',
  ].join('\n');
}
