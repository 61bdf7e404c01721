import type { MonoTypeOperatorFunction, OperatorFunction } from 'rxjs';
import { EMPTY, NEVER, concatMap, delay, map, merge, of, tap, throwError } from 'rxjs';
import { describe, expect, it } from 'vitest';
import { json } from '../../src/codecs.js';
import { OptionError } from '../../src/errors.js';
import type { Failure } from '../../src/failures.js';
import { commit } from '../../src/operators/commit.js';
import type { DeadLetter } from '../../src/operators/deadLetter.js';
import { deadLetter } from '../../src/operators/deadLetter.js';
import { decode } from '../../src/operators/decode.js';
import { processRecord } from '../../src/operators/processRecord.js';
import type { Positioned } from '../../src/position.js';
import type { Headers, KafkaRecord } from '../../src/record.js';
import { emittedBy, recordAt, recordsOf, source } from '../support/source.js';
import { inVirtualTime } from '../support/virtualTime.js';

/** A sink that acknowledges after 3 ms, and keeps what was written. */
function sink(letters: DeadLetter[] = []): MonoTypeOperatorFunction<DeadLetter> {
  return (letters$) =>
    letters$.pipe(
      tap((letter) => letters.push(letter)),
      delay(3),
    );
}

function told(headers: Headers): [name: string, value: string][] {
  return headers.map(([name, value]) => [name, String(value)]);
}

function failed(record: KafkaRecord<unknown, unknown>, error: unknown = new TypeError('declined')): Failure<KafkaRecord<unknown, unknown>> {
  return { record, error, attempts: 1 };
}

/** The headers of the letter that a failure becomes. */
function headersOf(failure: Failure<KafkaRecord<unknown, unknown>>): Headers {
  const letters: DeadLetter[] = [];
  of(failure)
    .pipe(deadLetter(tap((letter) => letters.push(letter))))
    .subscribe();
  return (letters[0] as DeadLetter).headers;
}

function declines(record: KafkaRecord<unknown>): never {
  throw new TypeError(`declined: ${String(record.offset)}`);
}

function offsets(): OperatorFunction<Positioned, string> {
  return map(({ offset }) => String(offset));
}

