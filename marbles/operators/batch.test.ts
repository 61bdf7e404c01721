import type { Observable, OperatorFunction } from 'rxjs';
import { NEVER, Subject, asyncScheduler, concatMap, delay, filter, groupBy, map, merge, mergeMap, of, tap } from 'rxjs';
import { describe, expect, it } from 'vitest';
import { OptionError } from '../../src/errors.js';
import { batch } from '../../src/operators/batch.js';
import type { CommitOptions } from '../../src/operators/commit.js';
import { commit } from '../../src/operators/commit.js';
import type { KafkaRecord } from '../../src/record.js';
import { log } from '../support/log.js';
import { pumping } from '../support/pumping.js';
import type { Source } from '../support/source.js';
import { RECORD_BYTES, emittedBy, recordAt, recordsOf, source } from '../support/source.js';
import { at, inVirtualTime } from '../support/virtualTime.js';

function letters(): OperatorFunction<KafkaRecord<unknown>[], string> {
  return map((records) => records.map(({ value }) => String(value)).join(''));
}

/** What goes through, and when, while a real pump reads this many records. */
function pumped(
  kafka: Source,
  records: number,
  work: OperatorFunction<KafkaRecord, KafkaRecord[]>,
  pace: CommitOptions<KafkaRecord[]> = {},
): Observable<string> {
  const rows = Array.from({ length: records }, (_, offset) => ({ value: '.', offset }));
  const { records$, pump } = pumping(kafka, log(rows), [kafka.lane()]);
  asyncScheduler.schedule(() => {
    pump.stop();
  }, 10_000);
  return records$.pipe(
    work,
    commit(pace),
    map((all) => `${all.length}@${asyncScheduler.now()}`),
  );
}

function byRemainder(records$: Observable<KafkaRecord>): Observable<KafkaRecord[]> {
  return records$.pipe(
    groupBy(({ offset }) => offset % 7),
    mergeMap((group$) => group$.pipe(batch({ maxRecords: 1_000, maxMs: Infinity }))),
  );
}

function slowly(records$: Observable<KafkaRecord>): Observable<KafkaRecord[]> {
  return records$.pipe(
    mergeMap((record) => of(record).pipe(delay(1 + (record.offset % 10)))),
    batch({ maxRecords: 5, maxMs: Infinity }),
  );
}

function oneStuck(records$: Observable<KafkaRecord>): Observable<KafkaRecord[]> {
  return records$.pipe(
    mergeMap((record) => (record.offset === 3 ? NEVER : of(record))),
    batch({ maxMs: Infinity }),
  );
}

