import type { Observable } from 'rxjs';
import { bufferCount, map } from 'rxjs';
import { describe, expectTypeOf, it } from 'vitest';
import type { Kafka, KafkaRecord } from '../../src/index.js';
import { filterValue, mapValue, toTransaction } from '../../src/index.js';

declare const kafka: Kafka;
declare const topic$: Observable<KafkaRecord>;
const options = { transactionalId: 'billing-1' };

describe('toTransaction', () => {
  it('gives its inputs back', () => {
    const numbers$ = topic$.pipe(mapValue((value) => value?.length ?? 0));
    expectTypeOf(topic$.pipe(toTransaction(kafka, 'out', options))).toEqualTypeOf<Observable<KafkaRecord>>();
    expectTypeOf(numbers$.pipe(toTransaction(kafka, 'out', ({ value }) => ({ value: String(value) }), options))).toEqualTypeOf<
      typeof numbers$
    >();
    void topic$.pipe(
      filterValue((value) => value !== null),
      toTransaction(
        kafka,
        ({ key }) => String(key),
        (record) => [record, { topic: 'other', value: record.value }],
        options,
      ),
    );
  });

  it('does not compile where the position was lost', () => {
    void topic$.pipe(
      // @ts-expect-error it does not say of which record
      map(({ value }) => ({ value })),
      toTransaction(kafka, 'out', () => null, options),
    );
    void topic$.pipe(
      // @ts-expect-error what an array holds may belong into several transactions
      bufferCount(10),
      toTransaction(kafka, 'out', () => null, options),
    );
  });

  it('does not compile without a transactional id, or where a value cannot be written as it is', () => {
    // @ts-expect-error the id has no default
    void topic$.pipe(toTransaction(kafka, 'out', {}));
    // @ts-expect-error no such option
    void topic$.pipe(toTransaction(kafka, 'out', { ...options, maxRecords: 3 }));
    void topic$.pipe(
      // @ts-expect-error a number is not written by itself
      mapValue(() => 1),
      toTransaction(kafka, 'out', options),
    );
  });
});
