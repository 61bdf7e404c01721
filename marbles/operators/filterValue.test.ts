import type { MonoTypeOperatorFunction } from 'rxjs';
import { describe, expect, it } from 'vitest';
import { commit } from '../../src/operators/commit.js';
import { filterValue } from '../../src/operators/filterValue.js';
import type { KafkaRecord } from '../../src/record.js';
import { emittedBy, recordsOf, source } from '../support/source.js';
import { inVirtualTime } from '../support/virtualTime.js';

function notB(): MonoTypeOperatorFunction<KafkaRecord<string>> {
  return filterValue((value) => value !== 'b');
}

describe('filterValue', () => {
  // @diagram
  it(
    'drops a record, and remembers that it is finished',
    inVirtualTime(({ cold, hot, expectObservable, expectSubscriptions, flush }) => {
      const write$ = cold<never>('---|');
      const kafka = source({ write: () => write$ });
      const lane = kafka.lane();
      const records = recordsOf(lane);
      const values$ = hot('       --a--b-----c--|', records);
      const subs = '              ^-------------!';
      const result = '            --a--------c--|';
      const onDisk = '            --------b';
      const writes = '            -----^--!';

      const kept$ = values$.pipe(
        emittedBy(kafka),
        filterValue((value) => value !== 'b'),
      );
      expectObservable(kept$).toBe(result, records);
      expectObservable(kafka.onDisk$).toBe(onDisk, { b: '0 [1,2)' });
      expectSubscriptions(values$.subscriptions).toBe(subs);
      expectSubscriptions(write$.subscriptions).toBe(writes);
      flush();
      expect(lane.records).toBe(2);
    }),
  );

  it(
    'gives the credit of a dropped record back, so a source never runs dry',
    inVirtualTime(({ hot, expectObservable, expectSubscriptions }) => {
      const kafka = source();
      const values$ = hot('--a--b--c--|', recordsOf(kafka.lane()));
      const subs = '       ^----------!';
      const result = '     -----------|';
      const out = '        --0--0--0';

      expectObservable(
        values$.pipe(
          emittedBy(kafka),
          filterValue(() => false),
        ),
      ).toBe(result);
      expectObservable(kafka.relief$).toBe(out);
      expectSubscriptions(values$.subscriptions).toBe(subs);
    }),
  );

  it(
    'leaves nothing open in front of a commit',
    inVirtualTime(({ hot, expectObservable, expectSubscriptions, flush }) => {
      const kafka = source();
      const records = recordsOf(kafka.lane());
      const values$ = hot('--a--b--c--|', records);
      const subs = '       ^----------!';
      const result = '     --a-----c--|';
      const onDisk = '     --1--2--3';

      expectObservable(values$.pipe(emittedBy(kafka), notB(), commit())).toBe(result, records);
      expectObservable(kafka.onDisk$).toBe(onDisk);
      expectSubscriptions(values$.subscriptions).toBe(subs);
      flush();
      expect(kafka.demand.records).toBe(0);
    }),
  );

  it(
    'hands the record to the predicate beside its value',
    inVirtualTime(({ hot, expectObservable, expectSubscriptions }) => {
      const records = recordsOf(source().lane());
      const values$ = hot('--a--b--c--|', records);
      const subs = '       ^----------!';
      const result = '     --a-----c--|';

      expectObservable(values$.pipe(filterValue((_, { offset }) => offset % 2 === 0))).toBe(result, records);
      expectSubscriptions(values$.subscriptions).toBe(subs);
    }),
  );
});
