import type { Observable, OperatorFunction } from 'rxjs';
import { Subject, concat, delay, from, ignoreElements, map, mergeMap, of, take, tap, throwError } from 'rxjs';
import { describe, expect, it } from 'vitest';
import type { Codec } from '../../src/codecs.js';
import { json } from '../../src/codecs.js';
import { DecodeError, OptionError } from '../../src/errors.js';
import type { Failure } from '../../src/failures.js';
import { commit } from '../../src/operators/commit.js';
import type { DecodeOptions } from '../../src/operators/decode.js';
import { Poison, decode } from '../../src/operators/decode.js';
import type { Positioned } from '../../src/position.js';
import type { KafkaRecord } from '../../src/record.js';
import { RAW } from '../../src/record.js';
import type { PartitionLane } from '../../src/sources/lane.js';
import { later } from '../support/later.js';
import { emittedBy, recordAt, recordsOf, source } from '../support/source.js';
import { at, inVirtualTime } from '../support/virtualTime.js';

/** Letters in capitals; `x` is poison. */
const loud: Codec<string> = {
  decode: (all) => {
    if (String(all) === 'x') throw new TypeError('poison');
    return String(all).toUpperCase();
  },
};

/** The same, but each letter takes its time. */
function slow(ms: Readonly<Record<string, number>>): Codec<string> {
  return {
    decode: (all) => {
      const letter = String(all);
      const value = { value: letter.toUpperCase() };
      return later(ms[letter] ?? 0, letter === 'x' ? { error: new TypeError('poison') } : value);
    },
  };
}

/** What a topic holds: bytes. */
function written(lane: PartitionLane, letters?: string): Record<string, KafkaRecord<Buffer>> {
  const records = Object.entries(recordsOf(lane, letters));
  return Object.fromEntries(records.map(([letter, record]) => [letter, { ...record, value: Buffer.from(letter) }]));
}

function slowly(ms: Readonly<Record<string, number>>, options?: DecodeOptions): OperatorFunction<KafkaRecord<Buffer>, KafkaRecord<string>> {
  return decode(slow(ms), options);
}

function values<T, K>(): OperatorFunction<KafkaRecord<T, K>, T> {
  return map(({ value }) => value);
}

function loudly(options?: DecodeOptions): OperatorFunction<KafkaRecord<Buffer>, KafkaRecord<string>> {
  return decode(loud, options);
}

type Failed = Failure<KafkaRecord<Buffer, unknown>>;

/** Deals with failed records, and writes them down. */
function passedOnAfter(ms: number, failures: Failed[]): OperatorFunction<Failed, Positioned> {
  return (failures$) =>
    failures$.pipe(
      tap((failure) => failures.push(failure)),
      map(({ record }) => record),
      delay(ms),
    );
}

function firstOnly(failures$: Observable<Failed>): Observable<Positioned> {
  return failures$.pipe(
    take(1),
    map(({ record }) => record),
  );
}

