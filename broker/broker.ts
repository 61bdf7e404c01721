/** Where a broker for tests, bench and examples comes from, in the order in which they are tried. */
export const brokerKinds = ['environment', 'docker', 'jvm', 'embedded'] as const;

export type BrokerKind = (typeof brokerKinds)[number];

/** A cluster that answers, and the way to be rid of it. */
export interface TestBroker {
  readonly kind: BrokerKind;
  /** `host:port` of each broker to start from. */
  readonly brokers: readonly string[];
  /** The same behind a log-in, where that can be had. */
  readonly guarded?: readonly string[];
  /** For people, e.g. "Apache Kafka 4.1.0 on a local JVM". */
  readonly description: string;
  /** Ends what was started here, with its data; a cluster of the environment is left alone. Every call returns the same promise. */
  close(): Promise<void>;
}
