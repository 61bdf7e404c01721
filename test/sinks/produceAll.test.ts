import { describe, expect, inject, it } from 'vitest';
import { InvalidRecordError, Kafka, OptionError, RecordTooLargeError, UnknownDestinationError, produceAll } from '../../src/index.js';
import { created } from './topics.js';
import { contents, counts } from './witness.js';

const brokers = inject('brokers');

describe.runIf(inject('brokerKind') !== 'embedded')('produceAll', () => {
  it('gives one result for records to several topics and partitions, those that failed included', async () => {
    await using kafka = new Kafka({ brokers });
    const [orders, audit] = [await created('orders', 2), await created('audit', 1)];
    const before = Date.now();

    const result = await produceAll(
      kafka,
      [
        { partition: 1, value: 'a', timestamp: 7 },
        { topic: audit, value: 'b' },
        { partition: 9, value: 'nowhere' },
        { partition: 1, value: 'c' },
        { partition: 0, value: Buffer.alloc(2_000_000) },
      ],
      { topic: orders, messageTimeoutMs: 1_000 },
    );

    expect(result.offsets).toMatchObject([
      { topic: orders, partition: 1, offset: 0, timestamp: 7 },
      { topic: audit, partition: 0, offset: 0 },
      { topic: orders, partition: 9, offset: -1, timestamp: -1, error: expect.any(UnknownDestinationError) as Error },
      { topic: orders, partition: 1, offset: 1 },
      { topic: orders, partition: 0, offset: -1, error: expect.any(RecordTooLargeError) as Error },
    ]);
    expect(result.offsets[1]?.timestamp).toBeGreaterThanOrEqual(before);
    expect(result.hasErrors).toBe(true);
    expect(result.errors).toEqual([result.offsets[2]?.error, result.offsets[4]?.error]);
    expect((await contents(brokers, orders)).map(({ value }) => String(value))).toEqual(['a', 'c']);
  });

  it('has no errors where there are none, and nothing to write', async () => {
    await using kafka = new Kafka({ brokers });
    const topic = await created('fine', 1);

    expect(await produceAll(kafka, [], { topic })).toEqual({ offsets: [], hasErrors: false, errors: [] });
    expect(await produceAll(kafka, [{ value: 'x' }], { topic })).toMatchObject({ offsets: [{ offset: 0 }], hasErrors: false, errors: [] });
  });

  it('writes nothing when one record cannot be written as it is', async () => {
    await using kafka = new Kafka({ brokers });
    const topic = await created('none', 1);

    await expect(produceAll(kafka, [{ topic, value: 'x' }, { value: 'to no topic' }])).rejects.toBeInstanceOf(InvalidRecordError);
    await expect(produceAll(kafka, [{ value: 'x' }], { topik: topic } as object)).rejects.toBeInstanceOf(OptionError);
    expect(await counts(brokers, topic)).toEqual([0]);
  });
});
