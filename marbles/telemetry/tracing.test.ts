import type { Observable } from 'rxjs';
import { NEVER, Subject, concat, concatMap, delay, lastValueFrom, of, tap, throwError, timer, toArray } from 'rxjs';
import { describe, expect, it } from 'vitest';
import { OptionError } from '../../src/errors.js';
import { commit } from '../../src/operators/commit.js';
import { mapValue } from '../../src/operators/mapValue.js';
import { processRecord } from '../../src/operators/processRecord.js';
import { retryRecord } from '../../src/operators/retryRecord.js';
import type { Headers, KafkaRecord, ProducerRecord } from '../../src/record.js';
import type { OpenTelemetryApi } from '../../src/telemetry/openTelemetry.js';
import { tracing } from '../../src/telemetry/tracing.js';
import { openTelemetry } from '../support/openTelemetry.js';
import { emittedBy, recordAt, source } from '../support/source.js';
import { at, inVirtualTime } from '../support/virtualTime.js';

const TRACE = 'a'.repeat(32);
const PRODUCER = 3;
const CONSUMER = 4;

/** Headers as another service has written them. */
function from(span: string, state?: string): Headers {
  return [
    ['kind', Buffer.from('order')],
    ['traceparent', Buffer.from(`00-${TRACE}-${span.padStart(16, '0')}-01`)],
    ...(state === undefined ? [] : [['tracestate', Buffer.from(state)] as const]),
  ];
}

/** Everything that a stream emits before it completes. */
function ran<T>(stream: Observable<T>): Promise<T[]> {
  return lastValueFrom(stream.pipe(toArray()), { defaultValue: [] });
}

function text(headers: ProducerRecord['headers']): readonly string[] {
  return (headers as Headers).map(([name, value]) => `${name}=${String(value)}`);
}

/** Records with these headers, of partition 0 of `t`. */
function setup(...headers: Headers[]) {
  const stream = source();
  const lane = stream.lane();
  const records = headers.map((own, offset): KafkaRecord<string> => ({ ...recordAt(lane, offset, `secret-${offset}`), headers: own }));
  return { ...openTelemetry(), stream, records };
}

const first = (records: readonly KafkaRecord<string>[]): KafkaRecord<string> => records[0] as KafkaRecord<string>;

