import type { Observable } from 'rxjs';
import { map, of } from 'rxjs';
import { describe, expectTypeOf, it } from 'vitest';
import { commit, toTopic } from '../../src/index.js';
import type { Delivery, Kafka, KafkaRecord } from '../../src/index.js';

interface Order {
  readonly total: number;
}

declare const kafka: Kafka;
declare const topic$: Observable<KafkaRecord>;
declare const orders$: Observable<KafkaRecord<Order, string>>;

describe('toTopic', () => {
  it('passes on what it was given, with its position', () => {
    expectTypeOf(topic$.pipe(toTopic(kafka, 'out'), commit())).toEqualTypeOf<typeof topic$>();
    expectTypeOf(
      orders$.pipe(
        toTopic(kafka, 'out', ({ key, value }) => ({ key, value: String(value.total) })),
        commit(),
      ),
    ).toEqualTypeOf<typeof orders$>();
  });

  it('takes any input for which it is said what to write: one record, several, or none', () => {
    expectTypeOf(of(1, 2).pipe(toTopic(kafka, 'out', (n) => ({ value: String(n) })))).toEqualTypeOf<Observable<number>>();
    void of('a').pipe(toTopic(kafka, 'out', (word) => Array.from(word, (value) => ({ value }))));
    void of('a').pipe(toTopic(kafka, 'out', () => null));
    void orders$.pipe(toTopic(kafka, ({ key }) => key, ({ value }) => ({ value: String(value.total) }))); // prettier-ignore
  });

  it('gives what `result` gives, which may have lost the position', () => {
    const placed$ = topic$.pipe(toTopic(kafka, 'out', ({ value }) => ({ value }), { result: (_, deliveries) => deliveries })); // prettier-ignore
    expectTypeOf(placed$).toEqualTypeOf<Observable<readonly Delivery[]>>();
    // @ts-expect-error where it was written to is not where it came from
    void placed$.pipe(commit());
  });

  it('asks what to write where the input does not say', () => {
    // @ts-expect-error an object is not written by itself
    void orders$.pipe(toTopic(kafka, 'out'));
    void topic$.pipe(
      // @ts-expect-error a bare value is no record
      map((r) => r.value),
      toTopic(kafka, 'out'),
    );
    // @ts-expect-error a number is no value
    void topic$.pipe(toTopic(kafka, 'out', () => ({ value: 3 })));
  });
});
