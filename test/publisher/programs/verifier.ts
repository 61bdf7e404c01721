import { readFileSync } from 'node:fs';
import rdkafka from 'node-rdkafka';

/**
 * Judges a run by what its journal says was reported and by what the topic holds; it knows nothing of the library that is tested.
 *
 * Its arguments: the broker, the topic, the journal, and the order that was promised.
 */
const [broker, topic, journal, order] = process.argv.slice(2) as [string, string, string, 'none' | 'key'];

const reported = { kafka: new Set<string>(), disk: new Set<string>(), dropped: new Set<string>(), rejected: new Set<string>() };
for (const line of readFileSync(journal, 'latin1').split('\n')) {
  const [where, id] = line.trim().split(' ') as [keyof typeof reported, string | undefined];
  if (id !== undefined) reported[where].add(id);
}

const consumer = new rdkafka.KafkaConsumer({ 'metadata.broker.list': broker, 'group.id': topic, 'enable.auto.commit': false }, {});
const ask = <T>(question: (done: (error: unknown, answer: T) => void) => void): Promise<T> =>
  new Promise((resolve, reject) => {
    question((error, answer) => {
      if (error instanceof Error) reject(error);
      else resolve(answer);
    });
  });
await ask((done) => {
  consumer.connect({ allTopics: false, timeout: 10_000 }, done);
});
const PARTITIONS = [0, 1, 2, 3];
const marks = await Promise.all(
  PARTITIONS.map((partition) =>
    ask<{ lowOffset: number; highOffset: number }>((done) => {
      consumer.queryWatermarkOffsets(topic, partition, 10_000, done);
    }),
  ),
);
const total = marks.reduce((sum, { highOffset }) => sum + highOffset, 0);
const forgotten = marks.reduce((sum, { lowOffset }) => sum + lowOffset, 0);
consumer.assign(PARTITIONS.map((partition) => ({ topic, partition, offset: 0 })));
consumer.setDefaultConsumeTimeout(50);
const arrived = new Set<string>();
/** Of each life and key the last number that came for the first time. */
const last = new Map<string, number>();
let repeated = 0;
let disordered = 0;
for (let seen = 0; seen < total - forgotten;) {
  for (const { value } of await ask<{ value: Buffer | null }[]>((done) => {
    consumer.consume(1_000, done);
  })) {
    seen += 1;
    const id = String(value);
    if (arrived.has(id)) {
      repeated += 1;
      continue;
    }
    arrived.add(id);
    const [life = '', key = '', number = ''] = id.split('.');
    if (Number(number) < (last.get(`${life}.${key}`) ?? -1)) disordered += 1;
    last.set(`${life}.${key}`, Number(number));
  }
}
consumer.disconnect();

const lost = [...reported.kafka, ...reported.disk].filter((id) => !arrived.has(id));
const broken = lost.length > 0 || forgotten > 0 || (order === 'key' && disordered > 0);
process.stdout.write(
  `arrived ${arrived.size}, reported kafka ${reported.kafka.size}, disk ${reported.disk.size}, dropped ${reported.dropped.size}, rejected ${reported.rejected.size}, ` +
    `repeated ${repeated}, out of order ${disordered}, lost ${lost.length}${forgotten > 0 ? `, forgotten by the cluster ${forgotten}` : ''}: ${broken ? 'broken' : 'kept'}\n`,
);
process.exit(broken ? 1 : 0);
