import { createRequire } from 'node:module';
import type * as RdKafka from 'node-rdkafka';

const { Producer } = createRequire(import.meta.url)('node-rdkafka') as typeof RdKafka;
const WITHIN_MS = 20_000;

type Step = (done: (error: RdKafka.LibrdKafkaError | null | undefined) => void) => void;

/** node-rdkafka's own producer: for transactions that are aborted or stay open, for tombstones, and for records of other times. */
export class RawProducer {
  readonly #producer: RdKafka.Producer;

  private constructor(producer: RdKafka.Producer) {
    this.#producer = producer;
  }

  static async open(brokers: readonly string[], settings: Readonly<Record<string, string>> = {}): Promise<RawProducer> {
    const producer = new Producer({ 'metadata.broker.list': brokers.join(','), ...settings }, {});
    await step((done) => producer.connect({ allTopics: false }, done));
    if ('transactional.id' in settings) {
      await step((done) => {
        producer.initTransactions(WITHIN_MS, done);
      });
    }
    return new RawProducer(producer);
  }

  begin(): Promise<void> {
    return step((done) => {
      this.#producer.beginTransaction(done);
    });
  }

  commit(): Promise<void> {
    return step((done) => {
      this.#producer.commitTransaction(WITHIN_MS, done);
    });
  }

  abort(): Promise<void> {
    return step((done) => {
      this.#producer.abortTransaction(WITHIN_MS, done);
    });
  }

  /** Writes records, and waits until the broker has them. */
  async write(
    topic: string,
    partition: number,
    records: readonly { readonly key?: string; readonly value: string | null; readonly timestamp?: number }[],
  ): Promise<void> {
    for (const { key, value, timestamp } of records)
      this.#producer.produce(topic, partition, value === null ? null : Buffer.from(value), key, timestamp);
    await step((done) => this.#producer.flush(WITHIN_MS, done));
  }

  async [Symbol.asyncDispose](): Promise<void> {
    await new Promise<void>((resolve) => {
      this.#producer.disconnect(() => {
        resolve();
      });
    });
  }
}

function step(take: Step): Promise<void> {
  return new Promise((resolve, reject) => {
    take((error) => {
      if (error) reject(new Error(error.message));
      else resolve();
    });
  });
}
