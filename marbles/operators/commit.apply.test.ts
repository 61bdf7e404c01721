import type { MonoTypeOperatorFunction } from 'rxjs';
import { EMPTY, bufferCount, delay, from, merge, mergeMap, of } from 'rxjs';
import { describe, expect, it } from 'vitest';
import { OptionError } from '../../src/errors.js';
import { memoryOffsets } from '../../src/offsets/memory.js';
import type { OffsetStore } from '../../src/offsets/store.js';
import { commit } from '../../src/operators/commit.js';
import type { KafkaRecord } from '../../src/record.js';
import type { ApplyState } from '../../src/state.js';
import type { Source } from '../support/source.js';
import { emittedBy, recordsOf, source } from '../support/source.js';
import { at, inVirtualTime } from '../support/virtualTime.js';

type Letter = KafkaRecord<string>;

/** A source whose checkpoints go to a store in memory, where two partitions are its own. */
function stored(offsets: OffsetStore = memoryOffsets()): { kafka: Source; offsets: OffsetStore } {
  from(
    offsets.claim(
      'group',
      [0, 1].map((partition) => ({ topic: 'orders', partition })),
    ),
  ).subscribe();
  return { kafka: source({ write: (checkpoints, apply) => offsets.write('group', checkpoints, apply) }), offsets };
}

/** Works on records side by side, each as long as `ms` says. */
function workFor(ms: Readonly<Record<string, number>>): MonoTypeOperatorFunction<Letter> {
  return mergeMap((record) => of(record).pipe(delay(ms[record.value] ?? 0)));
}

/** Counts how often each value was applied. */
const count: ApplyState<Letter> = (records, txn) => {
  const counts = txn.table<number>('counts');
  for (const { value } of records) counts.put(value, (counts.get(value) ?? 0) + 1);
};

const counted = (offsets: OffsetStore): Record<string, number> => Object.fromEntries(offsets.state<number>('counts').entries());

describe('commit with apply', () => {
  it(
    'changes the state by each value once, with its offset',
    inVirtualTime(({ hot, expectObservable, expectSubscriptions, flush }) => {
      const { kafka, offsets } = stored();
      const records = recordsOf(kafka.lane());
      const values$ = hot('--a--(bc)--|', records);
      const subs = '       ^----------!';
      const result = '     --a--(bc)--|';
      const onDisk = '     --1--(23)';

      expectObservable(values$.pipe(emittedBy(kafka), commit({ apply: count }))).toBe(result, records);
      expectObservable(kafka.onDisk$).toBe(onDisk);
      expectSubscriptions(values$.subscriptions).toBe(subs);
      flush();
      expect(counted(offsets)).toEqual({ a: 1, b: 1, c: 1 });
    }),
  );

  it(
    'gets all values of a transaction at once, in the order in which they came, whatever the order of the work',
    inVirtualTime(({ cold, hot, expectObservable, expectSubscriptions, flush }) => {
      const write$ = cold<never>('----|');
      const batches: string[] = [];
      const kafka = source({
        write: (_, apply) => {
          apply?.([], { table: () => ({}) as never });
          return write$;
        },
      });
      const records = recordsOf(kafka.lane());
      const values$ = hot('-(abc)-|', records);
      const subs = '       ^------!';
      const result = '     ---cb-a----|';
      const firstWrite = ' ---^---!';
      const nextWrite = '  -------^---!';

      const apply: ApplyState<Letter> = (all) => batches.push(all.map(({ value }) => value).join(''));
      expectObservable(values$.pipe(emittedBy(kafka), workFor({ a: 5, b: 3, c: 2 }), commit({ apply }))).toBe(result, records);
      expectSubscriptions(values$.subscriptions).toBe(subs);
      expectSubscriptions(write$.subscriptions).toBe([firstWrite, nextWrite]);
      flush();
      expect(batches).toEqual(['c', 'ba']);
    }),
  );

  it(
    'what apply throws errors the stream, and nothing of the transaction happened',
    inVirtualTime(({ hot, expectObservable, expectSubscriptions, flush }) => {
      const { kafka, offsets } = stored();
      const records = recordsOf(kafka.lane());
      const values$ = hot('--a--b--|', records);
      const subs = '       ^----!';
      const result = '     --a--(b#)';
      const onDisk = '     --1';
      const apply: ApplyState<Letter> = (all, txn) => {
        count(all, txn);
        if (all.some(({ value }) => value === 'b')) throw new TypeError('no such account');
      };

      expectObservable(values$.pipe(emittedBy(kafka), commit({ apply }))).toBe(result, records, new TypeError('no such account'));
      expectObservable(kafka.onDisk$).toBe(onDisk);
      expectSubscriptions(values$.subscriptions).toBe(subs);
      flush();
      expect(counted(offsets)).toEqual({ a: 1 });
    }),
  );

  it(
    'changes nothing by values whose partition was lost, or taken over, before they were written',
    inVirtualTime(({ hot, flush }) => {
      const { kafka, offsets } = stored();
      const lost = kafka.lane({ partition: 1 });
      const records = { ...recordsOf(kafka.lane(), 'ab'), ...recordsOf(lost, 'xy') };
      const values$ = hot('-a-x-y-b-|', records);

      at(4, () => {
        // Another subscription begins: this one's epoch is over.
        from(offsets.claim('group', [lost])).subscribe();
      });
      values$.pipe(emittedBy(kafka), commit({ apply: count })).subscribe();
      flush();
      expect(counted(offsets)).toEqual({ a: 1, b: 1, x: 1 });
      expect(kafka.refused).toEqual([lost]);
    }),
  );

  it(
    'applies an array as a whole',
    inVirtualTime(({ hot, flush }) => {
      const { kafka, offsets } = stored();
      const values$ = hot('-abcd-|', recordsOf(kafka.lane()));
      const sizes: ApplyState<readonly Letter[]> = (batches, txn) => {
        for (const batch of batches) txn.table<number>('counts').put(batch.map(({ value }) => value).join(''), batch.length);
      };

      values$.pipe(emittedBy(kafka), bufferCount(3), commit({ apply: sizes })).subscribe();
      flush();
      expect(counted(offsets)).toEqual({ abc: 3, d: 1 });
      expect(kafka.writes).toHaveLength(2);
    }),
  );

  it(
    'refuses an array of two sources, which cannot be atomic',
    inVirtualTime(({ hot, expectObservable }) => {
      const one = stored().kafka;
      const other = stored().kafka;
      const values$ = merge(
        hot('-a', recordsOf(one.lane())).pipe(emittedBy(one)),
        hot('-b', recordsOf(other.lane())).pipe(emittedBy(other)),
      );
      const problem = new OptionError('commit: `apply` cannot be atomic for an array of records from two sources.');

      expectObservable(values$.pipe(bufferCount(2), commit({ apply: () => undefined, emit: 'durable' }))).toBe('-#', {}, problem);
    }),
  );

  it('refuses what is no function at once', () => {
    expect(() => commit({ apply: 'count' as never })).toThrow(/`apply` must be a function/);
    expect(() => EMPTY.pipe(commit({ apply: () => undefined }))).not.toThrow();
  });
});