describe('decode', () => {
  // @diagram
  it(
    'decodes each value; with skip, a poisoned record is finished and gone',
    inVirtualTime(({ hot, expectObservable, expectSubscriptions, flush }) => {
      const kafka = source();
      const lane = kafka.lane();
      const values$ = hot('--a--x-----c--|', written(lane, 'axc'));
      const subs = '       ^-------------!';
      const result = '     --A--------C--|';
      const onDisk = '     -----x---------';

      expectObservable(values$.pipe(emittedBy(kafka), decode(loud, { onError: 'skip' }), values())).toBe(result);
      expectObservable(kafka.onDisk$).toBe(onDisk, { x: '0 [1,2)' });
      expectSubscriptions(values$.subscriptions).toBe(subs);
      flush();
      expect(lane.records).toBe(2);
    }),
  );

  it(
    'keeps everything else of a record, and what its value was when it was read',
    inVirtualTime(({ hot, expectObservable }) => {
      const a = written(source().lane())['a'] as KafkaRecord<Buffer>;
      const result = { A: { ...a, value: 'A', [RAW]: Buffer.from('a') }, B: { ...a, value: 'A!', [RAW]: Buffer.from('a') } };
      const again: Codec<string> = { decode: (all) => `${String(all)}!` };

      expectObservable(hot('-a|', { a }).pipe(decode(loud))).toBe('-A|', result);
      const twice$ = hot('-a|', { a }).pipe(decode({ decode: (all) => Buffer.from(String(all).toUpperCase()) }), decode(again));
      expectObservable(twice$).toBe('-B|', result);
    }),
  );

  it(
    'leaves a tombstone as it is',
    inVirtualTime(({ hot, expectObservable }) => {
      const t = recordAt(source().lane(), 0, null);
      expectObservable(hot('-t|', { t }).pipe(decode(json()))).toBe('-t|', { t });
    }),
  );

  it(
    'fails with the position of the record, which stays unfinished, and with nothing of its payload',
    inVirtualTime(({ hot, expectObservable, expectSubscriptions, flush }) => {
      const kafka = source();
      const lane = kafka.lane({ frontier: 41 });
      const record = { ...recordAt(lane, 42, Buffer.from('{"password": secret}')), key: Buffer.from('secret') };
      const values$ = hot('--x--', { x: record });
      const subs = '       ^-!';
      const errors: unknown[] = [];

      expectObservable(values$.pipe(emittedBy(kafka), decode(json()), tap({ error: (error: unknown) => errors.push(error) }))).toBe(
        '--#',
        {},
        expect.any(DecodeError),
      );
      expectSubscriptions(values$.subscriptions).toBe(subs);
      flush();
      const [error] = errors as [DecodeError];
      expect(error).toMatchObject({ code: 'DECODE', position: { topic: 'orders', partition: 0, offset: 42 } });
      expect(error.message).toContain('orders/0 at offset 42');
      expect([error.stack, (error.cause as Error).stack, JSON.stringify(error)].join()).not.toContain('secret');
      expect(lane.records).toBe(1);
    }),
  );

  it(
    "with onError: 'emit' a poisoned record goes on, with its bytes",
    inVirtualTime(({ hot, expectObservable, flush }) => {
      const kafka = source();
      const lane = kafka.lane();
      const values$ = hot('-a-x|', written(lane, 'ax'));
      const got: unknown[] = [];

      const emitted$ = values$.pipe(
        emittedBy(kafka),
        decode(loud, { onError: 'emit' }),
        tap(({ value }) => got.push(value)),
        map(({ offset }) => String(offset)),
      );
      expectObservable(emitted$).toBe('-0-1|');
      flush();
      const [, poison] = got as [unknown, Poison];
      expect(poison).toBeInstanceOf(Poison);
      expect([poison.error.position.offset, String(poison.bytes)]).toEqual([1, 'x']);
      expect(Object.keys(poison)).toEqual(['error']);
      expect(lane.records).toBe(2);
    }),
  );

  it(
    'with an operator as onError a poisoned record is finished when that has passed it on, and holds up no other',
    inVirtualTime(({ hot, expectObservable, expectSubscriptions, flush }) => {
      const kafka = source();
      const lane = kafka.lane();
      const values$ = hot('--a-x-c|', written(lane, 'axc'));
      const subs = '       ^------!';
      const result = '     --A---C--|';
      const onDisk = '     --1---y--3';
      const failures: Failed[] = [];

      expectObservable(values$.pipe(emittedBy(kafka), loudly({ onError: passedOnAfter(5, failures) }), commit(), values())).toBe(result);
      expectObservable(kafka.onDisk$).toBe(onDisk, { 1: '1', y: '1 [2,3)', 3: '3' });
      expectSubscriptions(values$.subscriptions).toBe(subs);
      flush();
      expect(failures.map(({ record, error }) => [String(record.value), (error as DecodeError).position.offset])).toEqual([['x', 1]]);
    }),
  );

  it(
    'errors with what onError errors with, and with the failure itself if nobody takes it any more',
    inVirtualTime(({ hot, expectObservable, expectSubscriptions }) => {
      const broken$ = hot('-a-x-|', written(source().lane(), 'ax'));
      const ended$ = hot('-x-x-|', written(source().lane(), 'x'));

      expectObservable(broken$.pipe(loudly({ onError: mergeMap(() => throwError(() => new Error('no sink'))) }), values())).toBe(
        '-A-#',
        undefined,
        new Error('no sink'),
      );
      expectObservable(ended$.pipe(loudly({ onError: firstOnly }))).toBe('---#', {}, expect.any(DecodeError));
      expectSubscriptions(broken$.subscriptions).toBe('^--!');
      expectSubscriptions(ended$.subscriptions).toBe('^--!');
    }),
  );

  it(
    'keeps the order of a partition when a codec takes its time, and no partition waits for another',
    inVirtualTime(({ hot, expectObservable, expectSubscriptions }) => {
      const kafka = source();
      const records = { ...written(kafka.lane(), 'abc'), ...written(kafka.lane({ partition: 1 }), 'pq') };
      const values$ = hot('-abpcq|', records);
      const subs = '       ^-----!';
      const result = '     ----P-Q(ABC|)';

      expectObservable(values$.pipe(slowly({ a: 6, b: 1, c: 3, p: 1, q: 1 }), values())).toBe(result);
      expectSubscriptions(values$.subscriptions).toBe(subs);
    }),
  );

  it(
    'has at most so many promises open for a partition',
    inVirtualTime(({ hot, expectObservable, flush }) => {
      let open = 0;
      let most = 0;
      const codec: Codec<string> = {
        decode: (all) => {
          open += 1;
          most = Math.max(most, open);
          const settled = later(4, { value: String(all).toUpperCase() });
          return {
            then: (onValue, onError) =>
              settled.then((value) => {
                open -= 1;
                return onValue?.(value) as never;
              }, onError),
          };
        },
      };
      const values$ = hot('-abcdef-----|', written(source().lane()));
      const result = '     -----AB--CD--E(F|)';
      expectObservable(values$.pipe(decode(codec, { concurrency: 2 }), values())).toBe(result);
      flush();
      expect(most).toBe(2);
    }),
  );

  it(
    'deals with a rejected promise as with an exception, in its turn',
    inVirtualTime(({ hot, expectObservable, flush }) => {
      const kafka = source();
      const lane = kafka.lane();
      const values$ = hot('-axc|', written(lane, 'axc'));

      expectObservable(values$.pipe(emittedBy(kafka), slowly({ a: 5, x: 1, c: 1 }, { onError: 'skip' }), values())).toBe('------(AC|)');
      expectObservable(values$.pipe(slowly({ a: 5, x: 1, c: 1 }), values())).toBe('---#', undefined, expect.any(DecodeError));
      flush();
      expect(lane.records).toBe(2);
    }),
  );

  it(
    'lets a value that is decoded at once wait for a slow one before it, and not after',
    inVirtualTime(({ hot, expectObservable }) => {
      const codec: Codec<string> = { decode: (all) => (String(all) === 'a' ? later(3, { value: 'A' }) : String(all).toUpperCase()) };
      const values$ = hot('-ab------c|', written(source().lane()));
      const result = '     ----(AB)-C|';
      expectObservable(values$.pipe(decode(codec), values())).toBe(result);
    }),
  );

  it(
    'leaves its source when it is unsubscribed, and forgets what it waited for',
    inVirtualTime(({ hot, expectObservable, expectSubscriptions, flush }) => {
      const kafka = source();
      const lane = kafka.lane();
      const endless$ = hot('-ax---', written(lane, 'ax'));
      const unsub = '       ---!';

      expectObservable(endless$.pipe(emittedBy(kafka), slowly({ a: 3, x: 3 }, { onError: 'skip' })), unsub).toBe('----');
      expectSubscriptions(endless$.subscriptions).toBe('^--!');
      flush();
      expect(lane.records).toBe(2);
    }),
  );

  it(
    'keeps the order when its downstream brings the next record about',
    inVirtualTime(({ expectObservable }) => {
      const records = Object.values(written(source().lane(), 'abcd'));
      const source$ = new Subject<KafkaRecord<Buffer>>();
      const got: string[] = [];
      source$
        .pipe(
          decode({ decode: (all) => (String(all) === 'a' ? slow({ a: 2 }) : loud).decode(all) }),
          values(),
          tap(() => {
            const next = records.shift();
            if (next !== undefined) source$.next(next);
          }),
          tap((value) => got.push(value)),
        )
        .subscribe();
      at(1, () => {
        source$.next(records.shift() as KafkaRecord<Buffer>);
      });
      expectObservable(concat(of(1).pipe(delay(50), ignoreElements()), from(got))).toBe('50ms (ABCD|)');
    }),
  );

  it(
    'starts afresh with every subscription',
    inVirtualTime(({ cold, expectObservable, expectSubscriptions }) => {
      const used = { twice: slowly({ a: 3, b: 1 }, { onError: 'skip' }) };
      const values$ = cold('-ab|', written(source().lane()));
      expectObservable(values$.pipe(used.twice, values())).toBe('----(AB|)');
      expectObservable(values$.pipe(used.twice, values()), '--^').toBe('------(AB|)');
      expectSubscriptions(values$.subscriptions).toBe(['^--!', '--^--!']);
    }),
  );

  it('refuses what is no codec, and options that it does not know', () => {
    expect(() => decode({} as never)).toThrow(OptionError);
    expect(() => decode(loud, { onError: 'ignore' as never })).toThrow(OptionError);
    expect(() => decode(loud, { onerror: 'skip' } as never)).toThrow(/did you mean `onError`/);
    expect(() => decode(loud, { concurrency: 0 })).toThrow(OptionError);
  });
});
