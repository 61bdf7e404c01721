import type { Observable, OperatorFunction } from 'rxjs';
import { EMPTY, Subject, concat, count, delay, from, map, mergeMap, of, range, repeat, take, tap, throwError, timer } from 'rxjs';
import { describe, expect, it } from 'vitest';
import { OptionError } from '../../src/errors.js';
import type { Failure } from '../../src/failures.js';
import { commit } from '../../src/operators/commit.js';
import type { ProcessRecordOptions } from '../../src/operators/processRecord.js';
import { processRecord } from '../../src/operators/processRecord.js';
import type { Lane, Positioned } from '../../src/position.js';
import { LANE } from '../../src/position.js';
import type { KafkaRecord } from '../../src/record.js';
import { later } from '../support/later.js';
import { emittedBy, recordAt, recordsOf, source } from '../support/source.js';
import { at, inVirtualTime } from '../support/virtualTime.js';

type Text = KafkaRecord<string>;

/** Records `a`, `b`, … with these keys. */
function withKeys(lane: Lane, keys: string): Record<string, Text> {
  return Object.fromEntries(
    Array.from(keys, (key, offset) => {
      const letter = 'abcdefgh'.charAt(offset);
      return [letter, { ...recordAt(lane, offset, letter), key: key === '-' ? null : Buffer.from(key) }];
    }),
  );
}

/** Gives the value in capitals after its time, 4 ms unless it is said. */
function work(ms: Readonly<Record<string, number>> = {}): (record: Text) => Observable<string> {
  return ({ value }) => of(value.toUpperCase()).pipe(delay(ms[value] ?? 4));
}

function values<T, K>(): OperatorFunction<KafkaRecord<T, K>, T> {
  return map(({ value }) => value);
}

/** Gives one value, another 2 ms later, and ends 3 ms after that. */
function twice({ value }: Text): Observable<string> {
  return concat(of(`${value}1`), timer(2).pipe(map(() => `${value}2`)), timer(3).pipe(mergeMap(() => EMPTY)));
}

/** Gives nothing, and takes its time for all but `a`. */
function none({ value }: Text): Observable<never> {
  return value === 'a' ? EMPTY : timer(5).pipe(mergeMap(() => EMPTY));
}

function half(): Observable<string> {
  return concat(
    of('half'),
    throwError(() => new Error('cut off')),
  );
}

type Failed = Failure<Text>;

/** Deals with failed records, and writes them down. */
function passedOnAfter(ms: number, failures: Failed[]): OperatorFunction<Failed, Positioned> {
  return (failures$) =>
    failures$.pipe(
      tap((failure) => failures.push(failure)),
      map(({ record }) => record),
      delay(ms),
    );
}

/** Fails for `x` and `y`, gives what the letter says otherwise. */
function picky({ value }: Text): Observable<string> {
  if (value === 'x') throw new TypeError('thrown');
  if (value === 'y') return throwError(() => new TypeError('emitted'));
  return of(value.toUpperCase());
}

