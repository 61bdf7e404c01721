import { setTimeout as delay } from 'node:timers/promises';
import rdkafka from 'node-rdkafka';
import { AppendOnly } from '../../kill/appendOnly.js';

/** What the supervisor tells this program, as JSON in its only argument. */
export interface ObserverOptions {
  readonly brokers: readonly string[];
  readonly topic: string;
  readonly group: string;
  readonly partitions: number;
  readonly log: string;
}

/** Writes down what the group remembers of each partition, whenever that has changed. It knows nothing of the library, and is no member. */
const { brokers, topic, group, partitions, log } = JSON.parse(process.argv[2] as string) as ObserverOptions;
const file = new AppendOnly(log);
const all = Array.from({ length: partitions }, (_, partition) => ({ topic, partition }));
const known = new Map<number, number>();

const consumer = new rdkafka.KafkaConsumer(
  { 'metadata.broker.list': brokers.join(','), 'group.id': group, 'enable.auto.commit': false },
  {},
);
process.on('disconnect', () => process.exit());
await new Promise<void>((resolve, reject) => {
  consumer.connect({}, (error) => {
    if (error as unknown) reject(new Error(error.message));
    else resolve();
  });
});
for (;;) {
  const found = await new Promise<rdkafka.TopicPartitionOffset[]>((resolve) => {
    consumer.committed(all, 5_000, (error, positions) => {
      resolve((error as unknown) == null ? positions : []);
    });
  });
  for (const { partition, offset } of found) {
    if (!Number.isInteger(offset) || offset < 0 || known.get(partition) === offset) continue;
    known.set(partition, offset);
    file.line('M', partition, offset);
  }
  await delay(20);
}
