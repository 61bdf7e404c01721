import { describe, expect, it } from 'vitest';
import type { KafkaRecord } from '../../src/record.js';
import { detach } from '../../src/record.js';
import type { ReadRows } from '../../src/sources/nativeReader.js';
import { nativeReader } from '../../src/sources/nativeReader.js';
import type { Batch, ReadError } from '../../src/sources/reader.js';
import { source } from '../support/source.js';

const PARTITION_EOF = -191;

interface Row {
  readonly offset: number;
  readonly code?: number;
  /** Of the leader. */
  readonly epoch?: number;
  /** librdkafka's number for who set the time. */
  readonly timeType?: number;
  readonly key?: string | null;
  readonly value?: string | null;
  readonly headers?: readonly (readonly [name: string, value: string | null])[];
}

/** An addon that has read these rows. */
function rows(...given: readonly Row[]): ReadRows {
  return (_maxRecords, _maxBytes, _waitMs, done) => {
    const texts = ['orders'];
    const doubles: number[] = [];
    const integers: number[] = [];
    const headers: number[] = [];
    let bytes = '';
    const length = (text: string | null): number => {
      bytes += text ?? '';
      return text === null ? -1 : text.length;
    };
    for (const { offset, code = 0, epoch = 7, timeType = 1, key = null, value = null, headers: own = [] } of given) {
      const start = bytes.length;
      doubles.push(offset, code === 0 ? 1_000 + offset : -1);
      integers.push(0, 3, code === 0 ? epoch : -1, code, start, length(key), length(value), headers.length / 2, own.length);
      for (const [name, text] of own) headers.push(texts.push(name) - 1, length(text));
      integers.push(bytes.length - start + own.reduce((sum, [name]) => sum + name.length, 0), code === 0 ? timeType : 0);
    }
    const columns = new Uint8Array(doubles.length * 8 + (integers.length + headers.length) * 4);
    new Float64Array(columns.buffer, 0, doubles.length).set(doubles);
    new Int32Array(columns.buffer, doubles.length * 8).set([...integers, ...headers]);
    done(given.length, texts, columns.buffer, new TextEncoder().encode(bytes).buffer);
  };
}

function read(addon: ReadRows): { error: ReadError | undefined; batch: Batch; records: KafkaRecord[] } {
  let answer: { error: ReadError | undefined; batch: Batch } | undefined;
  nativeReader(addon).read(10, 100, (error, batch) => {
    answer = { error, batch };
  });
  if (answer === undefined) throw new Error('nothing was answered');
  const lane = source().lane();
  const { batch } = answer;
  return { ...answer, records: Array.from({ length: batch.length }, (_, row) => batch.record(row, lane)) };
}