describe('batch', () => {
  // @diagram
  it(
    'collects values until there are enough, or until the first has waited long enough',
    inVirtualTime(({ hot, expectObservable, expectSubscriptions }) => {
      const values$ = hot('--a-b-c----d-------|', recordsOf(source().lane()));
      const subs = '       ^------------------!';
      const result = '     ------x---------y--|';

      expectObservable(values$.pipe(batch({ maxRecords: 3, maxMs: 5 }), letters())).toBe(result, { x: 'abc', y: 'd' });
      expectSubscriptions(values$.subscriptions).toBe(subs);
    }),
  );

  it(
    'begins to wait anew with the first value after an array',
    inVirtualTime(({ hot, expectObservable }) => {
      const values$ = hot('-abc-----|', recordsOf(source().lane()));
      const result = '     --x----y-|';
      expectObservable(values$.pipe(batch({ maxRecords: 2, maxMs: 4 }), letters())).toBe(result, { x: 'ab', y: 'c' });
    }),
  );

  it(
    'stays within maxBytes, and lets what is larger go alone',
    inVirtualTime(({ hot, expectObservable }) => {
      const kafka = source();
      const lane = kafka.lane();
      const values$ = hot('-abcde|', recordsOf(lane)).pipe(emittedBy(kafka));
      const pairs = '      --x-y-(z|)';
      const alone = '      -abcde|';

      expectObservable(values$.pipe(batch({ maxBytes: 2 * RECORD_BYTES }), letters())).toBe(pairs, { x: 'ab', y: 'cd', z: 'e' });
      expectObservable(
        hot('-abcde|', recordsOf(source().lane())).pipe(emittedBy(source()), batch({ maxBytes: RECORD_BYTES / 2 }), letters()),
      ).toBe(alone);
    }),
  );

  it(
    'does not put a value to those with which it would be too large',
    inVirtualTime(({ hot, expectObservable }) => {
      const kafka = source();
      const values$ = hot('-abc|', recordsOf(kafka.lane()));
      expectObservable(values$.pipe(emittedBy(kafka), batch({ maxBytes: 1.5 * RECORD_BYTES }), letters())).toBe('--ab(c|)');
    }),
  );

  it(
    'never stalls a source with fewer credits than it may collect',
    inVirtualTime(({ flush }) => {
      const kafka = source({ maxRecords: 100 });
      const arrays: string[] = [];
      pumped(kafka, 1_000, batch({ maxRecords: 1_000, maxMs: Infinity }))
        .pipe(tap((each) => arrays.push(each)))
        .subscribe();
      flush();
      expect(arrays).toEqual(Array.from({ length: 10 }, (_, i) => `100@${i + 1}`));
      expect(kafka.demand.records).toBe(0);
    }),
  );

  it(
    'never stalls a source whose other credits wait for a slow pace of commit',
    inVirtualTime(({ flush }) => {
      const kafka = source({ maxRecords: 100 });
      const arrays: string[] = [];
      pumped(kafka, 1_000, batch({ maxRecords: 1_000, maxMs: Infinity }), { everyMs: 60_000 })
        .pipe(tap((each) => arrays.push(each)))
        .subscribe();
      flush();
      expect(arrays).toEqual(Array.from({ length: 10 }, (_, i) => `100@${i + 1}`));
    }),
  );

  it(
    'never stalls a source whose credits are bytes',
    inVirtualTime(({ flush }) => {
      const kafka = source({ maxBytes: 35 });
      const arrays: string[] = [];
      pumped(kafka, 12, batch({ maxMs: Infinity }))
        .pipe(tap((each) => arrays.push(each)))
        .subscribe();
      flush();
      // At once, all read at the first millisecond; the last three need not hurry, there is credit for one more.
      expect(arrays).toEqual(['3@1', '3@1', '3@1']);
    }),
  );

  it(
    'never stalls where several of them share the credits',
    inVirtualTime(({ flush }) => {
      const kafka = source({ maxRecords: 100 });
      let done = 0;
      pumped(kafka, 1_000, byRemainder)
        .pipe(tap((each) => (done += Number(each.split('@')[0]))))
        .subscribe();
      flush();
      expect(done).toBe(1_000);
    }),
  );

  it(
    'does not go for small arrays because credits are short: it waits for those under way',
    inVirtualTime(({ flush }) => {
      const kafka = source({ maxRecords: 10 });
      const arrays: string[] = [];
      pumped(kafka, 40, slowly)
        .pipe(tap((each) => arrays.push(each)))
        .subscribe();
      flush();
      expect(arrays.map((each) => each.split('@')[0])).toEqual(Array.from({ length: 8 }, () => '5'));
    }),
  );

  it(
    'lets go what it has when others keep the rest of the credits for long',
    inVirtualTime(({ flush }) => {
      const kafka = source({ maxRecords: 10 });
      let done = 0;
      pumped(kafka, 100, oneStuck)
        .pipe(tap((each) => (done += Number(each.split('@')[0]))))
        .subscribe();
      flush();
      expect(done).toBe(99);
    }),
  );

  it(
    'does not pass values of a partition on that was lost meanwhile',
    inVirtualTime(({ hot, expectObservable }) => {
      const kafka = source();
      const lane = kafka.lane();
      const records = { ...recordsOf(kafka.lane({ partition: 1 }), 'ab'), p: recordAt(lane, 0, 'p') };
      const values$ = hot('-pa-b-p-|', records);
      const result = '     ----x---|';
      at(3, () => {
        lane.fence();
      });
      expectObservable(values$.pipe(batch({ maxRecords: 3 }), letters())).toBe(result, { x: 'ab' });
    }),
  );

  it(
    'by default lets no value wait for longer than a second',
    inVirtualTime(({ hot, expectObservable }) => {
      expectObservable(hot('-a', recordsOf(source().lane())).pipe(batch(), letters())).toBe('- 1s a');
    }),
  );

  it('keeps the order when its downstream brings the next value about', () => {
    const records = Object.values(recordsOf(source().lane(), 'abcdef'));
    const source$ = new Subject<KafkaRecord<string>>();
    const got: string[] = [];
    source$
      .pipe(
        batch({ maxRecords: 2 }),
        letters(),
        tap((value) => {
          got.push(value);
          for (const record of records.splice(0, 2)) source$.next(record);
        }),
      )
      .subscribe();
    for (const record of records.splice(0, 2)) source$.next(record);
    expect(got).toEqual(['ab', 'cd', 'ef']);
  });

  it(
    'starts afresh with every subscription, and takes the clock that it is given',
    inVirtualTime(({ cold, expectObservable, expectSubscriptions }) => {
      const used = { twice: batch<KafkaRecord<string>>({ maxMs: 3, scheduler: asyncScheduler }) };
      const values$ = cold('-ab----|', recordsOf(source().lane()));
      expectObservable(values$.pipe(used.twice, letters())).toBe('----x--|', { x: 'ab' });
      expectObservable(values$.pipe(used.twice, letters()), '--^').toBe('------x--|', { x: 'ab' });
      expectSubscriptions(values$.subscriptions).toBe(['^------!', '--^------!']);
    }),
  );

  it(
    'refuses values without a position, and options that it does not know',
    inVirtualTime(({ hot, expectObservable }) => {
      expectObservable(hot('-a').pipe(batch() as never)).toBe('-#', {}, expect.any(OptionError));
      expect(() => batch({ maxRecords: 0 })).toThrow(OptionError);
      expect(() => batch({ maxRecord: 5 } as never)).toThrow(/did you mean `maxRecords`/);
    }),
  );

  it(
    'takes values of two sources, and lets go when either has no credit left',
    inVirtualTime(({ hot, expectObservable }) => {
      const [one, two] = [source({ maxRecords: 100 }), source({ maxRecords: 2 })];
      const many$ = hot('-ab-----', recordsOf(one.lane(), 'ab')).pipe(emittedBy(one));
      const few$ = hot(' ---c-d--', recordsOf(two.lane(), 'cd')).pipe(emittedBy(two));
      const result = '   -----x--';
      expectObservable(
        merge(many$, few$).pipe(
          batch({ maxMs: Infinity }),
          filter((values) => values.length > 0),
          concatMap((values) => of(values)),
          letters(),
        ),
      ).toBe(result, { x: 'abcd' });
    }),
  );
});