describe('deadLetter', () => {
  // @diagram
  it(
    'finishes a failed record when the sink has acknowledged it, and not before',
    inVirtualTime(({ hot, expectObservable, expectSubscriptions, flush }) => {
      const kafka = source();
      const letters: DeadLetter[] = [];
      const values$ = hot('--a--b----|', recordsOf(kafka.lane()));
      const subs = '       ^---------!';
      const result = '     ----------|';
      const onDisk = '     -----1--2';

      const worked$ = values$.pipe(emittedBy(kafka), processRecord(declines, { onError: deadLetter(sink(letters)) }), commit());
      expectObservable(worked$).toBe(result);
      expectObservable(kafka.onDisk$).toBe(onDisk);
      expectSubscriptions(values$.subscriptions).toBe(subs);
      flush();
      expect(letters.map(({ value }) => value)).toEqual(['a', 'b']);
    }),
  );

  it(
    'completes when the last letter is acknowledged',
    inVirtualTime(({ hot, expectObservable }) => {
      const kafka = source();
      const values$ = hot('--a|', recordsOf(kafka.lane()));
      expectObservable(values$.pipe(emittedBy(kafka), processRecord(declines, { onError: deadLetter(sink()) }), commit())).toBe('-----|');
    }),
  );

  it('says where the record came from, and why it failed', () => {
    const record = {
      ...recordAt(source().lane({ partition: 3 }), 42, null),
      timestamp: 1_700_000_000_000,
      headers: [['trace', Buffer.from('7')]] as Headers,
    };
    const error = Object.assign(new TypeError('declined', { cause: new Error('no money') }), { code: 'E_MONEY' });
    expect(told(headersOf(failed(record, error)))).toEqual([
      ['trace', '7'],
      ['dead-letter.topic', 'orders'],
      ['dead-letter.partition', '3'],
      ['dead-letter.offset', '42'],
      ['dead-letter.timestamp', '1700000000000'],
      ['dead-letter.attempt', '1'],
      ['dead-letter.error.name', 'TypeError'],
      ['dead-letter.error.code', 'E_MONEY'],
      ['dead-letter.error.message', 'declined'],
      ['dead-letter.error.cause', 'no money'],
    ]);
  });

  it('keeps the first origin of a letter that fails again, and counts', () => {
    const first = recordAt(source().lane({ partition: 3 }), 42, null);
    const again = (headers: Headers): KafkaRecord<null> => ({ ...recordAt(source().lane({ topic: 'orders.dead' }), 7, null), headers });
    const second = headersOf(failed(again(headersOf(failed(first))), 'out of luck'));
    const third = headersOf(failed(again(second)));
    const found = new Map(told(third));
    expect(found.size).toBe(third.length);
    expect([found.get('dead-letter.topic'), found.get('dead-letter.offset'), found.get('dead-letter.attempt')]).toEqual([
      'orders',
      '42',
      '3',
    ]);
    expect(new Map(told(second)).get('dead-letter.error.message')).toBe('out of luck');
    expect(told(headersOf(failed(again([['dead-letter.attempt', Buffer.from('many')]]))))).toContainEqual(['dead-letter.attempt', '1']);
  });

  it('leaves no header to the sink that a client could not send', () => {
    const headers: Headers = [
      ['binary', Buffer.from([0xff, 1])],
      ['nul', Buffer.from('a\0b')],
      ['none', null],
      ['text', Buffer.from('grüße')],
    ];
    const error = new Error(`\0half a pair: \ud83d${'.'.repeat(5_000)}`);
    const sent = headersOf(failed({ ...recordAt(source().lane(), 0, null), headers }, error));
    expect(told(sent).slice(0, 4)).toEqual([
      ['dead-letter.base64.binary', '/wE='],
      ['dead-letter.base64.nul', 'YQBi'],
      ['dead-letter.null.none', ''],
      ['text', 'grüße'],
    ]);
    const message = new Map(told(sent)).get('dead-letter.error.message') ?? '';
    expect(message.length).toBeLessThanOrEqual(1_000);
    expect(message).toMatch(/^half a pair: \ufffd\.+$/);
    // Once more it comes out the same.
    expect(told(headersOf(failed({ ...recordAt(source().lane(), 0, null), headers: sent }))).slice(0, 4)).toEqual(told(sent).slice(0, 4));
  });

  it(
    'writes poison, and records that failed below decode, as they were read',
    inVirtualTime(({ hot, expectObservable, flush }) => {
      const kafka = source();
      const lane = kafka.lane();
      const letters: DeadLetter[] = [];
      const written = {
        a: recordAt(lane, 0, Buffer.from('{"total": 1}')),
        x: recordAt(lane, 1, Buffer.from('{"total": ')),
        t: recordAt(lane, 2, null),
      };
      const values$ = hot<KafkaRecord>('-axt|', written);
      const onError = { onError: deadLetter(sink(letters)) };

      const worked$ = values$.pipe(
        emittedBy(kafka),
        decode(json<{ total: number }>(), onError),
        map((record) => ({ ...record, value: { changed: record.value } })),
        processRecord(declines, onError),
        commit(),
      );
      expectObservable(worked$).toBe('------|');
      flush();
      expect(letters.map(({ offset, value }) => [offset, value])).toEqual([
        [0, written.a.value],
        [1, written.x.value],
        [2, { changed: null }],
      ]);
      expect(new Map(told((letters[1] as DeadLetter).headers)).get('dead-letter.error.code')).toBe('DECODE');
      expect(lane.checkpoint().frontier).toBe(3);
    }),
  );

  it(
    'errors when the sink does, and leaves the record unfinished',
    inVirtualTime(({ hot, expectObservable, expectSubscriptions, flush }) => {
      const kafka = source();
      const lane = kafka.lane();
      const values$ = hot('-a-b|', recordsOf(lane));
      const broken = { onError: deadLetter(concatMap(() => throwError(() => new Error('no broker')))) };
      expectObservable(values$.pipe(emittedBy(kafka), processRecord(declines, broken))).toBe('-#', {}, new Error('no broker'));
      expectSubscriptions(values$.subscriptions).toBe('^!');
      flush();
      expect(lane.records).toBe(1);
    }),
  );

  it(
    'subscribes to its sink once, at the first failure, and leaves it when it is unsubscribed',
    inVirtualTime(({ cold, hot, expectObservable, expectSubscriptions }) => {
      const connection$ = cold<DeadLetter>('--');
      const values$ = hot('-ab-c-', recordsOf(source().lane()));
      const options = { onError: deadLetter((letters$) => merge(connection$, letters$)) };
      const worked$ = values$.pipe(
        processRecord((record) => (record.value === 'a' ? of('A') : declines(record)), options),
        map(({ value }) => value),
      );
      expectObservable(worked$, '-----!').toBe('-A');
      expectSubscriptions(connection$.subscriptions).toBe('--^--!');
    }),
  );

  it(
    'is never, empty, done and failed when its failures are, and starts afresh with every subscription',
    inVirtualTime(({ cold, expectObservable }) => {
      const used = { twice: deadLetter(sink()) };
      const record = recordAt(source().lane(), 0, 'a');
      const failures$ = cold('-a|', { a: failed(record) });
      expectObservable(NEVER.pipe(used.twice)).toBe('-');
      expectObservable(EMPTY.pipe(used.twice)).toBe('|');
      expectObservable(failures$.pipe(used.twice, offsets())).toBe('----(0|)');
      expectObservable(failures$.pipe(used.twice, offsets()), '--^').toBe('------(0|)');
      expectObservable(cold<Failure<typeof record>>('-#').pipe(used.twice)).toBe('-#');
    }),
  );

  it('refuses what is no sink', () => {
    expect(() => deadLetter(undefined as never)).toThrow(OptionError);
    expect(() => deadLetter('orders.dead' as never)).toThrow(/toTopic/);
  });
});
