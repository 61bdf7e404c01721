import { setTimeout as delay } from 'node:timers/promises';
import type * as RdKafka from 'node-rdkafka';
import { headersOf, payloads } from './payload.js';
import { connected, rdkafka } from './rdkafka.js';
import type { Compression } from './task.js';

export interface Filling {
  readonly brokers: readonly string[];
  readonly topic: string;
  readonly records: number;
  readonly partitions: number;
  readonly bytes: number;
  readonly compression: Compression;
  readonly headers: boolean;
}

const DISTINCT = 50_000;
const STATISTICS_MS = 200;
const QUERY_MS = 5_000;
const ATTEMPTS = 5;

interface Statistics {
  /** Messages that were sent, and acknowledged. */
  readonly txmsgs: number;
  readonly brokers: Readonly<Record<string, { readonly txbytes: number }>>;
}

/** Writes the records that consumers will read, evenly over the partitions; answers how many times smaller they were on the wire. */
export async function fill({ brokers, topic, records, partitions, bytes, compression, headers }: Filling): Promise<number> {
  const { Producer, CODES } = rdkafka();
  const producer = new Producer(
    {
      'metadata.broker.list': brokers.join(','),
      'compression.codec': compression,
      'enable.idempotence': true,
      'linger.ms': 50,
      'batch.num.messages': 10_000,
      'statistics.interval.ms': STATISTICS_MS,
      'dr_cb': true,
      'delivery.report.only.error': true,
      'event_cb': true,
    },
    { acks: -1 },
  );
  let statistics: Statistics | undefined;
  producer.on('event.stats', ({ message }: { message: string }) => {
    statistics = JSON.parse(message) as Statistics;
  });
  producer.on('delivery-report', (error) => {
    if (error as unknown) throw new Error('a record of the bench was not written', { cause: error });
  });
  await connected(producer);
  const pool = payloads(Math.min(DISTINCT, records), bytes);
  const tags = Array.from({ length: headers ? 1_000 : 0 }, (_, i) => headersOf(i).map(({ name, value }) => ({ [name]: value })));
  let plain = 0;
  for (let i = 0; i < records;) {
    const { key, value } = pool[i % pool.length] as { key: Buffer; value: Buffer };
    try {
      producer.produce(topic, i % partitions, value, key, null, undefined, headers ? tags[i % tags.length] : undefined);
      plain += key.length + value.length;
      i += 1;
    } catch (error) {
      if ((error as { code?: unknown }).code !== CODES.ERRORS.ERR__QUEUE_FULL) throw error;
      producer.poll();
      await delay(5);
    }
  }
  await new Promise<void>((resolve, reject) => {
    producer.flush(60_000, (error) => {
      if (error as unknown) reject(new Error('the records of the bench were not written', { cause: error }));
      else resolve();
    });
  });
  // Statistics lag behind.
  while ((statistics?.txmsgs ?? 0) < records) {
    producer.poll();
    await delay(STATISTICS_MS / 4);
  }
  const sent = Object.values(statistics?.brokers ?? {}).reduce((sum, { txbytes }) => sum + txbytes, 0);
  await new Promise<void>((resolve) => {
    producer.disconnect(1_000, () => {
      resolve();
    });
  });
  return plain / sent;
}

/** How many records are in the topic. */
export async function countOf(brokers: readonly string[], topic: string, partitions: number): Promise<number> {
  const { Producer } = rdkafka();
  const client = new Producer({ 'metadata.broker.list': brokers.join(',') }, {});
  await connected(client);
  let total = 0;
  for (let partition = 0; partition < partitions; partition += 1) total += await retried(() => watermarks(client, topic, partition));
  await new Promise<void>((resolve) => {
    client.disconnect(() => {
      resolve();
    });
  });
  return total;
}

function watermarks(client: RdKafka.Producer, topic: string, partition: number): Promise<number> {
  return new Promise((resolve, reject) => {
    client.queryWatermarkOffsets(topic, partition, QUERY_MS, (error, offsets) => {
      if (error as unknown)
        reject(new Error(`the records of ${topic}/${partition} could not be counted: ${error.message}`, { cause: error }));
      else resolve(offsets.highOffset - offsets.lowOffset);
    });
  });
}

/** A topic that is a moment old may not be known to every broker yet. */
async function retried<T>(question: () => Promise<T>): Promise<T> {
  for (let attempt = 1; ; attempt += 1) {
    try {
      return await question();
    } catch (error) {
      if (attempt === ATTEMPTS) throw error;
      await delay(STATISTICS_MS);
    }
  }
}
