import { refused, unavailable } from './brokerErrors.js';
import type { Cluster } from './cluster.js';
import type { RdkafkaError } from './rdkafka.js';

/** The part of a node-rdkafka consumer that connects. */
interface Connecting {
  once(event: 'connection.failure', listener: () => void): unknown;
  connect(options: { readonly allTopics: boolean; readonly timeout: number }, done: (error: RdkafkaError) => void): unknown;
}

/** Connects a consumer. One that fails is of no more use, and has let go of everything by itself. */
export function connect(cluster: Cluster, consumer: object): Promise<void> {
  const client = consumer as Connecting;
  let asked = false;
  client.once('connection.failure', () => {
    asked = true;
  });
  return new Promise<void>((resolve, reject) => {
    client.connect({ allTopics: false, timeout: cluster.connectTimeoutMs }, (error) => {
      // Its types hide that there is none on success.
      if (!(error as unknown)) resolve();
      else reject(asked ? unavailable(cluster, error) : refused(error));
    });
  });
}