describe('process', () => {
  it('makes a span that is the child of the one in the headers, is linked to it, and says where the record stands', async () => {
    const { api, spans, records, active } = setup(from('7'));
    let within: string | undefined;
    const traces = tracing(api, { group: 'billing' });
    const [result] = await ran(
      traces.process((record: KafkaRecord<string>) => {
        within = active();
        return of(record.value.length);
      })(first(records)),
    );

    const link = { context: { traceId: TRACE, spanId: '7'.padStart(16, '0'), traceFlags: 1 }, attributes: {} };
    expect(spans).toEqual([
      {
        name: 'process orders',
        kind: CONSUMER,
        attributes: {
          'messaging.system': 'kafka',
          'messaging.operation.name': 'process',
          'messaging.operation.type': 'process',
          'messaging.destination.name': 'orders',
          'messaging.consumer.group.name': 'billing',
          'messaging.destination.partition.id': '0',
          'messaging.kafka.offset': 0,
        },
        links: [link],
        context: { traceId: TRACE, spanId: '1'.padStart(16, '0'), traceFlags: 1 },
        parent: '7'.padStart(16, '0'),
        status: 0,
        ends: 1,
      },
    ]);
    expect(within).toBe(spans[0]?.context.spanId);
    expect(result?.value).toBe(8);
    expect(text(result?.headers)).toEqual(['kind=order', `traceparent=00-${TRACE}-${'1'.padStart(16, '0')}-01`]);
  });

  it('begins a trace for a record that came without one', async () => {
    const { api, spans, records } = setup([]);
    await ran(tracing(api).process(() => of(1))(first(records)));
    expect(spans).toMatchObject([{ parent: undefined, links: [], ends: 1 }]);
    expect(spans[0]?.attributes).not.toHaveProperty('messaging.consumer.group.name');
  });

  it('goes by the last of several headers with the same name, as other readers do', async () => {
    const { api, spans, records } = setup([...from('7'), ...from('8')]);
    const [out] = await ran(tracing(api).process(() => of(1))(first(records)));
    expect(Number(spans[0]?.parent)).toBe(8);
    expect(text(out?.headers)).toEqual(['kind=order', 'kind=order', expect.stringMatching(/^traceparent=.*1-01$/)]);
  });

  it('tells a tombstone from a value', async () => {
    const { api, spans, records } = setup([]);
    await ran(tracing(api).process(() => of(1))({ ...first(records), value: null }));
    expect(spans[0]?.attributes).toMatchObject({ 'messaging.kafka.message.tombstone': true });
  });

  it('takes no trace state along that belongs to another trace', async () => {
    const { api, records } = setup(from('7', 'vendor=1'));
    const traces = tracing(api);
    const [kept] = await ran(traces.process(() => of(1))(first(records)));
    const [batched] = await ran(traces.processBatch((all: KafkaRecord<string>[]) => of(all))(records));
    expect(text(kept?.headers)).toContain('tracestate=vendor=1');
    expect(text(batched?.[0]?.headers)).toEqual(['kind=order', expect.stringMatching(/^traceparent=/)]);
  });

  it.each([
    [
      'throws',
      () => {
        throw new TypeError('secret-0');
      },
    ],
    ['rejects', () => Promise.reject(new TypeError('secret-0'))],
    [
      'errors',
      () =>
        concat(
          of(1),
          throwError(() => new TypeError('secret-0')),
        ),
    ],
  ])('names the class of the error with which work %s, and not what it says', async (_how, work) => {
    const { api, spans, records } = setup(from('7'));
    await expect(ran(tracing(api).process(work)(first(records)))).rejects.toThrow('secret-0');
    expect(spans).toMatchObject([{ status: 2, ends: 1, attributes: { 'error.type': 'TypeError' } }]);
    expect(JSON.stringify(spans)).not.toContain('secret');
  });

  it(
    'ends with its work: with the promise, with the Observable, or when nobody waits any more',
    inVirtualTime(() => {
      const { api, spans, records } = setup([], [], []);
      const [a, b, c] = records as [KafkaRecord<string>, KafkaRecord<string>, KafkaRecord<string>];
      const traces = tracing(api);
      const ended: Record<string, readonly number[]> = {};
      const note = (when: string): void => {
        ended[when] = spans.map(({ ends }) => ends);
      };
      traces
        .process(() => timer(2, 3).pipe(concatMap((i) => (i < 2 ? of(i) : throwError(() => new Error('no more'))))))(a)
        .subscribe({ error: () => undefined });
      traces
        .process(() => of('x').pipe(delay(4)))(b)
        .subscribe();
      const left = traces
        .process(() => NEVER)(c)
        .subscribe();
      at(3, () => {
        note('at 3');
      });
      at(4, () => {
        note('at 4');
      });
      at(6, () => {
        left.unsubscribe();
        note('at 6');
      });
      at(9, () => {
        note('at 9');
        expect(ended).toEqual({ 'at 3': [0, 0, 0], 'at 4': [0, 1, 0], 'at 6': [0, 1, 1], 'at 9': [1, 1, 1] });
      });
    }),
  );

  it('ends with its promise before that goes on, and is active in nothing that stands downstream', async () => {
    const { api, spans, records, active } = setup([]);
    const seen: unknown[] = [];
    const look = (): unknown => seen.push([spans[0]?.ends, active()]);
    const traces = tracing(api);
    await ran(
      traces
        .process(() => Promise.resolve('x'))(first(records))
        .pipe(tap(look)),
    );
    await ran(
      traces
        .process(() => of('x'))(first(records))
        .pipe(tap(look)),
    );
    expect(seen).toEqual([
      [1, undefined],
      [1, undefined],
    ]);
  });

  it('is work for processRecord, retryRecord and mergeMap: what comes of it keeps its place', async () => {
    const { api, spans, records, stream } = setup(from('7'), from('8'), from('9'));
    const traces = tracing(api);
    const attempts: number[] = [];
    const onDisk: string[] = [];
    void stream.onDisk$.forEach((line) => onDisk.push(line));
    const results = await ran(
      of(...records).pipe(
        emittedBy(stream),
        processRecord(traces.process(({ value }) => Promise.resolve(value.length))),
        retryRecord(
          traces.process((_record, { attempt }) => (attempts.push(attempt) < 2 ? throwError(() => new Error('again')) : of(undefined))),
          { delayMs: 0 },
        ),
        concatMap(traces.process((record, index: number) => of({ ...record, value: `${record.value}${index}` }))),
        commit(),
      ),
    );
    expect(results.map(({ value }) => value).sort()).toEqual(['80', '81', '82']);
    expect(attempts.sort()).toEqual([1, 1, 1, 2]);
    expect(spans.filter(({ status }) => status === 2)).toHaveLength(1);
    expect(spans.every(({ ends }) => ends === 1)).toBe(true);
    // Each is the child of the one before, down to those that came in the headers.
    const parents = spans.map(({ parent }) => Number(parent));
    expect(parents.slice(0, 3)).toEqual([7, 8, 9]);
    expect(onDisk.at(-1)).toBe('3');
  });
});

