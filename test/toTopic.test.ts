import fc from 'fast-check';
import type { Observable } from 'rxjs';
import { concat, defer, EMPTY, from, map, of, Subject, take } from 'rxjs';
import { describe, expect, inject, it } from 'vitest';
import { addon } from '../src/addon.js';
import type { Delivery, KafkaRecord, ProducerRecord } from '../src/index.js';
import { commit, fromTopic, Kafka, memoryOffsets, toTopic } from '../src/index.js';
import { embeddedKafka } from '../src/testing/index.js';
import { collect } from './sinks/outcome.js';
import { created, unique } from './sinks/topics.js';
import { contents, counts } from './sinks/witness.js';
import { eventually } from './support/eventually.js';

const brokers = inject('brokers');
const producesNatively = () =>
  'addon' in addon() && process.env['KAFKA_RX_PRODUCER'] !== 'plain' && process.env['KAFKA_RX_READER'] !== 'plain';
const real = inject('brokerKind') !== 'embedded';
/** Records leave the client by the batch, and only when it is full: so a test decides when they are written. */
const batchesOf = (size: number) => ({ 'linger.ms': 200_000, 'batch.num.messages': size });

describe.runIf(real)('toTopic', () => {
  it('writes none, one or several records for an input, and passes the inputs on in their order', async () => {
    await using kafka = new Kafka({ brokers });
    const topic = await created('numbers', 1);
    const inputs = [3, 0, 1, 0, 2];

    const passed = await collect(
      from(inputs).pipe(
        toTopic(kafka, topic, (n) => (n === 0 ? null : n === 1 ? { value: '1' } : times(n, (i) => ({ value: `${n}.${i}` })))),
      ),
    );

    expect(passed).toEqual(inputs);
    expect(await values(topic)).toEqual(['3.0', '3.1', '3.2', '1', '2.0', '2.1']);
  });

  it('passes an input on only when all of its records are acknowledged, and none before those that came earlier', async () => {
    await using kafka = new Kafka({ brokers });
    const topic = await created('held', 2);
    const source$ = new Subject<{ name: string; to: number[] }>();
    const passed: string[] = [];
    const done = source$
      .pipe(toTopic(kafka, topic, ({ name, to }) => to.map((partition) => ({ partition, value: name })), { properties: batchesOf(3) }))
      .forEach(({ name }) => passed.push(name));

    source$.next({ name: 'both', to: [0, 1] });
    source$.next({ name: 'second', to: [0] });
    source$.next({ name: 'third', to: [0] });
    await eventually(async () => {
      expect(await counts(brokers, topic)).toEqual([3, 0]);
    });
    await roundTrip(kafka);
    expect(passed).toEqual([]);

    source$.next({ name: 'last', to: [1, 1] });
    source$.complete();
    await done;
    expect(passed).toEqual(['both', 'second', 'third', 'last']);
    expect(await counts(brokers, topic)).toEqual([3, 3]);
  });

  it('completes after the last acknowledgement, at once when there is nothing to wait for', async () => {
    await using kafka = new Kafka({ brokers });
    const topic = await created('completed', 1);
    const seen: string[] = [];

    await of('a', 'b', 'c')
      .pipe(toTopic(kafka, topic, (value) => ({ value })))
      .forEach((value) => seen.push(value))
      .then(() => seen.push('complete'));

    expect(seen).toEqual(['a', 'b', 'c', 'complete']);
    expect(await collect(EMPTY.pipe(toTopic(kafka, topic, (value) => ({ value }))))).toEqual([]);
    expect(await collect(of('x', 'y').pipe(toTopic(kafka, topic, () => [])))).toEqual(['x', 'y']);
    expect(await values(topic)).toEqual(['a', 'b', 'c']);
  });

  it('tells `result` where each record was written, in the order of the records', async () => {
    await using kafka = new Kafka({ brokers });
    const topic = await created('placed', 4);
    const inputs = times(50, (n) => times(n % 4, (i) => `${n}.${i}`));

    const placed = await collect(
      from(inputs).pipe(
        toTopic(kafka, topic, (names) => names.map((name) => ({ key: name, value: name })), {
          result: (names, deliveries: readonly Delivery[]) => deliveries.map((delivery, i) => ({ ...delivery, name: names[i] })),
        }),
      ),
    );

    expect(placed.map((deliveries) => deliveries.map(({ name }) => name))).toEqual(inputs);
    const expected = (await contents(brokers, topic)).map(({ partition, offset, timestamp, value }) => ({
      topic,
      partition,
      offset,
      timestamp,
      name: String(value),
    }));
    expect(placed.flat().sort((a, b) => a.partition - b.partition || a.offset - b.offset)).toEqual(expected);
    expect(new Set(expected.map(({ partition }) => partition)).size).toBe(4);
  });

  it("asks the topic function for the topic, and puts a record's own topic before it", async () => {
    await using kafka = new Kafka({ brokers });
    const [even, odd, own] = [await created('even', 1), await created('odd', 1), await created('own', 1)];

    const placed = await collect(
      of(1, 2, 3).pipe(
        toTopic(
          kafka,
          (n) => (n % 2 === 0 ? even : odd),
          (n) => [{ value: `${n}` }, ...(n === 3 ? [{ topic: own, value: `${n}` }] : [])],
          {
            result: (_, deliveries) => deliveries.map(({ topic }) => topic),
          },
        ),
      ),
    );

    expect(placed).toEqual([[odd], [even], [odd, own]]);
    expect([await values(even), await values(odd), await values(own)]).toEqual([['2'], ['1', '3'], ['3']]);
  });

  it("forwards a record's own key, value and headers, and nothing else of it, when told no more", async () => {
    await using kafka = new Kafka({ brokers });
    const [here, there] = [await created('here', 1), await created('there', 3)];
    const records: ProducerRecord[] = [
      { key: 'k', value: 'v', headers: [['a', '1'], ['b', ''], ['a', '2']] }, // prettier-ignore
      { key: null, value: null, timestamp: 1_000 },
      { key: '', value: '' },
    ];
    await collect(from(records).pipe(toTopic(kafka, here, (record) => record)));

    await collect(read(kafka, here).pipe(take(3), toTopic(kafka, there), commit()));

    const [before, after] = [await contents(brokers, here), await contents(brokers, there)];
    const essence = ({ key, value, headers }: (typeof before)[number]) => JSON.stringify({ key, value, headers });
    expect(after.map(essence).sort()).toEqual(before.map(essence).sort());
    expect(after.map(({ timestamp }) => timestamp)).not.toContain(1_000);
  });

  it('writes a record at the partition and with the timestamp that it names', async () => {
    await using kafka = new Kafka({ brokers });
    const topic = await created('exact', 3);

    await collect(
      of(
        { partition: 2, timestamp: 1 },
        { partition: 0, timestamp: 1_700_000_000_123 },
        { partition: 0, timestamp: 1_700_000_000_124.7 },
      ).pipe(toTopic(kafka, topic, (at) => ({ ...at, key: 'same', value: 'v' }))),
    );

    expect((await contents(brokers, topic)).map(({ partition, timestamp }) => [partition, timestamp])).toEqual([
      [0, 1_700_000_000_123],
      [0, 1_700_000_000_124],
      [2, 1],
    ]);
  });

  it("brings equal keys to the partition that Java's producers choose, and spreads records without a key", async () => {
    await using kafka = new Kafka({ brokers });
    const topic = await created('keyed', 6);
    // From the tests of Apache Kafka (UtilsTest) and librdkafka (rdmurmur2.c).
    const hashes: Readonly<Record<string, number>> = {
      '': 0x106e08d9,
      '21': -973_932_308,
      'foobar': -790_332_482,
      'a-little-bit-long-string': -985_981_536,
      'a-little-bit-longer-string': -1_486_304_829,
      'lkjh234lh9fiuh90y23oiuhsafujhadof229phr9h19h89h8': -58_897_971,
      'abc': 479_470_107,
    };

    const chosen = await collect(
      from(Object.keys(hashes)).pipe(
        toTopic(kafka, topic, (key) => ({ key, value: null }), { result: (key, [delivery]) => [key, delivery?.partition] }),
      ),
    );
    expect(chosen).toEqual(Object.entries(hashes).map(([key, hash]) => [key, (hash & 0x7fffffff) % 6]));

    // One by one: the client keeps to one partition for as long as it fills a batch.
    const spread = await collect(
      from(times(100, String)).pipe(toTopic(kafka, topic, (value) => ({ value }), { properties: { 'sticky.partitioning.linger.ms': 0 }, result: (_, [delivery]) => delivery?.partition })), // prettier-ignore
    );
    expect(new Set(spread).size).toBeGreaterThan(1);
  });

  it('gives -1 for the offset where the broker does not tell it', async () => {
    await using kafka = new Kafka({ brokers });
    const topic = await created('untold', 1);

    const offsets = await collect(
      of('a', 'b', 'c').pipe(
        toTopic(kafka, topic, (value) => ({ value }), {
          properties: { 'enable.idempotence': false },
          topicProperties: { acks: 0 },
          result: (_, deliveries) => deliveries.map(({ offset }) => offset),
        }),
      ),
    );

    expect(offsets).toEqual([[-1], [-1], [-1]]);
  });

  it('hears of every record, also where properties ask for reports of errors only', async () => {
    await using kafka = new Kafka({ brokers, properties: { 'delivery.report.only.error': true } });
    const topic = await created('reported', 1);

    expect(await collect(of('a').pipe(toTopic(kafka, topic, (value) => ({ value }))))).toEqual(['a']);
  });

  it('writes again for each subscription', async () => {
    await using kafka = new Kafka({ brokers });
    const topic = await created('again', 1);
    let subscription = 0;
    const stream$ = defer(() => of(`${(subscription += 1)}`)).pipe(toTopic(kafka, topic, (value) => ({ value })));

    expect(await collect(concat(stream$, stream$))).toEqual(['1', '2']);
    expect(await Promise.all([collect(stream$), collect(stream$)])).toEqual([['3'], ['4']]);
    expect((await values(topic)).sort()).toEqual(['1', '2', '3', '4']);
  });
});

