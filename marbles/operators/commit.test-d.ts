import type { Observable, OperatorFunction } from 'rxjs';
import { bufferCount, bufferTime, filter, map, mergeMap, of } from 'rxjs';
import { describe, expectTypeOf, it } from 'vitest';
import { commit, filterValue, mapValue } from '../../src/index.js';
import type { KafkaRecord } from '../../src/index.js';

declare const topic$: Observable<KafkaRecord>;
declare const merged$: Observable<KafkaRecord<string> | KafkaRecord<number>[]>;

describe('commit', () => {
  it('does not compile where the position was lost', () => {
    void topic$.pipe(
      // @ts-expect-error a bare value knows no position
      map((r) => r.value),
      commit(),
    );
    void topic$.pipe(
      // @ts-expect-error an offset alone does not say of which partition
      map(({ offset, value }) => ({ offset, value })),
      commit(),
    );
    void topic$.pipe(
      map((r) => r.value),
      // @ts-expect-error neither do values in an array
      bufferCount(10),
      commit(),
    );
    // @ts-expect-error arrays of arrays are to be flattened first
    void topic$.pipe(bufferCount(10), bufferCount(10), commit());
  });

  it('takes a record with another value, and gives the same type back', () => {
    const spread$ = topic$.pipe(
      map((r) => ({ ...r, value: 1 })),
      commit(),
    );
    expectTypeOf(spread$).toExtend<Observable<KafkaRecord<number>>>();
    expectTypeOf(topic$.pipe(commit())).toEqualTypeOf<Observable<KafkaRecord>>();
  });

  it('takes arrays of records', () => {
    expectTypeOf(topic$.pipe(bufferCount(10), commit())).toEqualTypeOf<Observable<KafkaRecord[]>>();
    expectTypeOf(topic$.pipe(bufferTime(10), commit())).toEqualTypeOf<Observable<KafkaRecord[]>>();
    expectTypeOf(merged$.pipe(commit())).toEqualTypeOf<typeof merged$>();
  });

  it('takes what stock operators and ours hand on', () => {
    const ours$ = topic$.pipe(
      mapValue((value) => String(value)),
      filterValue((value) => value !== ''),
      commit(),
    );
    const stock$ = topic$.pipe(
      filter(({ key }) => key !== null),
      mergeMap((r) => of(r)),
      commit({ ordered: true }),
    );
    expectTypeOf(ours$).toEqualTypeOf<Observable<KafkaRecord<string>>>();
    expectTypeOf(stock$).toEqualTypeOf<Observable<KafkaRecord>>();
  });

  it('knows the value in metadata, and its options by name', () => {
    void topic$.pipe(commit({ metadata: (r) => `${r.topic} ${r.offset}` }));
    void topic$.pipe(bufferCount(10), commit({ metadata: (batch) => String(batch.length) }));
    // @ts-expect-error no such option
    void topic$.pipe(commit({ order: true }));
    // @ts-expect-error no such choice
    void topic$.pipe(commit({ emit: 'later' }));
    // @ts-expect-error a word is text
    void topic$.pipe(commit({ metadata: (r) => r.offset }));
  });
});

describe('an operator kept in a variable', () => {
  it('says what it takes', () => {
    expectTypeOf(commit<KafkaRecord>()).toExtend<OperatorFunction<KafkaRecord, KafkaRecord>>();
    // @ts-expect-error text knows no position
    commit<string>();
  });
});
