import { from, of, range } from 'rxjs';
import { afterEach, describe, expect, inject, it, vi } from 'vitest';
import type { ProducerRecord, PublishOutcome } from '../../src/index.js';
import { Kafka, produceAll, publish, publisher, toTopic } from '../../src/index.js';
import { frameBytes } from '../../src/sinks/frame.js';
import { outgoing } from '../../src/sinks/outgoing.js';
import { temporaryFolder } from '../support/temporaryFolder.js';
import { ways } from '../support/ways.js';
import { collect } from './outcome.js';
import { created } from './topics.js';
import { contents, counts } from './witness.js';

const brokers = inject('brokers');
const real = inject('brokerKind') !== 'embedded';
/** A record of its batch alone, with a key of 3 bytes, a value of less than 8 KB, and no headers: what the format adds. */
const BATCH_OVERHEAD = 61 + 2 + 1 + 1 + 1 + 1 + 2 + 1;
/** What the client counts for the format. */
const CLIENT_OVERHEAD = 36;

function valueOf(bytes: number): ProducerRecord {
  return { partition: 0, key: 'key', value: Buffer.alloc(bytes - 3, 'v') };
}

afterEach(() => {
  vi.unstubAllEnvs();
});

describe.runIf(real).each(ways)('one byte below, at, and above a limit, on the %s path:', (way) => {
  const open = (): Kafka => {
    if (way === 'plain') vi.stubEnv('KAFKA_RX_PRODUCER', 'plain');
    return new Kafka({ brokers });
  };

  it("the topic's max.message.bytes", async () => {
    await using kafka = open();
    const topic = await created('limit', 1, { 'max.message.bytes': '2000' });
    const written = async (bytes: number) =>
      // One at a time: the limit is that of a batch.
      (await produceAll(kafka, [valueOf(bytes - BATCH_OVERHEAD)], { topic })).errors.map(({ code, kafkaCode }) => [code, kafkaCode]);

    expect(await written(1_999)).toEqual([]);
    expect(await written(2_000)).toEqual([]);
    expect(await written(2_001)).toEqual([['RECORD_TOO_LARGE', 10]]);
    expect(await counts(brokers, topic)).toEqual([2]);
  });

  it("the client's message.max.bytes, of which headers are a part, and the records beside one that is too large", async () => {
    await using kafka = open();
    const topic = await created('limit', 1);
    const headers = [['name', 'x'.repeat(100)]] as const;
    // The client counts the lengths of a header's name and of its value, too: one byte and two.
    const counted = CLIENT_OVERHEAD + 4 + 1 + 100 + 2;
    const sizes = [1_999, 2_001, 2_000, 2_001, 1_000];

    const { offsets } = await produceAll(
      kafka,
      sizes.map((bytes) => ({ ...valueOf(bytes - counted), headers })),
      { topic, properties: { 'message.max.bytes': 2_000 } },
    );

    expect(offsets.map(({ error }) => error?.code)).toEqual([undefined, 'RECORD_TOO_LARGE', undefined, 'RECORD_TOO_LARGE', undefined]);
    expect(offsets.map(({ offset }) => offset)).toEqual([0, -1, 1, -1, 2]);
  });

  it("the client's queue.buffering.max.kbytes", async () => {
    await using kafka = open();
    const topic = await created('limit', 1);
    const sizes = [1_023, 1_025, 1_024, 1_025, 1_023];

    const { offsets } = await produceAll(
      kafka,
      sizes.map((bytes) => ({ partition: 0, key: 'a key that is not counted', value: Buffer.alloc(bytes) })),
      { topic, properties: { 'queue.buffering.max.kbytes': 1 } },
    );

    expect(offsets.map(({ error }) => error?.code)).toEqual([undefined, 'RECORD_TOO_LARGE', undefined, 'RECORD_TOO_LARGE', undefined]);
    expect((await contents(brokers, topic)).map(({ value }) => value?.length)).toEqual([1_023, 1_024, 1_023]);
  });

  it.each([99, 100, 101, 999, 1_000, 1_001])('what is handed over at once: %d records', async (count) => {
    await using kafka = open();
    const topic = await created('window', 1);

    await collect(range(0, count).pipe(toTopic(kafka, topic, (n) => ({ value: `${n}` }))));

    expect((await contents(brokers, topic)).map(({ value }) => Number(value))).toEqual(Array.from({ length: count }, (_, n) => n));
  });

  it('what is handed over at once: a mebibyte', async () => {
    await using kafka = open();
    const topic = await created('window', 1, { 'max.message.bytes': '3000000' });
    const mebibyte = 1_048_576;
    const sizes = [mebibyte - 1, 1, mebibyte, 2, mebibyte + 1, 3, 500_000, mebibyte - 500_000, 4];

    await collect(
      from(sizes).pipe(
        toTopic(kafka, topic, (size) => ({ value: Buffer.alloc(size) }), { properties: { 'message.max.bytes': 2_000_000 } }),
      ),
    );

    expect((await contents(brokers, topic)).map(({ value }) => value?.length)).toEqual(sizes);
  });

  it('many small records to a topic that takes only small batches, where the client knows', async () => {
    await using kafka = open();
    const topic = await created('small', 1, { 'max.message.bytes': '2000' });
    const records = Array.from({ length: 200 }, () => valueOf(100));

    const refused = await produceAll(kafka, records, { topic });
    expect(String(refused.errors[0])).toContain("set this client's `message.max.bytes` to the same");
    expect((await produceAll(kafka, records, { topic, properties: { 'message.max.bytes': 2_000 } })).errors).toEqual([]);
    expect(await counts(brokers, topic)).toEqual([200]);
  });

  it('many small messages of a publisher, with one that is too large, to a topic that takes only small batches', async () => {
    await using kafka = open();
    await using folder = await temporaryFolder();
    const topic = await created('small', 1, { 'max.message.bytes': '2000' });
    await using out = publisher(kafka, { topic, spill: `${folder.path}/spill` });
    const sizes = Array.from({ length: 200 }, (_, i) => (i === 100 ? 2_000 : 100));

    const told = await collect(from(sizes).pipe(publish(out, valueOf)));

    expect(told.map(fate)).toEqual(sizes.map((size) => (size === 100 ? 'kafka' : 'dropped refused')));
    expect(await counts(brokers, topic)).toEqual([199]);
  });

  it("the publisher's maxMessageBytes", async () => {
    await using kafka = open();
    await using folder = await temporaryFolder();
    const topic = await created('limit', 1);
    const overhead = frameBytes(outgoing({ ...valueOf(3), topic, timestamp: 1 }, topic, String, 'bytes')) - 3;
    await using out = publisher(kafka, { topic, spill: `${folder.path}/spill`, maxMessageBytes: 2_000 });

    const told = await collect(of(1_999, 2_001, 2_000).pipe(publish(out, (bytes) => valueOf(bytes - overhead))));

    expect(told.map(fate)).toEqual(['kafka', 'rejected too-large', 'kafka']);
    expect(out.stats()).toMatchObject({ accepted: 2, rejected: { 'too-large': 1 } });
  });
});

describe.runIf(real)('a message with as many headers as there can be on disk', () => {
  it('is taken, and one with another header is not', { timeout: 120_000 }, async () => {
    await using kafka = new Kafka({ brokers });
    await using folder = await temporaryFolder();
    const topic = await created('headed', 1);
    await using out = publisher(kafka, { topic, spill: `${folder.path}/spill` });
    const most = 2 ** 16 - 1;

    const told = await collect(
      of(most, most + 1).pipe(publish(out, (count) => ({ value: 'v', headers: Array.from({ length: count }, () => ['', ''] as const) }))),
    );

    expect(told.map(fate)).toEqual(['kafka', 'rejected invalid']);
    expect(told[1]?.error?.message).toContain('has 65536 headers: 65535 are what fits');
    expect((await contents(brokers, topic)).map(({ headers }) => headers.length)).toEqual([most]);
  });
});

function fate({ where, reason }: PublishOutcome): string {
  return reason === undefined ? where : `${where} ${reason}`;
}
