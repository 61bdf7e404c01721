import type { Observable } from 'rxjs';
import { map } from 'rxjs';
import { describe, expectTypeOf, it } from 'vitest';
import { commit, mapValue } from '../../src/index.js';
import type { KafkaRecord } from '../../src/index.js';

interface Order {
  readonly total: number;
}

declare const topic$: Observable<KafkaRecord>;
declare const orders$: Observable<KafkaRecord<Order, string>>;

describe('mapValue', () => {
  it('gives records with the new type of value, and keeps that of the key', () => {
    expectTypeOf(topic$.pipe(mapValue((value) => value?.length))).toEqualTypeOf<Observable<KafkaRecord<number | undefined>>>();
    expectTypeOf(orders$.pipe(mapValue(({ total }) => total))).toEqualTypeOf<Observable<KafkaRecord<number, string>>>();
  });

  it('hands over a value that may be null, and its record', () => {
    void topic$.pipe(
      mapValue((value, record) => {
        expectTypeOf(value).toEqualTypeOf<Buffer | null>();
        expectTypeOf(record).toEqualTypeOf<KafkaRecord>();
      }),
    );
    // @ts-expect-error a tombstone has no length
    void topic$.pipe(mapValue((value) => value.length));
  });

  it('keeps the position that commit asks for', () => {
    expectTypeOf(
      topic$.pipe(
        mapValue((value) => String(value)),
        commit(),
      ),
    ).toEqualTypeOf<Observable<KafkaRecord<string>>>();
  });

  it('does not take values that are no records', () => {
    void topic$.pipe(
      // @ts-expect-error a bare value
      map((r) => r.value),
      mapValue((value) => value),
    );
  });
});
