import { map } from 'rxjs';
import { describe, expect, it } from 'vitest';
import { mapValue } from '../../src/operators/mapValue.js';
import { LANE } from '../../src/position.js';
import { recordsOf, source } from '../support/source.js';
import { inVirtualTime } from '../support/virtualTime.js';

describe('mapValue', () => {
  // @diagram
  it(
    'changes the value, and keeps everything else',
    inVirtualTime(({ hot, expectObservable, expectSubscriptions }) => {
      const lane = source().lane();
      const records = recordsOf(lane);
      const values$ = hot('--a--b-----c--|', records);
      const subs = '       ^-------------!';
      const result = '     --A--B-----C--|';
      const loud = Object.fromEntries(
        Object.entries(records).map(([letter, record]) => [letter.toUpperCase(), { ...record, value: letter.toUpperCase() }]),
      );

      expectObservable(values$.pipe(mapValue((value) => value.toUpperCase()))).toBe(result, loud);
      expectSubscriptions(values$.subscriptions).toBe(subs);
    }),
  );

  it(
    'keeps the position, so the record can still be committed, and leaves the record it was given alone',
    inVirtualTime(({ hot, expectObservable, expectSubscriptions, flush }) => {
      const lane = source().lane();
      const records = recordsOf(lane);
      const values$ = hot('--a--|', records);
      const subs = '       ^----!';
      const result = '     --x--|';

      const positions$ = values$.pipe(
        mapValue((value) => value.length),
        map(({ offset, [LANE]: kept }) => ({ offset, kept: kept === lane })),
      );
      expectObservable(positions$).toBe(result, { x: { offset: 0, kept: true } });
      expectSubscriptions(values$.subscriptions).toBe(subs);
      flush();
      expect(records['a']?.value).toBe('a');
    }),
  );

  it(
    'hands the record to the function beside its value',
    inVirtualTime(({ hot, expectObservable, expectSubscriptions }) => {
      const records = recordsOf(source().lane());
      const values$ = hot('--a--b--|', records);
      const subs = '       ^-------!';
      const result = '     --x--y--|';

      expectObservable(values$.pipe(mapValue((value, { offset }) => value + String(offset)))).toBe(result, {
        x: { ...records['a'], value: 'a0' },
        y: { ...records['b'], value: 'b1' },
      });
      expectSubscriptions(values$.subscriptions).toBe(subs);
    }),
  );
});
