import type { KafkaConsumer, Message, Metadata, WatermarkOffsets } from 'node-rdkafka';
import { rdkafka } from '../../src/rdkafka.js';
import { unique } from './topics.js';

/** A record as the plain client sees it, with nothing of the library in between. */
export interface Witnessed {
  readonly partition: number;
  readonly offset: number;
  readonly key: Buffer | null;
  readonly value: Buffer | null;
  readonly timestamp: number;
  readonly headers: readonly (readonly [string, Buffer])[];
}

const TIMEOUT_MS = 10_000;

/** How many records each partition holds. */
export function counts(brokers: readonly string[], topic: string): Promise<number[]> {
  return withConsumer(brokers, async (consumer) =>
    (await watermarks(consumer, topic)).map(({ highOffset, lowOffset }) => highOffset - lowOffset),
  );
}

/** All that a topic holds, in the order of partitions and offsets. */
export function contents(brokers: readonly string[], topic: string): Promise<Witnessed[]> {
  return withConsumer(brokers, async (consumer) => {
    const marks = await watermarks(consumer, topic);
    const total = marks.reduce((sum, { lowOffset, highOffset }) => sum + highOffset - lowOffset, 0);
    consumer.assign(marks.map(({ lowOffset }, partition) => ({ topic, partition, offset: lowOffset })));
    const found: Message[] = [];
    while (found.length < total) found.push(...(await consume(consumer)));
    return found.map(witnessed).sort((a, b) => a.partition - b.partition || a.offset - b.offset);
  });
}

function witnessed({ partition, offset, key, value, timestamp = -1, headers = [] }: Message): Witnessed {
  return {
    partition,
    offset,
    key: key === undefined ? null : (key as Buffer | null),
    value,
    timestamp,
    // The client sets one property for each header, which for this name sets no property.
    headers: headers.map((header) => (Object.entries(header)[0] ?? ['__proto__', Object.getPrototypeOf(header)]) as [string, Buffer]),
  };
}

async function withConsumer<T>(brokers: readonly string[], use: (consumer: KafkaConsumer) => Promise<T>): Promise<T> {
  const consumer = new (rdkafka().KafkaConsumer)(
    { 'metadata.broker.list': brokers.join(','), 'group.id': unique('witness'), 'enable.auto.commit': false },
    {},
  );
  await answer((done) => {
    consumer.connect({ allTopics: false, timeout: TIMEOUT_MS }, done);
  });
  try {
    consumer.setDefaultConsumeTimeout(50);
    return await use(consumer);
  } finally {
    await answer((done) => {
      consumer.disconnect(done);
    });
  }
}

async function watermarks(consumer: KafkaConsumer, topic: string): Promise<WatermarkOffsets[]> {
  const { topics } = await answer<Metadata>((done) => {
    consumer.getMetadata({ topic, timeout: TIMEOUT_MS }, done);
  });
  const partitions = topics.find(({ name }) => name === topic)?.partitions.length ?? 0;
  return Promise.all(
    Array.from({ length: partitions }, (_, partition) =>
      answer<WatermarkOffsets>((done) => {
        consumer.queryWatermarkOffsets(topic, partition, TIMEOUT_MS, done);
      }),
    ),
  );
}

function consume(consumer: KafkaConsumer): Promise<Message[]> {
  return answer((done) => {
    consumer.consume(1_000, done);
  });
}

function answer<T>(ask: (done: (error: unknown, result: T) => void) => void): Promise<T> {
  return new Promise((resolve, reject) => {
    ask((error, result) => {
      if (error instanceof Error) reject(error);
      else resolve(result);
    });
  });
}
