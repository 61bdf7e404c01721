import { setTimeout as delay } from 'node:timers/promises';
import { stamped } from './payload.js';
import { connected, rdkafka } from './rdkafka.js';

export interface Pace {
  readonly brokers: readonly string[];
  readonly topic: string;
  readonly records: number;
  readonly perSecond: number;
  readonly bytes: number;
  readonly partitions: number;
}

export interface Pacer {
  /** Writes at the pace, each record at once, with the time of the call in it. */
  start(): Promise<void>;
  close(): Promise<void>;
}

/** A producer that is connected and waits. */
export async function pacer({ brokers, topic, records, perSecond, bytes, partitions }: Pace): Promise<Pacer> {
  const { Producer } = rdkafka();
  const producer = new Producer(
    { 'metadata.broker.list': brokers.join(','), 'linger.ms': 0, 'dr_cb': true, 'delivery.report.only.error': true },
    { acks: 1 },
  );
  await connected(producer);
  return {
    async start() {
      const begun = performance.now();
      for (let sent = 0; sent < records;) {
        const due = Math.min(records, Math.ceil(((performance.now() - begun) * perSecond) / 1_000));
        for (; sent < due; sent += 1) producer.produce(topic, sent % partitions, stamped(bytes), `c-${sent}`);
        producer.poll();
        await delay(1);
      }
    },
    close: () =>
      new Promise((resolve) => {
        producer.disconnect(5_000, () => {
          resolve();
        });
      }),
  };
}
