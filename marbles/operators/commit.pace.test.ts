import { concatAll, map, range } from 'rxjs';
import { describe, expect, it } from 'vitest';
import { commit } from '../../src/operators/commit.js';
import { emittedBy, recordAt, recordsOf, source } from '../support/source.js';
import { inVirtualTime } from '../support/virtualTime.js';

describe('the pace of commit', () => {
  it(
    'everyMs: writes at most that often, and then all that is finished',
    inVirtualTime(({ hot, expectObservable, expectSubscriptions }) => {
      const kafka = source();
      const records = recordsOf(kafka.lane());
      const values$ = hot('-ab-c------d--------|', records);
      const subs = '       ^-------------------!';
      const result = '     -ab-c------d--------|';
      const onDisk = '     ------3---------4';

      expectObservable(values$.pipe(emittedBy(kafka), commit({ everyMs: 5 }))).toBe(result, records);
      expectObservable(kafka.onDisk$).toBe(onDisk);
      expectSubscriptions(values$.subscriptions).toBe(subs);
    }),
  );

  it.each([
    { emit: 'durable', third: '-----------^--!' },
    { emit: 'passed', third: '-----------------^--!' },
  ] as const)('emit: $emit: after a write of many the next one waits for others, and less where values wait for it', ({ emit, third }) => {
    inVirtualTime(({ cold, hot, expectSubscriptions, flush }) => {
      const write$ = cold<never>('---|');
      const kafka = source({ maxRecords: 1_000, write: () => write$ });
      const lane = kafka.lane();
      const values$ = hot('-(a)----b', { a: range(0, 300), b: range(300, 1) }).pipe(
        concatAll(),
        map((offset) => recordAt(lane, offset, '')),
      );
      const ofTheFirst = '  -^--!';
      const ofTheOthers = ' ----^--!';

      values$.pipe(emittedBy(kafka), commit({ emit })).subscribe();
      expectSubscriptions(write$.subscriptions).toBe([ofTheFirst, ofTheOthers, third]);
      flush();
    })();
  });

  it(
    'everyMs: completes when the write that is due has been done',
    inVirtualTime(({ cold, hot, expectObservable, expectSubscriptions }) => {
      const write$ = cold<never>('---|');
      const kafka = source({ write: () => write$ });
      const records = recordsOf(kafka.lane());
      const values$ = hot('       -a-b|', records);
      const subs = '              ^---!';
      const result = '            -a-b-----|';
      const onDisk = '            ---------2';
      const writes = '            ------^--!';

      expectObservable(values$.pipe(emittedBy(kafka), commit({ everyMs: 5 }))).toBe(result, records);
      expectObservable(kafka.onDisk$).toBe(onDisk);
      expectSubscriptions(values$.subscriptions).toBe(subs);
      expectSubscriptions(write$.subscriptions).toBe(writes);
    }),
  );

  it(
    'everyRecords: writes earlier, when so many are finished',
    inVirtualTime(({ hot, expectObservable, expectSubscriptions }) => {
      const kafka = source();
      const records = recordsOf(kafka.lane());
      const values$ = hot('-abcd--e------------|', records);
      const subs = '       ^-------------------!';
      const result = '     -abcd--e------------|';
      const onDisk = '     ---3----------5';

      expectObservable(values$.pipe(emittedBy(kafka), commit({ everyMs: 10, everyRecords: 3 }))).toBe(result, records);
      expectObservable(kafka.onDisk$).toBe(onDisk);
      expectSubscriptions(values$.subscriptions).toBe(subs);
    }),
  );

  it(
    'writes all the same when as much waits for the disk as may: a slow pace never stops the source',
    inVirtualTime(({ hot, expectObservable, expectSubscriptions }) => {
      const kafka = source({ maxRecords: 2 });
      const records = recordsOf(kafka.lane());
      const values$ = hot('-a--b--c--d---|', records);
      const subs = '       ^-------------!';
      const result = '     -a--b--c--d---|';
      const onDisk = '     ----------4';
      const out = '        ----------0';

      expectObservable(values$.pipe(emittedBy(kafka), commit({ everyMs: 60_000 }))).toBe(result, records);
      expectObservable(kafka.onDisk$).toBe(onDisk);
      expectObservable(kafka.relief$).toBe(out);
      expectSubscriptions(values$.subscriptions).toBe(subs);
    }),
  );

  it(
    'without a pace writes as soon as the last write is done',
    inVirtualTime(({ cold, hot, expectObservable, expectSubscriptions, flush }) => {
      const write$ = cold<never>('---|');
      const kafka = source({ write: () => write$ });
      const records = recordsOf(kafka.lane());
      const values$ = hot('       -abcdef---|', records);
      const subs = '              ^---------!';
      const result = '            -abcdef---|';
      const onDisk = '            ----1--4--6';
      const firstWrite = '        -^--!';
      const secondWrite = '       ----^--!';
      const thirdWrite = '        -------^--!';

      expectObservable(values$.pipe(emittedBy(kafka), commit())).toBe(result, records);
      expectObservable(kafka.onDisk$).toBe(onDisk);
      expectSubscriptions(values$.subscriptions).toBe(subs);
      expectSubscriptions(write$.subscriptions).toBe([firstWrite, secondWrite, thirdWrite]);
      flush();
      expect(kafka.demand.records).toBe(0);
    }),
  );
});
