import { describe, expect, it } from 'vitest';
import { startJvmBroker } from '../../broker/index.js';
import { findJava } from '../../broker/java.js';
import { Kafka } from '../../src/index.js';
import { PARTITIONS, numbers, written } from './numberedInputs.js';
import { created } from './topics.js';
import { contents } from './witness.js';

/** A million, for 20,000 ms, is what is promised; the default is what fits into everyday. */
const RECORDS = Number(process.env['KAFKA_RX_RECORDS'] ?? 40_000);
const DOWN_MS = Number(process.env['KAFKA_RX_DOWN_MS'] ?? 500);
const java = await findJava().then(
  () => true,
  () => false,
);

describe.runIf(java)('a broker that is away', () => {
  it(
    'because it was killed, and is started again, gets every record, once, in the order of its partition',
    { timeout: 900_000 },
    async () => {
      const broker = await startJvmBroker();
      try {
        await using kafka = new Kafka({ brokers: broker.brokers });
        const topic = await created('restarted', PARTITIONS, {}, broker.brokers);
        const residents: number[] = [];
        let restarted: Promise<void> | undefined;

        const passed = await written(kafka, topic, {
          records: RECORDS,
          window: Math.min(RECORDS / 40, 4_000),
          options: { lingerMs: 0 },
          each: (n) => {
            if (n === RECORDS / 4) restarted = broker.restart({ downMs: DOWN_MS });
            if (n % (RECORDS / 20) === 0) residents.push(process.memoryUsage.rss());
          },
        });
        await restarted;

        expect(restarted).toBeDefined();
        expect(passed.count).toBe(RECORDS);
        expect(Array.from(passed.order)).toEqual(numbers(RECORDS));
        expect(passed.errors.size).toBe(0);
        const found = await contents(broker.brokers, topic);
        for (let partition = 0; partition < PARTITIONS; partition += 1) {
          const values = found.filter((record) => record.partition === partition).map(({ value }) => Number(value));
          expect(values).toEqual(numbers(RECORDS, partition, PARTITIONS));
        }
        process.stderr.write(`${RECORDS} records, RSS in MiB: ${residents.map((bytes) => Math.round(bytes / 2 ** 20)).join(' ')}\n`);
        // Only a long run says something of memory.
        if (RECORDS >= 1_000_000) expect(Math.max(...residents.slice(10))).toBeLessThan(1.1 * Math.max(...residents.slice(5, 10)));
      } finally {
        await broker.close();
      }
    },
  );
});
