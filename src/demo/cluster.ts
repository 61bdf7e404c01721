import { embeddedKafka } from '../testing/index.js';
import type { Arguments } from './arguments.js';

/** The cluster that the demo runs on. */
export interface Cluster extends AsyncDisposable {
  readonly brokers: readonly string[];
  readonly description: string;
  /** Whether the topics are known to be there. */
  readonly hasTopics: boolean;
  /** How the worker's group membership is set, so that the group does not wait long for the one that was killed. */
  readonly membership: Readonly<Record<string, string | number>>;
}

export async function clusterFor({ brokers, orders, invoices }: Arguments): Promise<Cluster> {
  if (brokers === undefined) {
    const embedded = await embeddedKafka({ topics: [orders, invoices] });
    return {
      brokers: embedded.brokers,
      description: `an embedded cluster on ${embedded.brokers.join(', ')}: no Docker, no Java`,
      hasTopics: true,
      // It keeps the first member waiting for 3 s, so a session must last as long. One that has died stays in the group until its session
      // ends, which began with its last heartbeat: few of those, and it is sooner gone.
      membership: { 'session.timeout.ms': 3_000, 'heartbeat.interval.ms': 2_000 },
      [Symbol.asyncDispose]: () => embedded.close(),
    };
  }
  return {
    brokers,
    description: `the cluster at ${brokers.join(', ')}`,
    hasTopics: false,
    // A static member takes its place again at once; brokers do not grant everybody a short session.
    membership: { 'group.instance.id': 'worker' },
    [Symbol.asyncDispose]: () => Promise.resolve(),
  };
}