describe('nativeReader', () => {
  it('asks for a bounded number of records and of bytes, and waits as long as it is told', () => {
    const asked: number[][] = [];
    nativeReader((...[maxRecords, maxBytes, waitMs]) => asked.push([maxRecords, maxBytes, waitMs])).read(10, 100, () => undefined);
    expect(asked).toEqual([[10, 4_194_304, 100]]);
  });

  it('gives records whose fields are own properties: object spread keeps them', () => {
    const headers = [
      ['a', '1'],
      ['b', null],
      ['a', ''],
      ['a', 'xy'],
    ] as const;
    const { batch, records, error } = read(rows({ offset: 5, key: 'k', value: 'first', headers }, { offset: 6, value: 'second' }));

    expect(error).toBeUndefined();
    expect([batch.topic(1), batch.partition(1), batch.offset(1), batch.bytes(0), batch.bytes(1)]).toEqual(['orders', 3, 6, 13, 6]);
    expect(records.map((record) => ({ ...record }))).toMatchObject([
      {
        topic: 'orders',
        partition: 3,
        offset: 5,
        timestamp: 1_005,
        timestampType: 'CreateTime',
        leaderEpoch: 7,
        key: Buffer.from('k'),
        value: Buffer.from('first'),
        headers: headers.map(([name, text]) => [name, text === null ? null : Buffer.from(text)]),
      },
      { offset: 6, key: null, value: Buffer.from('second'), headers: [] },
    ]);
    const fields = ['topic', 'partition', 'offset', 'timestamp', 'timestampType', 'leaderEpoch', 'key', 'value', 'headers'];
    expect(Object.keys(records[0] as object)).toEqual(fields);
  });

  it('says who set the time and the epoch of the leader, where librdkafka knows them', () => {
    const eof = { offset: 2, code: PARTITION_EOF, value: 'no more messages' };
    const { records } = read(
      rows({ offset: 0, timeType: 1, epoch: 0 }, eof, { offset: 1, timeType: 2, epoch: 12 }, eof, { offset: 2, timeType: 0, epoch: -1 }),
    );
    expect(records.map(({ timestampType, leaderEpoch }) => [timestampType, leaderEpoch])).toEqual([
      ['CreateTime', 0],
      ['LogAppendTime', 12],
      [undefined, undefined],
    ]);
  });

  it('tells null from empty, and makes no headers where there are none', () => {
    const { records } = read(
      rows({ offset: 0, key: '', value: null }, { offset: 1, key: null, value: '' }, { offset: 2, key: 'k', value: '' }),
    );
    const empty = Buffer.alloc(0);
    expect(records.map(({ key, value }) => [key, value])).toEqual([
      [empty, null],
      [null, empty],
      [Buffer.from('k'), empty],
    ]);
    expect(records[0]?.headers).toBe(records[1]?.headers);
    expect(records[0]?.headers).toSatisfy(Object.isFrozen);
  });

  it('tells rows which say that a partition has ended from records', () => {
    const eof = { offset: 2, code: PARTITION_EOF, value: 'no more messages' };
    const { batch, records, error } = read(
      rows(eof, { offset: 0, value: 'a' }, eof, eof, { offset: 1, value: 'b' }, { ...eof, offset: 7 }),
    );
    expect(batch.ends.map(({ topic, offset }) => [topic, offset])).toEqual([2, 2, 2, 7].map((offset) => ['orders', offset]));
    expect(records.map(({ offset, timestamp, value }) => [offset, timestamp, String(value)])).toEqual([
      [0, 1_000, 'a'],
      [1, 1_001, 'b'],
    ]);
    expect(error).toBeUndefined();
    expect(read(rows(eof))).toMatchObject({ error: undefined, records: [], batch: { ends: [{ offset: 2 }] } });
  });

  it('gives an error that came after records with them', () => {
    const { records, error } = read(rows({ offset: 0, value: 'a' }, { offset: -1001, code: -195, value: 'transport' }));
    expect(records).toHaveLength(1);
    expect(error).toEqual({ code: -195, message: 'transport' });
  });

  it('has nothing where nothing was read, and an error where reading failed', () => {
    expect(read(rows())).toMatchObject({ error: undefined, records: [] });
    const failed = read((_maxRecords, _maxBytes, _waitMs, done) => {
      (done as (error: Error) => void)(new Error('out of memory'));
    });
    expect(failed).toMatchObject({ error: { code: -1, message: 'out of memory' }, records: [] });
  });
});

describe('detach', () => {
  it('gives a record that shares no memory with those read together with it', () => {
    const { records } = read(rows({ offset: 0, key: 'key', value: 'value', headers: [['a', 'b']] }, { offset: 1, value: 'other' }));
    const [record, other] = records as [KafkaRecord, KafkaRecord];
    expect(record.key?.buffer).toBe(other.value?.buffer);

    const own = detach(record);
    expect(own).toEqual(record);
    const fields = [own.key, own.value, own.headers[0]?.[1]] as Buffer[];
    expect(fields.map(({ buffer, byteLength }) => buffer.byteLength - byteLength)).toEqual([0, 0, 0]);
    own.value?.fill(0);
    expect(String(record.value)).toBe('value');
    expect(detach(other)).toEqual(other);
  });
});
