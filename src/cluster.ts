import type { KafkaEvent } from './events.js';

/** librdkafka's own settings, by their own names. */
export type Properties = Readonly<Record<string, string | number | boolean>>;

/** What a client needs to know of its cluster. */
export interface Cluster {
  readonly brokers: readonly string[];
  readonly connectTimeoutMs: number;
  /** librdkafka's settings for every client. */
  readonly properties: Properties;
  readonly topicProperties: Properties;
  emit(event: KafkaEvent): void;
}
