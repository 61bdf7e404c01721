import rdkafka from 'node-rdkafka';
import { AppendOnly } from '../appendOnly.js';
import { idOf, valueOf } from '../recordId.js';

/** What the supervisor tells this program, as JSON in its only argument. It knows nothing of the library that is tested. */
export interface ProducerOptions {
  readonly brokers: readonly string[];
  readonly topic: string;
  readonly partitions: number;
  readonly journal: string;
}

/** Sends this many records more. The answer is how many were sent in all, once the broker has answered for each. */
export interface Send {
  readonly records: number;
}

const KEYS_PER_PARTITION = 4;
const { brokers, topic, partitions, journal } = JSON.parse(process.argv[2] as string) as ProducerOptions;
const file = new AppendOnly(journal);
const keys = KEYS_PER_PARTITION * partitions;
let sent = 0;
let answered = 0;

// Idempotent: without it a report that was lost would put a record into the log twice, and nobody could tell whose mistake that is.
const producer = new rdkafka.Producer(
  { 'metadata.broker.list': brokers.join(','), 'enable.idempotence': true, 'linger.ms': 5, 'dr_cb': true },
  {},
);
producer.on('delivery-report', (error, { partition, offset, opaque }) => {
  if ((error as unknown) == null) file.line('A', opaque as string, partition, offset);
  else file.line('U', opaque as string);
  answered += 1;
  if (answered === sent) process.send?.(sent);
});
producer.on('event.error', (error) => {
  process.stderr.write(`the producer: ${error.message}\n`);
});
await new Promise<void>((resolve, reject) => {
  producer.connect({}, (error) => {
    if (error as unknown) reject(new Error(error.message));
    else resolve();
  });
});
producer.setPollInterval(10);

process.on('message', ({ records }: Send) => {
  // Counted first: a report may come while there is more to send.
  const first = sent;
  sent += records;
  for (let number = first; number < sent; number += 1) {
    const key = number % keys;
    const value = valueOf(`k${key}`, Math.floor(number / keys));
    const id = idOf(value);
    file.line('I', id);
    producer.produce(topic, key % partitions, value, `k${key}`, null, id);
  }
});
process.on('disconnect', () => process.exit());
