import type { KafkaConsumer, Message, Metadata } from 'node-rdkafka';
import { rdkafka } from '../../src/rdkafka.js';

export interface CommittedRecord {
  readonly partition: number;
  readonly offset: number;
  readonly value: Buffer | null;
}

/** What readers of committed records see of a topic, and what its group has committed, with nothing of the library in between. */
export interface CommittedReader extends AsyncDisposable {
  /** Everything up to the present end of the topic, as soon as no transaction is open below it. */
  readAll(topic: string): Promise<CommittedRecord[]>;
  /** By partition: the group's offset, and the end of the log as this group's members see it. */
  offsets(topic: string): Promise<{ readonly committed: number; readonly end: number }[]>;
}

const TIMEOUT_MS = 10_000;
const PARTITION_EOF = -191;

export async function committedReader(brokers: readonly string[], group: string): Promise<CommittedReader> {
  const consumer = await connected(brokers, group, 'read_committed');
  const other = await connected(brokers, group, 'read_uncommitted');
  const ends = (client: KafkaConsumer, topic: string, partitions: number): Promise<number[]> =>
    Promise.all(
      Array.from({ length: partitions }, (_, partition) =>
        answer<{ highOffset: number }>((done) => client.queryWatermarkOffsets(topic, partition, TIMEOUT_MS, done)).then(
          ({ highOffset }) => highOffset,
        ),
      ),
    );
  return {
    async readAll(topic) {
      const high = await ends(other, topic, await partitionsOf(consumer, topic));
      const open = new Set(high.keys());
      const found: CommittedRecord[] = [];
      consumer.on('partition.eof', ({ partition, offset }: { partition: number; offset: number }) => {
        if (offset >= (high[partition] as number)) open.delete(partition);
      });
      consumer.assign(high.map((_, partition) => ({ topic, partition, offset: 0 })));
      while (open.size > 0) {
        const messages = await answer<Message[]>((done) => {
          consumer.consume(10_000, done);
        });
        found.push(...messages.map(({ partition, offset, value }) => ({ partition, offset, value })));
      }
      consumer.unassign();
      consumer.removeAllListeners('partition.eof');
      return found;
    },
    async offsets(topic) {
      const partitions = await partitionsOf(consumer, topic);
      const asked = Array.from({ length: partitions }, (_, partition) => ({ topic, partition }));
      const [found, end] = await Promise.all([
        answer<{ offset?: number }[]>((done) => consumer.committed(asked, TIMEOUT_MS, done)),
        ends(consumer, topic, partitions),
      ]);
      return end.map((high, partition) => ({ committed: found[partition]?.offset ?? -1, end: high }));
    },
    async [Symbol.asyncDispose]() {
      for (const client of [consumer, other]) await answer((done) => client.disconnect(done));
    },
  };
}

async function connected(
  brokers: readonly string[],
  group: string,
  isolation: 'read_committed' | 'read_uncommitted',
): Promise<KafkaConsumer> {
  const consumer = new (rdkafka().KafkaConsumer)(
    {
      'metadata.broker.list': brokers.join(','),
      'group.id': group,
      'enable.auto.commit': false,
      'enable.partition.eof': true,
      'isolation.level': isolation,
    },
    {},
  );
  await answer((done) => consumer.connect({ allTopics: false, timeout: TIMEOUT_MS }, done));
  consumer.setDefaultConsumeTimeout(100);
  return consumer;
}

async function partitionsOf(consumer: KafkaConsumer, topic: string): Promise<number> {
  const { topics } = await answer<Metadata>((done) => {
    consumer.getMetadata({ topic, timeout: TIMEOUT_MS }, done);
  });
  return topics.find(({ name }) => name === topic)?.partitions.length ?? 0;
}

/** At the end of a partition a batch has ended, and nothing has gone wrong. */
function answer<T>(ask: (done: (error: unknown, result: T) => void) => unknown): Promise<T> {
  return new Promise((resolve, reject) => {
    ask((error, result) => {
      if (error instanceof Error && (error as { code?: number }).code !== PARTITION_EOF) reject(error);
      else resolve(result);
    });
  });
}
