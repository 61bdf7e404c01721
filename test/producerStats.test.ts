import { NEVER, concat, filter, firstValueFrom, lastValueFrom, of, range, tap, toArray } from 'rxjs';
import { afterEach, describe, expect, inject, it, vi } from 'vitest';
import { createTopic, setClientQuota } from '../broker/index.js';
import type { KafkaEvent, ProducerStats } from '../src/index.js';
import { Kafka, drain, fromTopic, groupOffsets, publisher, toTopic, toTransaction } from '../src/index.js';
import { numberedTopic, unique } from './support/numbered.js';
import { temporaryFolder } from './support/temporaryFolder.js';
import { ways } from './support/ways.js';
import { eventually } from './support/eventually.js';

const brokers = inject('brokers');
const isReal = inject('brokerKind') !== 'embedded';
const BYTES = 100;

afterEach(() => {
  vi.unstubAllEnvs();
});

describe.each(ways)('the statistics of producers, the %s way', (way) => {
  const chosen = (): void => {
    if (way === 'plain') vi.stubEnv('KAFKA_RX_PRODUCER', 'plain');
  };

  it('of toTopic: what it holds, what has become of the rest, how long that took, and librdkafka says the same', async () => {
    chosen();
    const topic = unique('produced');
    await createTopic(brokers, topic);
    await using kafka = new Kafka({ brokers, properties: { 'statistics.interval.ms': 20 } });
    const [own, all]: [ProducerStats[], ProducerStats[]] = [[], []];
    void kafka.producerStats$.forEach((stats) => all.push(stats));
    const records = 3_000;
    const written$ = range(0, records).pipe(
      toTopic(kafka, topic, () => ({ value: Buffer.alloc(BYTES) }), {
        statsEveryMs: 5,
        // They wait in the client: so there is something to see.
        lingerMs: 300,
        properties: { 'batch.num.messages': 100_000, 'batch.size': 10_000_000 },
        onStats: (stats) => own.push(stats),
      }),
    );
    await drain(written$);
    expect(own.length).toBeGreaterThan(2);
    expect(all).toEqual(own);
    const held = own.filter(({ sendQueueLength }) => sendQueueLength > 0);
    expect(Math.max(...held.map(({ inFlight }) => inFlight))).toBe(records);
    for (const { sendQueueLength, sendQueueBytes, inFlight, delivered } of held) {
      expect(sendQueueBytes).toBe(sendQueueLength * BYTES);
      expect(inFlight).toBeLessThanOrEqual(sendQueueLength);
      expect(delivered + sendQueueLength).toBe(records);
    }
    expect(own.at(-1)).toMatchObject({
      name: 'producer',
      sendQueueLength: 0,
      sendQueueBytes: 0,
      inFlight: 0,
      delivered: records,
      failed: 0,
    });
    // It lingered for so long.
    expect(Math.max(...own.map(({ deliveryLatencyMs }) => deliveryLatencyMs.max))).toBeGreaterThanOrEqual(250);
    expect(own.find(({ rdkafkaStats }) => rdkafkaStats !== undefined)?.rdkafkaStats).toMatchObject({ type: 'producer' });
    const queued = own.map(({ rdkafkaStats }) => (rdkafkaStats as { msg_cnt: number } | undefined)?.msg_cnt ?? 0);
    expect(Math.max(...queued)).toBe(records);
  });

  it('count what fails', async () => {
    chosen();
    const topic = unique('refused');
    await createTopic(brokers, topic);
    await using kafka = new Kafka({ brokers });
    const samples: ProducerStats[] = [];
    const deliveries$ = of(0, 99, 1, 98).pipe(
      toTopic(kafka, topic, (partition) => ({ value: 'x', partition }), {
        failures: 'result',
        result: (_, [delivery]) => delivery?.error,
        onStats: (stats) => samples.push(stats),
      }),
    );
    const errors = await lastValueFrom(deliveries$.pipe(toArray()), { defaultValue: [] });
    expect(errors.map((error) => error?.outcome)).toEqual([undefined, 'failed', undefined, 'failed']);
    expect(samples.at(-1)).toMatchObject({ delivered: 2, failed: 2, sendQueueLength: 0 });
  });

  it.runIf(isReal)('and what brokers do to them is told by events: throttling, statistics, logs', async () => {
    chosen();
    const topic = unique('throttled');
    const clientId = unique('slow');
    await createTopic(brokers, topic);
    await setClientQuota(brokers[0] as string, clientId, 'producer_byte_rate', 1_000);
    await using kafka = new Kafka({ brokers, clientId, properties: { 'statistics.interval.ms': 20, 'debug': 'msg' } });
    const events: KafkaEvent[] = [];
    void kafka.events$.forEach((event) => events.push(event));
    const throttled = firstValueFrom(kafka.events$.pipe(filter(({ type }) => type === 'throttle')), { defaultValue: undefined });
    // As one batch: nothing is left to wait for once the broker has begun to slow the client down.
    const settings = { compression: 'none', lingerMs: 100 } as const;
    const writing = concat(range(0, 100), NEVER)
      .pipe(toTopic(kafka, topic, () => ({ value: Buffer.alloc(1_000), partition: 0 }), settings))
      .subscribe();
    expect(await throttled).toMatchObject({ type: 'throttle', client: 'producer' });
    writing.unsubscribe();
    const throttle = events.find((event) => event.type === 'throttle');
    expect(throttle?.throttleMs).toBeGreaterThan(0);
    expect(throttle?.broker).toMatch(/./);
    expect(events.find((event) => event.type === 'stats')).toMatchObject({ client: 'producer', stats: { type: 'producer' } });
    expect(events.find((event) => event.type === 'log')).toMatchObject({ client: 'producer', level: 'debug' });
  });
});