describe('processBatch', () => {
  it('makes one span with a link to what made each record, which what comes of it carries on', async () => {
    const { api, spans, records } = setup(from('7'), from('8'), []);
    const worked: number[] = [];
    const [out] = await ran(
      tracing(api, { group: 'billing' }).processBatch((all: KafkaRecord<string>[]) => of(void worked.push(all.length)))(records),
    );
    expect(worked).toEqual([3]);
    expect(spans).toHaveLength(1);
    expect(spans[0]).toMatchObject({
      name: 'process orders',
      kind: CONSUMER,
      parent: undefined,
      ends: 1,
      attributes: { 'messaging.batch.message_count': 3, 'messaging.destination.name': 'orders', 'messaging.destination.partition.id': '0' },
    });
    expect(spans[0]?.attributes).not.toHaveProperty('messaging.kafka.offset');
    expect(spans[0]?.links.map(({ context, attributes }) => [Number(context.spanId), attributes?.['messaging.kafka.offset']])).toEqual([
      [7, 0],
      [8, 1],
    ]);
    const ids = out?.map(
      ({ headers }) =>
        text(headers)
          .find((header) => header.startsWith('traceparent'))
          ?.split('-')[2],
    );
    expect(ids).toEqual([1, 1, 1].map((id) => String(id).padStart(16, '0')));
  });

  it('names no topic and no partition where there are several', async () => {
    const { api, spans, records } = setup([], []);
    const [one, two] = records as [KafkaRecord<string>, KafkaRecord<string>];
    const traces = tracing(api);
    await ran(traces.processBatch(() => of(1))([one, { ...two, partition: 1 }]));
    await ran(traces.processBatch(() => of(1))([one, { ...two, topic: 'u' }]));
    expect(spans.map(({ name, attributes }) => [name, attributes['messaging.destination.partition.id']])).toEqual([
      ['process orders', undefined],
      ['process', undefined],
    ]);
  });
});

