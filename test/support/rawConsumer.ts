import { createRequire } from 'node:module';
import type * as RdKafka from 'node-rdkafka';
import { addon } from '../../src/addon.js';
import type { Lane } from '../../src/position.js';
import type { KafkaRecord } from '../../src/record.js';
import { nativeReader } from '../../src/sources/nativeReader.js';
import type { Consume, ReadError, Reader } from '../../src/sources/reader.js';
import { plainReader } from '../../src/sources/reader.js';

const { KafkaConsumer } = createRequire(import.meta.url)('node-rdkafka') as typeof RdKafka;

/** The ways to read. */
export type Path = 'native' | 'plain';

const PARTITION_EOF = -191;
const MAX = 1_000;
const WAIT_MS = 100;
const INTEGERS = 11;
const CODE = 3;

/** A consumer of node-rdkafka with one of our readers, and nothing else of ours between the two. */
export class RawConsumer {
  readonly consumer: RdKafka.KafkaConsumer;
  readonly records: KafkaRecord[] = [];
  readonly errors: ReadError[] = [];
  /** How many records came in one read with an error after them. */
  withError = 0;
  /** How often a partition was said to have ended. */
  ends = 0;
  readonly #reader: Reader;
  #reading: Promise<void> | undefined;

  private constructor(consumer: RdKafka.KafkaConsumer, path: Path) {
    this.consumer = consumer;
    this.#reader = path === 'native' ? this.#native() : this.#plain();
  }

  static async open(brokers: readonly string[], path: Path, settings: Record<string, string | number | boolean>): Promise<RawConsumer> {
    const { 'auto.offset.reset': reset = 'error', ...global } = settings;
    const own: RdKafka.ConsumerGlobalConfig = {
      'metadata.broker.list': brokers.join(','),
      'enable.auto.commit': false,
      'enable.auto.offset.store': false,
      'fetch.wait.max.ms': 50,
      ...global,
    };
    const consumer = new KafkaConsumer(own, { 'auto.offset.reset': reset } as RdKafka.ConsumerTopicConfig);
    await new Promise<void>((resolve, reject) => {
      consumer.connect({ allTopics: false }, (error) => {
        if (error as unknown) reject(new Error(error.message));
        else resolve();
      });
    });
    return new RawConsumer(consumer, path);
  }

  /** Reads until it is so; a test that waits for ever has failed. */
  async readUntil(met: () => boolean): Promise<void> {
    while (!met()) await this.readOnce();
  }

  readOnce(waitMs = WAIT_MS): Promise<void> {
    this.#reading = new Promise((resolve) => {
      this.#reader.read(MAX, waitMs, (error, batch) => {
        for (let row = 0; row < batch.length; row += 1) {
          const lane = { topic: batch.topic(row), partition: batch.partition(row) } as Lane;
          this.records.push(batch.record(row, lane));
        }
        if (error !== undefined) this.errors.push(error);
        if (error !== undefined) this.withError += batch.length;
        resolve();
      });
    });
    return this.#reading;
  }

  /** Has the read that waits come back. */
  wake(): void {
    this.#reader.wake?.();
  }

  /** The offsets that were read of a partition, in their order. */
  offsets(partition: number): number[] {
    return this.records.filter((record) => record.partition === partition).map(({ offset }) => offset);
  }

  async [Symbol.asyncDispose](): Promise<void> {
    await this.#reading;
    await new Promise<void>((resolve) => {
      this.consumer.disconnect(() => {
        resolve();
      });
    });
  }

  #native(): Reader {
    const found = addon();
    if (!('addon' in found)) throw new Error(`there is no native reader: ${found.reason}`);
    const client: unknown = this.consumer.getClient();
    return nativeReader(
      (maxRecords, maxBytes, waitMs, done) => {
        found.addon.read(client as object, maxRecords, maxBytes, waitMs, (rows, texts, columns, bytes) => {
          const integers = typeof rows === 'number' ? new Int32Array(columns, rows * 16, rows * INTEGERS) : [];
          for (let at = CODE; at < integers.length; at += INTEGERS) if (integers[at] === PARTITION_EOF) this.ends += 1;
          done(rows, texts, columns, bytes);
        });
      },
      () => {
        found.addon.wake(client as object);
      },
    );
  }

  #plain(): Reader {
    const client = this.consumer.getClient() as { consume: (...given: [number, number, (...answer: unknown[]) => void]) => void };
    const consume: Consume = (waitMs, max, done) => {
      client.consume(waitMs, max, (error, messages, ends) => {
        this.ends += (ends as unknown[] | undefined)?.length ?? 0;
        done(error as ReadError | null, messages as RdKafka.Message[] | undefined);
      });
    };
    return plainReader(consume);
  }
}
