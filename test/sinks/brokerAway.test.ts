import { Subject } from 'rxjs';
import { describe, expect, it } from 'vitest';
import { startJvmBroker } from '../../broker/index.js';
import { findJava } from '../../broker/java.js';
import type { Delivery, DeliveryError, ToTopicOptions } from '../../src/index.js';
import { DeliveryTimeoutError, Kafka, toTopic } from '../../src/index.js';
import { created } from './topics.js';
import { contents } from './witness.js';

/** A million, for 20,000 ms, is what is promised; the default is what fits into everyday. */
const RECORDS = Number(process.env['KAFKA_RX_RECORDS'] ?? 40_000);
const DOWN_MS = Number(process.env['KAFKA_RX_DOWN_MS'] ?? 500);
const PARTITIONS = 3;
const WINDOW = Math.min(RECORDS / 40, 4_000);
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

        const passed = await written(kafka, topic, { lingerMs: 0 }, (n) => {
          if (n === RECORDS / 4) restarted = broker.restart({ downMs: DOWN_MS });
          if (n % (RECORDS / 20) === 0) residents.push(process.memoryUsage.rss());
        });
        await restarted;

        expect(restarted).toBeDefined();
        expect(passed.count).toBe(RECORDS);
        expect(Array.from(passed.order)).toEqual(numbers(0, 1));
        expect(passed.errors.size).toBe(0);
        const found = await contents(broker.brokers, topic);
        for (let partition = 0; partition < PARTITIONS; partition += 1) {
          const values = found.filter((record) => record.partition === partition).map(({ value }) => Number(value));
          expect(values).toEqual(numbers(partition, PARTITIONS));
        }
        process.stderr.write(`${RECORDS} records, RSS in MiB: ${residents.map((bytes) => Math.round(bytes / 2 ** 20)).join(' ')}\n`);
        // Only a long run says something of memory.
        if (RECORDS >= 1_000_000) expect(Math.max(...residents.slice(10))).toBeLessThan(1.1 * Math.max(...residents.slice(5, 10)));
      } finally {
        await broker.close();
      }
    },
  );

  it(
    'because it stands still for longer than messageTimeoutMs, leaves no input without an answer, nor with two',
    { timeout: 180_000 },
    async () => {
      const broker = await startJvmBroker();
      try {
        await using kafka = new Kafka({ brokers: broker.brokers });
        const topic = await created('frozen', PARTITIONS, {}, broker.brokers);
        let frozen = false;

        const passed = await written(kafka, topic, { messageTimeoutMs: 2_000 }, (n, { error }) => {
          if (n === RECORDS / 4) {
            broker.freeze();
            frozen = true;
          } else if (frozen && error !== undefined) {
            frozen = false;
            broker.thaw();
          }
        });

        expect(passed.count).toBe(RECORDS);
        expect(Array.from(passed.order)).toEqual(numbers(0, 1));
        expect(passed.errors.size).toBeGreaterThan(0);
        // What was acknowledged is where it is said to be. The rest may be there too, unless it is said that it is not.
        const found = new Map<string, number>();
        for (const { partition, offset, value } of await contents(broker.brokers, topic))
          found.set(`${partition}/${offset}`, Number(value));
        const inLog = new Set(found.values());
        const wrong = Array.from(passed.order).filter((n) => {
          const error = passed.errors.get(n);
          if (error === undefined) return found.get(`${n % PARTITIONS}/${passed.offsets[n]}`) !== n;
          return !(error instanceof DeliveryTimeoutError) || (error.outcome === 'failed' && inLog.has(n));
        });
        expect(wrong).toEqual([]);
      } finally {
        broker.thaw();
        await broker.close();
      }
    },
  );
});

/** What was passed on, in little memory: that of the test is not to be taken for that of the library. */
class Passed {
  count = 0;
  readonly order = new Float64Array(RECORDS);
  readonly offsets = new Float64Array(RECORDS).fill(-1);
  readonly errors = new Map<number, DeliveryError>();

  add(n: number, { offset, error }: Delivery): void {
    this.order[this.count] = n;
    this.count += 1;
    this.offsets[n] = offset;
    if (error !== undefined) this.errors.set(n, error);
  }
}

/** Writes all numbers, so many at a time, and tells what was passed on. */
async function written(
  kafka: Kafka,
  topic: string,
  options: ToTopicOptions<number>,
  each: (n: number, delivery: Delivery) => void,
): Promise<Passed> {
  const source$ = new Subject<number>();
  const passed = new Passed();
  await new Promise<void>((resolve, reject) => {
    source$
      .pipe(
        toTopic(kafka, topic, (n) => ({ partition: n % PARTITIONS, value: `${n}` }), {
          ...options,
          failures: 'result',
          result: (n, [delivery]) => [n, delivery as Delivery] as const,
        }),
      )
      .subscribe({
        next: ([n, delivery]) => {
          passed.add(n, delivery);
          each(n, delivery);
          if (n + WINDOW < RECORDS) source$.next(n + WINDOW);
          else if (passed.count === RECORDS) source$.complete();
        },
        error: reject,
        complete: resolve,
      });
    for (let n = 0; n < WINDOW; n += 1) source$.next(n);
  });
  return passed;
}

function numbers(first: number, step: number): number[] {
  return Array.from({ length: Math.ceil((RECORDS - first) / step) }, (_, i) => first + i * step);
}