describe('the statistics of producers', () => {
  it('of a publisher go on counting', async () => {
    await using folder = await temporaryFolder();
    const topic = unique('published');
    await createTopic(brokers, topic);
    await using kafka = new Kafka({ brokers });
    const samples: ProducerStats[] = [];
    void kafka.producerStats$.forEach((stats) => samples.push(stats));
    {
      await using metrics = publisher(kafka, { topic, spill: folder.path, statsEveryMs: 20 });
      for (let i = 0; i < 50; i += 1) metrics.send(null, 'x');
      await firstValueFrom(metrics.stats$.pipe(filter(({ delivered }) => delivered === 50)), { defaultValue: undefined });
    }
    expect(samples.at(-1)).toMatchObject({ name: 'publisher', delivered: 50, failed: 0, sendQueueLength: 0 });
  });

  it.runIf(isReal)('of toTransaction: what is committed, by its id, and throttling by events', async () => {
    const { topic } = await numberedTopic(brokers, { records: 200, partitions: 1, bytes: 1_000 });
    const [out, id, clientId] = [unique('out'), unique('id'), unique('slow')];
    await createTopic(brokers, out, { partitions: 1 });
    await setClientQuota(brokers[0] as string, clientId, 'producer_byte_rate', 20_000);
    await using kafka = new Kafka({ brokers, clientId });
    const throttles$ = kafka.events$.pipe(filter((event) => event.type === 'throttle' && event.client === `producer ${id}`));
    const throttled = firstValueFrom(throttles$, { defaultValue: undefined });
    const samples: ProducerStats[] = [];
    let seen = 0;
    const done = fromTopic(kafka, topic, { group: unique('copy'), offsets: groupOffsets(kafka) })
      .pipe(
        toTransaction(kafka, out, { transactionalId: id, statsEveryMs: 20, onStats: (stats) => samples.push(stats) }),
        tap(() => (seen += 1)),
      )
      .subscribe();
    expect(await throttled).toMatchObject({ type: 'throttle' });
    await eventually(() => {
      expect(seen).toBe(200);
    });
    done.unsubscribe();
    await kafka.close();
    expect(samples.at(-1)).toMatchObject({ name: `producer ${id}`, delivered: 200, failed: 0, sendQueueLength: 0 });
    expect(Math.max(...samples.map(({ inFlight }) => inFlight))).toBeGreaterThan(0);
    expect(Math.max(...samples.map(({ sendQueueLength, sendQueueBytes }) => sendQueueBytes - 1_000 * sendQueueLength))).toBe(0);
    expect(Math.max(...samples.map(({ deliveryLatencyMs }) => deliveryLatencyMs.max))).toBeGreaterThan(0);
  });
});
