import { afterEach, beforeEach, describe, expect, it, vi } from 'vitest';
import { DeliveryError } from '../../src/errors.js';
import type { ProducerStats } from '../../src/sinks/producerStats.js';
import type { ProducerMeterOptions } from '../../src/sinks/producerMeter.js';
import { ProducerMeter } from '../../src/sinks/producerMeter.js';
import type { Sent } from '../../src/sinks/transport.js';

const record = {
  topic: 'orders',
  partition: null,
  key: null,
  value: Buffer.from('abc'),
  timestamp: undefined,
  headers: [],
} as Sent['record'];

function sent() {
  const told: unknown[] = [];
  const one: Sent = {
    record,
    acknowledged: (...where) => told.push(where),
    failed: (error) => told.push(error),
  };
  return { one, told };
}

function scene(options: Partial<ProducerMeterOptions> = {}) {
  const errors: unknown[] = [];
  const samples: ProducerStats[] = [];
  const meter = new ProducerMeter({
    name: 'producer',
    statsEveryMs: 1_000,
    onStats: undefined,
    onError: (error) => errors.push(error),
    ...options,
  });
  return { meter, samples, errors };
}

const pass = (ms: number): Promise<unknown> => vi.advanceTimersByTimeAsync(ms);

beforeEach(() => {
  vi.useFakeTimers();
});

afterEach(() => {
  vi.useRealTimers();
});

describe('the statistics of a producer', () => {
  it('are what it holds, what became of the rest, and how long a record takes, one at a time', async () => {
    const { meter, samples } = scene();
    void meter.stats$.forEach((stats) => samples.push(stats));
    meter.use(() => ({ sendQueueLength: 5, sendQueueBytes: 15, inFlight: 2 }));
    const [first, second, third] = [sent(), sent(), sent()];
    const [one, two] = [meter.timing(first.one), meter.timing(second.one)];
    // Of those on their way at the same time only one is timed: the other is itself.
    expect(two).toBe(second.one);
    await pass(30);
    one.acknowledged(1, 2, 3);
    expect(first.told).toEqual([[1, 2, 3]]);
    const next = meter.timing(third.one);
    await pass(90);
    next.acknowledged(1, 3, 4);
    Object.assign(meter.outcomes, { delivered: 3, failed: 1 });
    meter.note({ txmsgs: 4 });
    await pass(1_000);
    expect(samples).toEqual([
      {
        id: expect.any(Number) as number,
        ...{ name: 'producer', at: Date.now() - 120, sendQueueLength: 5, sendQueueBytes: 15, inFlight: 2, delivered: 3, failed: 1 },
        ...{ deliveryLatencyMs: { last: 90, max: 90, mean: 60 }, rdkafkaStats: { txmsgs: 4 } },
      },
    ]);
    meter.outcomes.delivered += 2;
    await pass(1_000);
    expect(samples[1]).toMatchObject({ delivered: 5, failed: 1, deliveryLatencyMs: { last: 90, max: 0, mean: 0 } });
  });

  it('time no record that fails, and the next one after it', () => {
    const { meter } = scene();
    void meter.stats$.forEach(() => undefined);
    const [first, second] = [sent(), sent()];
    const error = new DeliveryError('no', { topic: 'orders', partition: 0, kafkaCode: -1, outcome: 'unknown', retriable: true });
    meter.timing(first.one).failed(error);
    expect(first.told).toEqual([error]);
    expect(meter.timing(second.one)).not.toBe(second.one);
  });

  it('time the records of a client that comes in place of one that never settled what it had', () => {
    const { meter } = scene();
    void meter.stats$.forEach(() => undefined);
    const release = meter.use(() => ({ sendQueueLength: 1, sendQueueBytes: 1, inFlight: 1 }));
    const [lost, next] = [sent(), sent()];
    expect(meter.timing(lost.one)).not.toBe(lost.one);
    expect(meter.timing(next.one)).toBe(next.one);
    release();
    meter.use(() => ({ sendQueueLength: 0, sendQueueBytes: 0, inFlight: 0 }));
    expect(meter.timing(next.one)).not.toBe(next.one);
  });

  it('cost nothing while nobody listens', async () => {
    const { meter } = scene();
    const held = vi.fn(() => ({ sendQueueLength: 0, sendQueueBytes: 0, inFlight: 0 }));
    meter.use(held);
    meter.start();
    const { one } = sent();
    expect(meter.timing(one)).toBe(one);
    await pass(5_000);
    expect(held).not.toHaveBeenCalled();
    expect(vi.getTimerCount()).toBe(0);
  });

  it('go to `onStats`, which may throw, and have a last word', async () => {
    const samples: ProducerStats[] = [];
    const { meter, errors } = scene({
      onStats: (stats) => {
        samples.push(stats);
        throw new RangeError('no chart');
      },
    });
    meter.start();
    await pass(2_000);
    expect([samples.length, errors.length]).toEqual([2, 2]);
    meter.outcomes.delivered += 7;
    meter.stop();
    meter.stop();
    expect(samples.at(-1)).toMatchObject({ delivered: 7 });
    await pass(5_000);
    expect(samples).toHaveLength(3);
    expect(vi.getTimerCount()).toBe(0);
  });
});
