import fc from 'fast-check';
import { from, lastValueFrom, map, take, toArray } from 'rxjs';
import { afterEach, describe, expect, inject, it, vi } from 'vitest';
import type { KafkaRecord, ProducerRecord } from '../../src/index.js';
import {
  Kafka,
  fromTopic,
  groupOffsets,
  memoryOffsets,
  produceAll,
  publish,
  publisher,
  readTopic,
  release,
  toTopic,
  toTransaction,
} from '../../src/index.js';
import { writeNumbers } from '../support/numbered.js';
import { temporaryFolder } from '../support/temporaryFolder.js';
import { ways } from '../support/ways.js';
import { collect } from './outcome.js';
import { created, unique } from './topics.js';

/** How many lists of records go through each sink; more by `KAFKA_RX_ROUND_TRIPS`. */
const ROUND_TRIPS = Number(process.env['KAFKA_RX_ROUND_TRIPS'] ?? 2);
const brokers = inject('brokers');
const real = inject('brokerKind') !== 'embedded';
/** Times before yesterday and beyond tomorrow stay, and are taken. */
const ANY_TIME = { 'retention.ms': '-1', 'message.timestamp.after.max.ms': String(2n ** 63n - 1n) };

type Header = readonly [string, Buffer | null];
interface Given extends ProducerRecord {
  readonly key: Buffer | null;
  readonly value: Buffer | null;
  readonly headers: readonly Header[];
  readonly timestamp: number;
}

/** Writes the records, in their order, to the only partition of the topic. */
type Sink = (kafka: Kafka, topic: string, records: readonly Given[]) => Promise<unknown>;

const sinks: Readonly<Record<string, Sink>> = {
  toTopic: (kafka, topic, records) => collect(from(records).pipe(toTopic(kafka, topic, (record) => record))),
  produceAll: async (kafka, topic, records) => {
    expect((await produceAll(kafka, records, { topic })).errors).toEqual([]);
  },
  toTransaction: async (kafka, topic, records) => {
    const inputs = await created('inputs', 1);
    await writeNumbers(brokers, inputs, { from: 0, records: records.length, partitions: 1, bytes: 4 });
    const group = unique('transformed');
    await collect(
      fromTopic(kafka, inputs, { group, offsets: groupOffsets(kafka) }).pipe(
        toTransaction<KafkaRecord>(kafka, topic, ({ offset }) => records[offset], { transactionalId: group, everyMs: 10 }),
        take(records.length),
      ),
    );
  },
  publisher: async (kafka, topic, records) => {
    await using folder = await temporaryFolder();
    await using out = publisher(kafka, { topic, spill: `${folder.path}/spill` });
    const told = await collect(from(records).pipe(publish(out, (record) => record)));
    expect(told.map(({ where }) => where)).toEqual(records.map(() => 'kafka'));
  },
};

const bytes = (maxLength: number) => fc.uint8Array({ maxLength }).map((array) => Buffer.from(array));
const text = fc.string({ unit: 'grapheme', maxLength: 12 }).filter((each) => each.isWellFormed() && !each.includes('\0'));
/** What bounds lie at: a length takes one byte up to 63, two up to 8,191. */
const EDGES = [0, 1, 63, 64, 8_191, 8_192];
const field = fc.option(
  fc.oneof(
    bytes(40),
    fc.constantFrom(...EDGES).map((length) => Buffer.alloc(length, 0xff)),
  ),
);
const name = fc.oneof(
  text,
  fc.constantFrom('', '7', '__proto__', 'constructor', 'é'.repeat(32), '名前', '👋🏽', '\u{10ffff}'.repeat(2_048), '\u{feff}mark'),
);

function records(headerValue: fc.Arbitrary<Buffer | null>): fc.Arbitrary<Given[]> {
  const header = fc.tuple(name, headerValue);
  const record = fc.record({
    key: field,
    value: field,
    // Names come twice and more.
    headers: fc.oneof(
      fc.array(header, { maxLength: 6 }),
      header.map((same) => [same, same, same] as const),
    ),
    timestamp: fc.oneof(fc.integer({ min: 1, max: 8_640_000_000_000_000 }), fc.constantFrom(1, 2 ** 31, 2 ** 53 - 1)),
  });
  return fc.array(record, { minLength: 1, maxLength: 60 });
}

/** What is left of a record when it was written and read. */
function essence({ key, value, headers, timestamp }: Pick<Given, 'key' | 'value' | 'headers' | 'timestamp'>): unknown {
  return {
    key: shown(key),
    value: shown(value),
    headers: headers.map(([named, own]) => [named, shown(own)]),
    timestamp,
  };
}

function shown(buffer: Buffer | null): string | null {
  return buffer === null ? null : buffer.toString('hex');
}

afterEach(() => {
  vi.unstubAllEnvs();
});

describe.runIf(real).each(ways)('records on the %s path', (way) => {
  it.each(Object.entries(sinks))('are equal after a round trip through %s, whatever they are made of', async (sinkName, write) => {
    if (way === 'plain') {
      vi.stubEnv('KAFKA_RX_PRODUCER', 'plain');
      vi.stubEnv('KAFKA_RX_READER', 'plain');
    }
    // node-rdkafka itself writes and reads headers as C strings.
    const anyHeader = way === 'native' && sinkName !== 'toTransaction';
    await using kafka = new Kafka({ brokers });
    const topic = await created('round-trip', 1, ANY_TIME);
    const written: Given[] = [];
    await fc.assert(
      fc.asyncProperty(records(anyHeader ? field : text.map((each) => Buffer.from(each))), async (given) => {
        const place = { 0: await endOf(kafka, topic) };
        await write(kafka, topic, given);
        written.push(...given);
        const found = await collect(readTopic(kafka, topic, { from: place, until: 'latest' }));
        expect(found.map(essence)).toEqual(given.map(essence));
      }),
      { numRuns: ROUND_TRIPS },
    );

    const group$ = fromTopic(kafka, topic, { group: unique('reader'), offsets: memoryOffsets() });
    const all = await lastValueFrom(group$.pipe(take(written.length), release(), map(essence), toArray()), { defaultValue: [] });
    expect(all).toEqual(written.map(essence));
  });
});

async function endOf(kafka: Kafka, topic: string): Promise<number> {
  const [end] = await kafka.admin.offsets(topic, 'latest');
  return end?.offset ?? 0;
}