describe('outgoing', () => {
  it('makes a span for each record that is written, which goes out with it', () => {
    const { api, spans, records } = setup(from('7'));
    const to = tracing(api).outgoing('out', (record: KafkaRecord<string>) => [
      { key: 'k', value: record.value, headers: { kind: 'bill', traceparent: 'stale' } },
      { value: null, topic: 'other', partition: 3 },
    ]);
    const [one, two] = to(first(records)) as [ProducerRecord, ProducerRecord];
    expect(spans).toMatchObject([
      { name: 'create out', kind: PRODUCER, parent: '7'.padStart(16, '0'), links: [], ends: 1 },
      { name: 'create other', attributes: { 'messaging.destination.partition.id': '3', 'messaging.kafka.message.tombstone': true } },
    ]);
    expect(spans[0]?.attributes).toEqual({
      'messaging.system': 'kafka',
      'messaging.operation.name': 'create',
      'messaging.operation.type': 'create',
      'messaging.destination.name': 'out',
    });
    expect(text(one.headers)).toEqual(['kind=bill', `traceparent=00-${TRACE}-${'1'.padStart(16, '0')}-01`]);
    expect(text(two.headers)).toEqual([`traceparent=00-${TRACE}-${'2'.padStart(16, '0')}-01`]);
    expect(one).toMatchObject({ key: 'k', value: 'secret-0' });
  });

  it('names where a spread record goes, and not where it came from', () => {
    const { api, spans, records } = setup(from('7'));
    tracing(api).outgoing('out', (record: KafkaRecord<string>) => ({ ...record, key: 'k' }))(first(records));
    expect(spans).toMatchObject([{ name: 'create out' }]);
    expect(spans[0]?.attributes).not.toHaveProperty('messaging.destination.partition.id');
  });

  it('writes the input itself unless it is told what, and nothing if that is nothing', () => {
    const { api, spans, records } = setup(from('7'));
    const traces = tracing(api);
    expect(traces.outgoing('out')(first(records))).toMatchObject({ key: null, value: 'secret-0' });
    expect(traces.outgoing('out', () => null)(first(records))).toBeNull();
    expect(traces.outgoing('out', () => [])(first(records))).toEqual([]);
    expect(spans).toHaveLength(1);
  });

  it('is the child of what an array comes from, or is linked to it where that is several', () => {
    const { api, spans, records } = setup(from('7'), from('7'), from('8'));
    const to = tracing(api).outgoing('out', () => ({ value: 'x' }));
    to(records.slice(0, 2));
    to(records);
    to('something else');
    expect(spans.map(({ parent, links }) => [Number(parent), links.map(({ context }) => Number(context.spanId))])).toEqual([
      [7, []],
      [NaN, [7, 8]],
      [NaN, []],
    ]);
  });

  it('leaves what is no record, and headers that are none, for the sink to refuse', () => {
    const { api, records } = setup(from('7'));
    const headers = new Map([['a', 'b']]) as never;
    expect(tracing(api).outgoing('out', () => ({ value: 'x', headers }))(first(records))).toEqual({ value: 'x', headers });
    expect(tracing(api).outgoing('out', () => 7 as never)(first(records))).toBe(7);
  });

  it('takes up what mapValue and others have passed on', async () => {
    const { api, spans, records } = setup(from('7'));
    const traces = tracing(api);
    const records$ = new Subject<KafkaRecord<string>>();
    const written = ran(
      records$.pipe(
        processRecord(traces.process(() => Promise.resolve('x'))),
        mapValue((value) => value.toUpperCase()),
        concatMap((record) => of(traces.outgoing<typeof record>('out')(record))),
      ),
    );
    records$.next(first(records));
    records$.complete();
    expect(await written).toMatchObject([{ value: 'X' }]);
    expect(spans.map(({ name, parent }) => [name, Number(parent)])).toEqual([
      ['process orders', 7],
      ['create out', 1],
    ]);
  });
});

it('says what it needs', () => {
  const { api } = openTelemetry();
  expect(() => tracing({} as OpenTelemetryApi)).toThrow(/`@opentelemetry\/api`/);
  expect(() => tracing(api, { groups: 'g' } as object)).toThrow(OptionError);
  expect(() => tracing(api).process(undefined as never)).toThrow(/process\(\) goes around is a function/);
});
