import type { Observable } from 'rxjs';
import { mergeMap } from 'rxjs';
import { describe, expectTypeOf, it } from 'vitest';
import { bytes, commit, decode, filterValue, json, text } from '../../src/index.js';
import type { KafkaRecord, Poison } from '../../src/index.js';

interface Order {
  readonly total: number;
}

declare const topic$: Observable<KafkaRecord>;
declare const texts$: Observable<KafkaRecord<string>>;
declare const registry: { decode(bytes: Buffer): Promise<Order> };

describe('decode', () => {
  it('gives records of what the codec gives, or null for a tombstone', () => {
    expectTypeOf(topic$.pipe(decode(json<Order>()))).toEqualTypeOf<Observable<KafkaRecord<Order | null>>>();
    expectTypeOf(topic$.pipe(decode(text()))).toEqualTypeOf<Observable<KafkaRecord<string | null>>>();
    expectTypeOf(topic$.pipe(decode(bytes()))).toEqualTypeOf<Observable<KafkaRecord>>();
    expectTypeOf(topic$.pipe(decode(new TextDecoder()))).toEqualTypeOf<Observable<KafkaRecord<string | null>>>();
  });

  it('knows that there are no tombstones where they were filtered out', () => {
    const full$ = topic$.pipe(filterValue((value) => value !== null));
    expectTypeOf(full$.pipe(decode(json<Order>()))).toEqualTypeOf<Observable<KafkaRecord<Order>>>();
  });

  it('looks through a promise', () => {
    expectTypeOf(topic$.pipe(decode(registry))).toEqualTypeOf<Observable<KafkaRecord<Order | null>>>();
  });

  it('tells of poison where it is emitted, and only there', () => {
    expectTypeOf(topic$.pipe(decode(text(), { onError: 'emit' }))).toEqualTypeOf<Observable<KafkaRecord<string | Poison | null>>>();
    expectTypeOf(topic$.pipe(decode(text(), { onError: 'skip' }))).toEqualTypeOf<Observable<KafkaRecord<string | null>>>();
  });

  it('takes an operator that passes failed records on, and none that loses them', () => {
    void topic$.pipe(
      decode(text(), {
        onError: mergeMap(async ({ record, error }) => {
          expectTypeOf(record.value).toEqualTypeOf<Buffer>();
          expectTypeOf(error).toBeUnknown();
          return Promise.resolve(record);
        }),
      }),
    );
    // @ts-expect-error the position is lost
    void topic$.pipe(decode(text(), { onError: mergeMap(({ record }) => [record.value]) }));
  });

  it('takes bytes only, and keeps the position that commit asks for', () => {
    // @ts-expect-error text is decoded already
    void texts$.pipe(decode(json<Order>()));
    expectTypeOf(topic$.pipe(decode(text()), commit())).toEqualTypeOf<Observable<KafkaRecord<string | null>>>();
  });
});
