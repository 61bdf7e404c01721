import type { TestBroker } from './broker.js';
import { askMetadata } from './metadata.js';

export interface EnvironmentOptions {
  /** How long to wait for the cluster to answer, which may have been started a moment ago. Default 10,000 ms. */
  readonly patienceMs?: number;
}

/** The cluster that `KAFKA_BROKERS` names (comma separated), or undefined if it names none; an error if it names one that does not answer. */
export async function environmentBroker({ patienceMs = 10_000 }: EnvironmentOptions = {}): Promise<TestBroker | undefined> {
  const brokers = (process.env['KAFKA_BROKERS'] ?? '')
    .split(',')
    .map((address) => address.trim())
    .filter((address) => address !== '');
  if (brokers.length === 0) return undefined;
  try {
    await askMetadata(brokers, { timeoutMs: patienceMs });
  } catch (cause) {
    throw new Error(
      `KAFKA_BROKERS names ${brokers.join(', ')}, which did not answer within ${patienceMs} ms. Start it, or unset KAFKA_BROKERS.`,
      { cause },
    );
  }
  return {
    kind: 'environment',
    brokers,
    description: `the cluster at ${brokers.join(', ')} (KAFKA_BROKERS)`,
    close: () => Promise.resolve(),
  };
}