describe('processRecord', () => {
  // @diagram
  it(
    'works on records side by side, and keeps the order of each key',
    inVirtualTime(({ hot, expectObservable, expectSubscriptions }) => {
      // a and b have the same key.
      const values$ = hot('--a--b--c--------|', withKeys(source().lane(), '112'));
      const subs = '       ^----------------!';
      const result = '     ------A---B-C----|';

      expectObservable(values$.pipe(processRecord(work()), values())).toBe(result);
      expectSubscriptions(values$.subscriptions).toBe(subs);
    }),
  );

  it(
    'gives records with the position of their input, and with all else that it had',
    inVirtualTime(({ hot, expectObservable }) => {
      const { a } = withKeys(source().lane(), '1') as { a: Text };
      const stray = recordAt(source().lane({ partition: 9 }), 99, 'other');
      const kept = (record: Positioned & { value: unknown }): unknown => [record[LANE].partition, record.offset, record.value];
      const result = { r: [0, 0, 7], s: [0, 0, 'other'], t: [0, 0, 'a'] };

      expectObservable(hot('-a|', { a }).pipe(processRecord(() => later(1, { value: 7 })))).toBe('--(r|)', { r: { ...a, value: 7 } });
      expectObservable(
        hot('-a----|', { a }).pipe(
          processRecord(() => of(7, stray, undefined)),
          map((record) => kept(record)),
        ),
      ).toBe('-(rst)|', result);
    }),
  );

  it(
    'passes the record itself on when a promise gives nothing',
    inVirtualTime(({ hot, expectObservable }) => {
      const { a } = withKeys(source().lane(), '1') as { a: Text };
      const got: unknown[] = [];
      expectObservable(
        hot('-a---|', { a }).pipe(
          processRecord(() => later<undefined>(2, { value: undefined })),
          tap((record) => got.push(record)),
          map((record) => record === a),
        ),
      ).toBe('---t-|', { t: true });
    }),
  );

  it(
    'finishes a record when all that it became is finished, and no more can come',
    inVirtualTime(({ hot, expectObservable, expectSubscriptions }) => {
      const kafka = source();
      const values$ = hot('-a--b-------|', recordsOf(kafka.lane()));
      const onDisk = '     ------1--2---';
      const result = { p: 'a1', q: 'a2', r: 'b1', s: 'b2' };

      expectObservable(values$.pipe(emittedBy(kafka), processRecord(twice), commit(), values())).toBe('-p-qr-s-----|', result);
      expectObservable(kafka.onDisk$).toBe(onDisk);
      expectSubscriptions(values$.subscriptions).toBe('^-----------!');
    }),
  );

  it(
    'finishes a record that became nothing, also without a commit',
    inVirtualTime(({ hot, expectObservable, flush }) => {
      const kafka = source();
      const lane = kafka.lane();
      const values$ = hot('-ab|', recordsOf(lane));

      expectObservable(values$.pipe(emittedBy(kafka), processRecord(none))).toBe('-------|');
      expectObservable(kafka.onDisk$).toBe('-1-----2');
      flush();
      expect(lane.records).toBe(0);
    }),
  );

  it(
    'orders by partition, or not at all, when it is told to',
    inVirtualTime(({ hot, expectObservable }) => {
      const kafka = source();
      const records = { ...withKeys(kafka.lane(), '12'), p: { ...recordAt(kafka.lane({ partition: 1 }), 0, 'p'), key: Buffer.from('1') } };
      const values$ = hot('-abp------|', records);
      const byPartition = '-----A-P-B|';
      const inNoOrder = '  -----ABP--|';
      expectObservable(values$.pipe(processRecord(work(), { order: 'partition' }), values())).toBe(byPartition);
      expectObservable(values$.pipe(processRecord(work(), { order: 'none' }), values())).toBe(inNoOrder);
    }),
  );

  it(
    'works on no more records at a time than it may',
    inVirtualTime(({ hot, expectObservable }) => {
      const values$ = hot('(abcd|)', recordsOf(source().lane()));
      expectObservable(values$.pipe(processRecord(work(), { concurrency: 2, order: 'none' }), values())).toBe('----(AB)(CD|)');
    }),
  );

  it(
    'does not let a slow key, or a slow partition, hold up the others',
    inVirtualTime(({ hot, expectObservable }) => {
      const kafka = source();
      const lane = kafka.lane();
      const other = kafka.lane({ partition: 1 });
      const records = {
        ...withKeys(lane, '1112'),
        ...Object.fromEntries(Array.from('pqrs', (letter, offset) => [letter, recordAt(other, offset, letter)])),
      };
      const values$ = hot('(abcd)-p-q-r-s|', records);
      const ms = { a: 30, b: 30, c: 30, d: 1, p: 1, q: 1, r: 1, s: 1 };
      expectObservable(values$.pipe(processRecord(work(ms), { concurrency: 2 }), values())).toBe(
        '-D------P-Q-R-S- 14ms A 29ms B 29ms (C|)',
      );
    }),
  );

  it(
    'ends with the error of the work, which leaves its record and those under way unfinished',
    inVirtualTime(({ hot, expectObservable, expectSubscriptions, flush }) => {
      const kafka = source();
      const lane = kafka.lane();
      const thrown$ = hot('-ax-b|', recordsOf(lane, 'axb'));
      const emitted$ = hot('-ay-b|', recordsOf(source().lane(), 'ayb'));
      const rejected$ = hot('-a-b|', recordsOf(source().lane()));

      expectObservable(thrown$.pipe(emittedBy(kafka), processRecord(picky), commit(), values())).toBe(
        '-A#',
        undefined,
        new TypeError('thrown'),
      );
      expectObservable(emitted$.pipe(processRecord(picky), values())).toBe('-A#', undefined, new TypeError('emitted'));
      expectObservable(rejected$.pipe(processRecord(() => later(1, { error: new Error('declined') })))).toBe(
        '--#',
        {},
        new Error('declined'),
      );
      expectSubscriptions(thrown$.subscriptions).toBe('^-!');
      expectSubscriptions(rejected$.subscriptions).toBe('^-!');
      flush();
      expect([lane.records, lane.checkpoint().frontier]).toEqual([1, 1]);
    }),
  );

  it(
    'with onError a failed record is finished when that has passed it on, and its key goes on meanwhile',
    inVirtualTime(({ hot, expectObservable, flush }) => {
      const kafka = source();
      const lane = kafka.lane();
      const values$ = hot('-axyb|', recordsOf(lane, 'axyb'));
      const result = '     -A--B---|';
      const onDisk = '     -1--w--v4';
      const failures: Failed[] = [];

      const safely: ProcessRecordOptions<Text> = { onError: passedOnAfter(5, failures) };
      expectObservable(values$.pipe(emittedBy(kafka), processRecord(picky, safely), commit(), values())).toBe(result);
      expectObservable(kafka.onDisk$).toBe(onDisk, { 1: '1', w: '1 [3,4)', v: '2 [3,4)', 4: '4' });
      flush();
      expect(failures.map(({ record, error }) => [record.value, (error as Error).message])).toEqual([
        ['x', 'thrown'],
        ['y', 'emitted'],
      ]);
    }),
  );

  it(
    'with onError a record that gave something before it failed is finished when both are dealt with',
    inVirtualTime(({ hot, expectObservable }) => {
      const kafka = source();
      const values$ = hot('-a------|', recordsOf(kafka.lane()));
      const result = '     -h------|';
      const onDisk = '     ------1';
      expectObservable(values$.pipe(emittedBy(kafka), processRecord(half, { onError: passedOnAfter(5, []) }), commit(), values())).toBe(
        result,
        {
          h: 'half',
        },
      );
      expectObservable(kafka.onDisk$).toBe(onDisk);
    }),
  );

  it(
    'leaves its source and all work when it is unsubscribed, and nothing is finished then',
    inVirtualTime(({ cold, hot, expectObservable, expectSubscriptions, flush }) => {
      const kafka = source();
      const lane = kafka.lane();
      const values$ = hot('-abc--', withKeys(lane, '121'));
      const unsub = '      -----!';
      const inner$ = cold('------x');
      const first = '      -^---!';
      const second = '     --^--!';

      expectObservable(
        values$.pipe(
          emittedBy(kafka),
          processRecord(() => inner$),
        ),
        unsub,
      ).toBe('-');
      expectSubscriptions(values$.subscriptions).toBe('^----!');
      expectSubscriptions(inner$.subscriptions).toBe([first, second]);
      flush();
      expect(lane.records).toBe(3);
      expect(kafka.writes).toEqual([]);
    }),
  );

  it(
    'does not hear promises any more when it is unsubscribed',
    inVirtualTime(({ hot, expectObservable, flush }) => {
      const started: string[] = [];
      const project = ({ value }: Text): Promise<string> => {
        started.push(value);
        return later(3, value === 'a' ? { value } : { error: new Error('declined') });
      };
      expectObservable(hot('-abc', withKeys(source().lane(), '121')).pipe(processRecord(project)), '---!').toBe('-');
      flush();
      expect(started).toEqual(['a', 'b']);
    }),
  );

  it(
    'stops work, and a source, that give everything while they are being subscribed to',
    inVirtualTime(() => {
      const lane = source().lane();
      let projected = 0;
      const got: string[] = [];
      range(0, 1_000)
        .pipe(
          map((offset) => recordAt(lane, offset, 'a')),
          processRecord(() => {
            projected += 1;
            return of('A').pipe(repeat());
          }),
          take(2),
          tap(({ value }) => got.push(value)),
        )
        .subscribe();
      expect([projected, got]).toEqual([1, ['A', 'A']]);
    }),
  );

  it('starts no work any more once it is unsubscribed, also in the middle of an emission', () => {
    const [a, b] = Object.values(recordsOf(source().lane(), 'ab')) as [Text, Text];
    const source$ = new Subject<Text>();
    const started: string[] = [];
    source$
      .pipe(
        processRecord(({ value }) => {
          started.push(value);
          return of(value);
        }),
        tap(() => {
          source$.next(b);
        }),
        take(1),
      )
      .subscribe();
    source$.next(a);
    expect(started).toEqual(['a']);
  });

  it(
    'goes through many records that have waited for one, and are done at once, without a deep stack',
    inVirtualTime(({ expectObservable, flush }) => {
      const lane = source().lane();
      const many$ = range(0, 50_000).pipe(
        map((offset) => recordAt(lane, offset, 'a')),
        processRecord(({ offset }) => (offset === 0 ? timer(1) : [0]), { order: 'partition' }),
        count(),
      );
      expectObservable(many$).toBe('-(n|)', { n: 50_000 });
      flush();
    }),
  );

  it(
    'keeps the order of a key when its downstream brings the next record about',
    inVirtualTime(({ expectObservable }) => {
      const records = Object.values(withKeys(source().lane(), '1111'));
      const source$ = new Subject<Text>();
      const got: string[] = [];
      source$
        .pipe(
          processRecord(({ value }) => of(value)),
          values(),
          tap(() => {
            const next = records.shift();
            if (next !== undefined) source$.next(next);
          }),
          tap((value) => got.push(value)),
        )
        .subscribe();
      at(1, () => {
        source$.next(records.shift() as Text);
      });
      expectObservable(timer(5).pipe(mergeMap(() => from(got)))).toBe('-----(abcd|)');
    }),
  );

  it(
    'starts afresh with every subscription',
    inVirtualTime(({ cold, expectObservable, expectSubscriptions }) => {
      const used = { twice: processRecord(work(), { order: 'partition' }) };
      const values$ = cold('-ab|', recordsOf(source().lane()));
      expectObservable(values$.pipe(used.twice, values())).toBe('-----A---(B|)');
      expectObservable(values$.pipe(used.twice, values()), '--^').toBe('-------A---(B|)');
      expectSubscriptions(values$.subscriptions).toBe(['^--!', '--^--!']);
    }),
  );

  it('refuses what is no function, and options that it does not know', () => {
    expect(() => processRecord(undefined as never)).toThrow(OptionError);
    expect(() => processRecord(picky, { order: 'keys' as never })).toThrow(OptionError);
    expect(() => processRecord(picky, { concurrency: 0 })).toThrow(OptionError);
    expect(() => processRecord(picky, { onFailure: EMPTY } as never)).toThrow(OptionError);
  });

  it(
    'says what a project gave that is no stream',
    inVirtualTime(({ hot, expectObservable }) => {
      const values$ = hot('-a|', recordsOf(source().lane()));
      expectObservable(values$.pipe(processRecord(() => undefined as never))).toBe(
        '-#',
        {},
        expect.objectContaining({ message: expect.stringContaining('undefined') as string }),
      );
    }),
  );
});
