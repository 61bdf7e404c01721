import { createRequire } from 'node:module';
import type * as RdKafka from 'node-rdkafka';
import type { Position } from '../../src/index.js';

const TIMEOUT_MS = 30_000;
const POLL_MS = 5;

/** A transactional producer with nothing of the library in it. */
export interface TransactionalWriter extends AsyncDisposable {
  begin(): Promise<void>;
  /** Resolves with the offsets that they got, which may be aborted later. */
  write(topic: string, values: readonly string[]): Promise<number[]>;
  /** Makes a group's offsets part of the transaction. Nobody may be in the group. */
  addOffsets(group: string, positions: readonly Position[]): Promise<void>;
  commit(): Promise<void>;
  abort(): Promise<void>;
}

export async function transactionalWriter(brokers: readonly string[], id: string): Promise<TransactionalWriter> {
  const { KafkaConsumer, Producer } = createRequire(import.meta.url)('node-rdkafka') as typeof RdKafka;
  const servers = brokers.join(',');
  const producer = new Producer({ 'metadata.broker.list': servers, 'transactional.id': id, 'dr_cb': true }, {});
  await done((answer) => producer.connect({}, answer));
  await done((answer) => {
    producer.initTransactions(TIMEOUT_MS, answer);
  });
  producer.setPollInterval(POLL_MS);
  return {
    begin: () =>
      done((answer) => {
        producer.beginTransaction(answer);
      }),
    write: (topic, values) =>
      new Promise((resolve, reject) => {
        const offsets: number[] = [];
        const settle = (error: unknown, { offset }: RdKafka.DeliveryReport): void => {
          if (error instanceof Error) reject(error);
          if (offsets.push(offset) < values.length) return;
          producer.off('delivery-report', settle);
          resolve(offsets);
        };
        producer.on('delivery-report', settle);
        for (const value of values) producer.produce(topic, 0, Buffer.from(value));
      }),
    addOffsets: async (group, positions) => {
      const consumer = new KafkaConsumer({ 'metadata.broker.list': servers, 'group.id': group }, {});
      await done((answer) => consumer.connect({}, answer));
      await done((answer) => {
        producer.sendOffsetsToTransaction([...positions], consumer, TIMEOUT_MS, answer);
      });
      await done((answer) => consumer.disconnect(answer));
    },
    commit: () =>
      done((answer) => {
        producer.commitTransaction(TIMEOUT_MS, answer);
      }),
    abort: () =>
      done((answer) => {
        producer.abortTransaction(TIMEOUT_MS, answer);
      }),
    [Symbol.asyncDispose]: () => done((answer) => producer.disconnect(answer)),
  };
}

function done(call: (answer: (error: unknown) => void) => unknown): Promise<void> {
  return new Promise((resolve, reject) => {
    call((error) => {
      // Where all is well some calls answer with something, and some with nothing.
      if (error instanceof Error) reject(new Error('the transactional producer failed', { cause: error }));
      else resolve();
    });
  });
}
