import type { Observable } from 'rxjs';
import { bufferCount, bufferTime, groupBy, map, mergeMap, of, pairwise, scan, toArray } from 'rxjs';
import { describe, expectTypeOf, it } from 'vitest';
import {
  batch,
  commit,
  deadLetter,
  decode,
  filterValue,
  gate,
  json,
  mapValue,
  processRecord,
  publish,
  release,
  toTopic,
} from '../src/index.js';
import type { Kafka, KafkaRecord, Positioned, Publisher } from '../src/index.js';

interface Order {
  readonly total: number;
}

declare const kafka: Kafka;
declare const metrics: Publisher;
declare const topic$: Observable<KafkaRecord>;
declare const keyed$: Observable<KafkaRecord<Buffer, string>>;
declare const orders$: Observable<KafkaRecord<Order, string>>;

function guarded<T extends Positioned>(values$: Observable<T>): Observable<T> {
  return values$.pipe(gate(of(true)), commit());
}

describe('the types of value and key', () => {
  it('flow through each operator', () => {
    expectTypeOf(orders$.pipe(mapValue(({ total }) => total))).toEqualTypeOf<Observable<KafkaRecord<number, string>>>();
    expectTypeOf(orders$.pipe(filterValue(({ total }) => total > 0))).toEqualTypeOf<typeof orders$>();
    expectTypeOf(keyed$.pipe(decode(json<Order>()))).toEqualTypeOf<typeof orders$>();
    expectTypeOf(keyed$.pipe(decode(json<Order>(), { onError: deadLetter(toTopic(kafka, 'dead')) }))).toEqualTypeOf<typeof orders$>();
    expectTypeOf(orders$.pipe(processRecord(({ value }) => of(value.total)))).toEqualTypeOf<Observable<KafkaRecord<number, string>>>();
    expectTypeOf(orders$.pipe(batch())).toEqualTypeOf<Observable<KafkaRecord<Order, string>[]>>();
    expectTypeOf(orders$.pipe(gate(of(true)))).toEqualTypeOf<typeof orders$>();
    expectTypeOf(orders$.pipe(commit())).toEqualTypeOf<typeof orders$>();
    expectTypeOf(orders$.pipe(release())).toEqualTypeOf<typeof orders$>();
    expectTypeOf(orders$.pipe(toTopic(kafka, 'out', ({ key }) => ({ key, value: null })))).toEqualTypeOf<typeof orders$>();
    const sent$ = orders$.pipe(publish(metrics, ({ key }) => ({ key, value: null }), { result: (order) => order }));
    expectTypeOf(sent$).toEqualTypeOf<typeof orders$>();
  });

  it('flow through all of them in one pipe', () => {
    const all$ = topic$.pipe(
      filterValue((value) => value !== null),
      decode(json<Order>()),
      gate(of(true)),
      mapValue(({ total }) => total),
      processRecord(({ value }) => of(value.toFixed(2))),
      toTopic(kafka, 'out'),
      batch(),
      commit(),
    );
    expectTypeOf(all$).toEqualTypeOf<Observable<KafkaRecord<string>[]>>();
  });

  it('are known to what a user writes between them', () => {
    void orders$.pipe(
      batch(),
      commit({
        metadata: (all) => all[0]?.key ?? '',
        apply: (batches) => {
          expectTypeOf(batches).toEqualTypeOf<readonly KafkaRecord<Order, string>[][]>();
        },
      }),
    );
    void orders$.pipe(
      processRecord((order) => {
        expectTypeOf(order).toEqualTypeOf<KafkaRecord<Order, string>>();
        return [order.value.total];
      }),
    );
  });
});

describe('a position', () => {
  it('survives object spread', () => {
    const spread$ = orders$.pipe(map((order) => ({ ...order, value: order.value.total, note: 'x' })));
    expectTypeOf(spread$.pipe(commit())).toEqualTypeOf<typeof spread$>();
    const renamed$ = orders$.pipe(map(({ key, value, ...rest }) => ({ ...rest, name: key, total: value.total })));
    expectTypeOf(renamed$.pipe(commit())).toEqualTypeOf<typeof renamed$>();
    const summed$ = orders$.pipe(
      scan((sum, order) => ({ ...order, total: sum.total + order.value.total }), { total: 0 } as Positioned & Order),
    );
    expectTypeOf(summed$.pipe(commit())).toEqualTypeOf<Observable<Positioned & Order>>();
  });

  it('survives in arrays and tuples', () => {
    expectTypeOf(orders$.pipe(bufferCount(10), commit())).toEqualTypeOf<Observable<KafkaRecord<Order, string>[]>>();
    expectTypeOf(orders$.pipe(bufferTime(10), gate(of(true)), release())).toEqualTypeOf<Observable<KafkaRecord<Order, string>[]>>();
    expectTypeOf(orders$.pipe(pairwise(), commit())).toEqualTypeOf<Observable<[KafkaRecord<Order, string>, KafkaRecord<Order, string>]>>();
    const byKey$ = orders$.pipe(
      groupBy(({ key }) => key),
      mergeMap((group$) => group$.pipe(toArray())),
    );
    expectTypeOf(byKey$.pipe(commit())).toEqualTypeOf<Observable<KafkaRecord<Order, string>[]>>();
  });

  it('is kept in what is generic, too', () => {
    expectTypeOf(guarded(orders$)).toEqualTypeOf<typeof orders$>();
  });
});