describe.each(real ? ['the broker', 'the embedded cluster'] : ['the embedded cluster'])('what toTopic writes to %s', (where) => {
  it('is null where null was given, and empty where empty was given, for keys and for values', async () => {
    await using cluster = where === 'the broker' ? undefined : await embeddedKafka();
    const at = cluster?.brokers ?? brokers;
    await using kafka = new Kafka({ brokers: at });
    const topic = await created('empty', 4, {}, at);
    const fields = {
      null: null,
      text: '',
      alloc: Buffer.alloc(0),
      part: Buffer.from('abc').subarray(1, 1),
      array: Buffer.from(new ArrayBuffer(0)),
      bytes: new Uint8Array(0) as Buffer,
      full: 'x',
    };

    const records = Object.values(fields).flatMap((key) => Object.values(fields).map((value) => ({ partition: 1, key, value })));
    await collect(from(records).pipe(toTopic(kafka, topic, (record) => record)));

    const expected = records.map(({ key, value }) => [written(key), written(value)]);
    expect((await contents(at, topic)).map(({ key, value }) => [written(key), written(value)])).toEqual(expected);
    expect(await collect(fieldsOf(read(kafka, topic), expected.length))).toEqual(expected);
  });

  it('has its headers in order, with names that repeat, in any language, and with empty values', async () => {
    await using cluster = where === 'the broker' ? undefined : await embeddedKafka();
    const at = cluster?.brokers ?? brokers;
    await using kafka = new Kafka({ brokers: at });
    const topic = await created('headed', 4, {}, at);
    const headers = [
      ['b', 'one'],
      ['a', 'two'],
      ['b', 'three'],
      ['7', 'a number'],
      ['', 'no name'],
      ['名前', 'Grüße 👋🏽 \u{feff}'],
      ['mark', '\u{feff}at the start'],
      ['none', ''],
      ['none', Buffer.alloc(0)],
      ['bytes of é', Buffer.from('\u{feff}täxt')],
      ['lines', 'a\r\nb\t\u0001'],
    ] as const;

    const headings = [headers, { z: 'last', y: 'first' }, []] as const;
    await collect(from(headings).pipe(toTopic(kafka, topic, (some) => ({ partition: 0, value: 'v', headers: some }))));

    const expected = [
      headers.map(([name, value]) => [name, String(value)]),
      [
        ['z', 'last'],
        ['y', 'first'],
      ],
      [],
    ];
    expect((await contents(at, topic)).map(textHeaders)).toEqual(expected);
    expect(await collect(read(kafka, topic).pipe(take(3), commit(), map(textHeaders)))).toEqual(expected);
  });

  it.runIf(producesNatively())('has every key, value and header as it was given, whatever bytes it is made of', async () => {
    await using cluster = where === 'the broker' ? undefined : await embeddedKafka();
    const at = cluster?.brokers ?? brokers;
    await using kafka = new Kafka({ brokers: at });
    const topic = await created('bytes', 4, {}, at);
    const field = fc.option(fc.uint8Array({ maxLength: 40 }).map((bytes) => Buffer.from(bytes)));
    const name = fc.string({ unit: 'grapheme', maxLength: 8 }).filter((text) => text.isWellFormed() && !text.includes('\0'));
    const record = fc.record({
      partition: fc.constant(0),
      key: field,
      value: field,
      headers: fc.array(fc.tuple(name, field), { maxLength: 5 }),
    });
    const records = fc.sample(record, 2_000);

    await collect(from(records).pipe(toTopic(kafka, topic, (each) => each)));

    const found = await collect(read(kafka, topic).pipe(take(records.length), commit()));
    expect(found.map(({ key, value, headers }) => ({ partition: 0, key, value, headers }))).toEqual(records);
  });

  it('has a header even where its name means something to JavaScript', async () => {
    await using cluster = where === 'the broker' ? undefined : await embeddedKafka();
    const at = cluster?.brokers ?? brokers;
    await using kafka = new Kafka({ brokers: at });
    const topic = await created('proto', 4, {}, at);
    const headers = [
      ['__proto__', 'own'],
      ['constructor', 'text'],
    ] as const;

    await collect(of(headers).pipe(toTopic(kafka, topic, (some) => ({ value: null, headers: some }))));

    expect((await contents(at, topic)).map(textHeaders)).toEqual([headers]);
  });
});

function textHeaders({ headers }: Pick<KafkaRecord, 'headers'>) {
  return headers.map(([name, value]) => [name, value?.toString()]);
}

function fieldsOf(records: Observable<KafkaRecord>, count: number) {
  return records.pipe(
    take(count),
    commit(),
    map(({ key, value }) => [written(key), written(value)]),
  );
}

/** What is to be found of a field: null, or its text. */
function written(field: Uint8Array | string | null): string | null {
  return field === null ? null : Buffer.from(field).toString();
}

function read(kafka: Kafka, topic: string) {
  return fromTopic(kafka, topic, { group: unique('reader'), offsets: memoryOffsets() });
}

async function values(topic: string): Promise<(string | null)[]> {
  return (await contents(brokers, topic)).map(({ value }) => written(value));
}

/** By now the cluster has answered everything that it was asked before. */
async function roundTrip(kafka: Kafka): Promise<void> {
  const topic = await created('round-trip', 1);
  await collect(of('x').pipe(toTopic(kafka, topic, (value) => ({ value }))));
}

function times<T>(count: number, make: (i: number) => T): T[] {
  return Array.from({ length: count }, (_, i) => make(i));
}
