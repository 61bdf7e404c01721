import { refused, unavailable } from './brokerErrors.js';
import type { Cluster } from './cluster.js';
import type { RdkafkaError } from './rdkafka.js';

/** The part of a client of node-rdkafka that connects. */
interface Connecting {
  once(event: 'connection.failure', listener: () => void): unknown;
  connect(options: { readonly allTopics: boolean; readonly timeout: number }, done: (error: RdkafkaError) => void): unknown;
}

/**
 * Connects a client. One that fails is of no more use, and has let go of everything by itself.
 *
 * @param failed What it then rejects with; `asked` says whether it got so far as to ask a broker.
 */
export function connectClient(client: object, timeoutMs: number, failed: (cause: RdkafkaError, asked: boolean) => Error): Promise<void> {
  const connecting = client as Connecting;
  let asked = false;
  connecting.once('connection.failure', () => {
    asked = true;
  });
  return new Promise<void>((resolve, reject) => {
    connecting.connect({ allTopics: false, timeout: timeoutMs }, (error) => {
      // Its types hide that there is none on success.
      if (!(error as unknown)) resolve();
      else reject(failed(error, asked));
    });
  });
}

/** Connects a consumer. */
export function connect(cluster: Cluster, consumer: object): Promise<void> {
  return connectClient(consumer, cluster.connectTimeoutMs, (error, asked) => (asked ? unavailable(cluster, error) : refused(error)));
}
