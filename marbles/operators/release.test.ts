import { bufferCount, delay, map, mergeMap, of, take } from 'rxjs';
import { describe, expect, it } from 'vitest';
import { commit } from '../../src/operators/commit.js';
import { release } from '../../src/operators/release.js';
import { emittedBy, recordsOf, source } from '../support/source.js';
import { inVirtualTime } from '../support/virtualTime.js';

describe('release', () => {
  // @diagram
  it(
    'passes values on, gives their credits back at once, and writes nothing',
    inVirtualTime(({ hot, expectObservable, expectSubscriptions }) => {
      const kafka = source();
      const records = recordsOf(kafka.lane());
      const values$ = hot('--a--b-----c--|', records);
      const subs = '       ^-------------!';
      const result = '     --a--b-----c--|';
      const stillOut = '   --0--0-----0';
      const onDisk = '     ---------------';

      expectObservable(values$.pipe(emittedBy(kafka), release())).toBe(result, records);
      expectObservable(kafka.relief$).toBe(stillOut);
      expectObservable(kafka.onDisk$).toBe(onDisk);
      expectSubscriptions(values$.subscriptions).toBe(subs);
    }),
  );

  it(
    'lets a released record come again, while those committed around it do not',
    inVirtualTime(({ hot, expectObservable, expectSubscriptions }) => {
      const kafka = source();
      const records = recordsOf(kafka.lane());
      const values$ = hot('--a--b--c--|', records);
      const subs = '       ^----------!';
      const result = '     --a--b--c--|';
      const onDisk = '     --1-----x';

      const sorted$ = values$.pipe(
        emittedBy(kafka),
        mergeMap((record) => of(record).pipe(record.value === 'b' ? release() : commit())),
      );
      expectObservable(sorted$).toBe(result, records);
      expectObservable(kafka.onDisk$).toBe(onDisk, { 1: '1', x: '1 [2,3)' });
      expectSubscriptions(values$.subscriptions).toBe(subs);
    }),
  );

  it(
    'releases a record when the downstream has returned, not before',
    inVirtualTime(({ hot, expectObservable, expectSubscriptions, flush }) => {
      const kafka = source();
      const values$ = hot('--a--b--|', recordsOf(kafka.lane()));
      const subs = '       ^-------!';
      const outBelow = '   --1--1--|';

      const out$ = values$.pipe(
        emittedBy(kafka),
        release(),
        map(() => String(kafka.demand.records)),
      );
      expectObservable(out$).toBe(outBelow);
      expectSubscriptions(values$.subscriptions).toBe(subs);
      flush();
      expect(kafka.demand.records).toBe(0);
    }),
  );

  it(
    'releases all records of an array',
    inVirtualTime(({ hot, expectObservable, expectSubscriptions, flush }) => {
      const kafka = source();
      const records = recordsOf(kafka.lane());
      const { a, b, c } = records;
      const values$ = hot('--a--b--c--|', records);
      const subs = '       ^----------!';
      const result = '     -----x-----(y|)';

      expectObservable(values$.pipe(emittedBy(kafka), bufferCount(2), release())).toBe(result, { x: [a, b], y: [c] });
      expectSubscriptions(values$.subscriptions).toBe(subs);
      flush();
      expect(kafka.demand.records).toBe(0);
      expect(kafka.writes).toEqual([]);
    }),
  );

  it(
    'gives every credit back when the work finished out of order',
    inVirtualTime(({ hot, expectObservable, expectSubscriptions }) => {
      const kafka = source();
      const records = recordsOf(kafka.lane());
      const values$ = hot('-abc-----|', records);
      const subs = '       ^--------!';
      const result = '     ---b-a-c-|';
      const out = '        ---2-1-0';

      const worked$ = values$.pipe(
        emittedBy(kafka),
        mergeMap((record) => of(record).pipe(delay(record.value === 'b' ? 1 : 4))),
        release(),
      );
      expectObservable(worked$).toBe(result, records);
      expectObservable(kafka.relief$).toBe(out);
      expectSubscriptions(values$.subscriptions).toBe(subs);
    }),
  );

  it(
    'releases the value whose arrival ends the stream, and says that it has gone',
    inVirtualTime(({ hot, expectObservable, expectSubscriptions, flush }) => {
      const kafka = source();
      const records = recordsOf(kafka.lane());
      const values$ = hot('--a--b--|', records);
      const subs = '       ^-!';
      const result = '     --(a|)';

      expectObservable(values$.pipe(emittedBy(kafka), release(), take(1))).toBe(result, records);
      expectSubscriptions(values$.subscriptions).toBe(subs);
      flush();
      expect(kafka.demand.records).toBe(0);
      expect(kafka.checkpointer.operators).toBe('gone');
    }),
  );

  it(
    'passes an error on, and says that it has gone',
    inVirtualTime(({ hot, expectObservable, expectSubscriptions, flush }) => {
      const kafka = source();
      const records = recordsOf(kafka.lane());
      const values$ = hot('--a--b--#', records);
      const subs = '       ^-------!';
      const result = '     -----x--#';
      const { a, b } = records;

      expectObservable(values$.pipe(emittedBy(kafka), bufferCount(2), release())).toBe(result, { x: [a, b] });
      expectSubscriptions(values$.subscriptions).toBe(subs);
      flush();
      expect(kafka.abandoned()).toBe(1);
    }),
  );

  it(
    'leaves its source when it is unsubscribed',
    inVirtualTime(({ cold, expectObservable, expectSubscriptions, flush }) => {
      const kafka = source();
      const records = recordsOf(kafka.lane());
      const values$ = cold('--a--b--', records);
      const unsub = '       ----!';
      const subs = '        ^---!';
      const result = '      --a--';

      expectObservable(values$.pipe(emittedBy(kafka), release()), unsub).toBe(result, records);
      expectSubscriptions(values$.subscriptions).toBe(subs);
      flush();
      expect(kafka.abandoned()).toBe(1);
    }),
  );
});
