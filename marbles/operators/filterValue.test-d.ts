import type { Observable } from 'rxjs';
import { describe, expectTypeOf, it } from 'vitest';
import { commit, filterValue } from '../../src/index.js';
import type { KafkaRecord } from '../../src/index.js';

declare const topic$: Observable<KafkaRecord>;
declare const words$: Observable<KafkaRecord<string | number, string>>;
declare function isText(value: unknown): value is string;

describe('filterValue', () => {
  it('narrows the value by what the predicate proves', () => {
    expectTypeOf(topic$.pipe(filterValue((value) => value !== null))).toEqualTypeOf<Observable<KafkaRecord<Buffer>>>();
    expectTypeOf(words$.pipe(filterValue((value) => typeof value === 'string'))).toEqualTypeOf<Observable<KafkaRecord<string, string>>>();
    expectTypeOf(words$.pipe(filterValue(isText))).toEqualTypeOf<Observable<KafkaRecord<string, string>>>();
  });

  it('keeps the type where the predicate proves nothing', () => {
    expectTypeOf(topic$.pipe(filterValue((value, { offset }) => value !== null && offset > 7))).toExtend<Observable<KafkaRecord>>();
    expectTypeOf(words$.pipe(filterValue((_, { key }) => key === 'eu'))).toEqualTypeOf<typeof words$>();
  });

  it('keeps the position that commit asks for', () => {
    expectTypeOf(
      topic$.pipe(
        filterValue((value) => value !== null),
        commit(),
      ),
    ).toEqualTypeOf<Observable<KafkaRecord<Buffer>>>();
  });

  it('asks for a yes or no', () => {
    // @ts-expect-error a length is neither
    void topic$.pipe(filterValue((value) => value?.length));
  });
});
