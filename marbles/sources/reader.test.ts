import type { Message } from 'node-rdkafka';
import { describe, expect, it } from 'vitest';
import type { Batch, Consume, ReadError } from '../../src/sources/reader.js';
import { plainReader } from '../../src/sources/reader.js';
import { source } from '../support/source.js';

/** Answers each read with what is next, and notes how it was asked. */
function client(...answers: readonly (Message[] | ReadError)[]): { consume: Consume; asked: [waitMs: number, max: number][] } {
  const asked: [number, number][] = [];
  const left = [...answers];
  return {
    asked,
    consume(waitMs, max, done) {
      asked.push([waitMs, max]);
      const answer = left.shift() ?? [];
      if (Array.isArray(answer)) done(null, answer);
      else done(answer, undefined);
    },
  };
}

function message(fields: Partial<Message> = {}): Message {
  return { topic: 'orders', partition: 0, offset: 0, size: 0, value: null, key: null, timestamp: 0, ...fields };
}

function read(consume: Consume): { error: ReadError | undefined; batch: Batch } {
  let answer: { error: ReadError | undefined; batch: Batch } | undefined;
  plainReader(consume).read(10, 100, (error, batch) => {
    answer = { error, batch };
  });
  if (answer === undefined) throw new Error('nothing was answered');
  return answer;
}

describe('plainReader', () => {
  it('waits for one record, drains while there are some, and waits for one again', () => {
    const { consume, asked } = client([message()], [message(), message()], [], [message()]);
    const reader = plainReader(consume);
    for (let i = 0; i < 4; i += 1) reader.read(10, 100, () => undefined);
    expect(asked).toEqual([
      [100, 1],
      [0, 10],
      [0, 10],
      [100, 1],
    ]);
  });

  it('says where partitions have ended, also without records', () => {
    const end = { topic: 'orders', partition: 0, offset: 3 };
    const consume: Consume = (_waitMs, _max, done) => {
      done(null, [], [end]);
    };
    expect(read(consume)).toMatchObject({ error: undefined, batch: { length: 0, ends: [end] } });
  });

  it('gives an error without records', () => {
    const error = { code: -195, message: 'broker transport failure' };
    expect(read(client(error as never).consume)).toMatchObject({ error, batch: { length: 0 } });
  });

  it('gives records with plain fields, null where there is none, and headers in their order', () => {
    const lane = source().lane();
    const headers = [{ a: Buffer.from('1') }, { b: null }, { a: Buffer.from('') }] as never;
    const { batch } = read(client([message({ offset: 7, key: undefined as never, value: Buffer.from('v'), size: 1, headers })]).consume);

    const record = batch.record(0, lane);
    expect({ ...record }).toMatchObject({ topic: 'orders', partition: 0, offset: 7, timestamp: 0, key: null, value: Buffer.from('v') });
    expect(record.headers).toEqual([
      ['a', Buffer.from('1')],
      ['b', null],
      ['a', Buffer.from('')],
    ]);
    expect(batch.bytes(0)).toBe(1 + 2 + 1 + 1);
  });

  it('takes a header called __proto__ for what it is', () => {
    // So does the client make its headers: by assignment, which for this name sets the prototype.
    const header: Record<string, unknown> = {};
    header['__proto__'] = Buffer.from('x');
    const { batch } = read(client([message({ headers: [header] as never })]).consume);

    expect(batch.bytes(0)).toBe('__proto__'.length + 1);
    expect(batch.record(0, source().lane()).headers).toEqual([['__proto__', Buffer.from('x')]]);
  });
});
