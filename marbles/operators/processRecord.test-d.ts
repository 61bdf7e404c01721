import type { Observable } from 'rxjs';
import { EMPTY, of } from 'rxjs';
import { describe, expectTypeOf, it } from 'vitest';
import { commit, processRecord } from '../../src/index.js';
import type { KafkaRecord } from '../../src/index.js';

interface Order {
  readonly total: number;
}

declare const orders$: Observable<KafkaRecord<Order, string>>;
declare function charge(order: Order): Promise<boolean>;
declare function print(order: Order): Promise<void>;
declare function maybe(order: Order): Promise<string | undefined>;

describe('processRecord', () => {
  it('gives records whose value is what the work gave', () => {
    expectTypeOf(orders$.pipe(processRecord(({ value }) => charge(value)))).toEqualTypeOf<Observable<KafkaRecord<boolean, string>>>();
    expectTypeOf(orders$.pipe(processRecord(() => of(1, 2)))).toEqualTypeOf<Observable<KafkaRecord<number, string>>>();
    expectTypeOf(orders$.pipe(processRecord(() => [1, 2]))).toEqualTypeOf<Observable<KafkaRecord<number, string>>>();
    expectTypeOf(orders$.pipe(processRecord(() => EMPTY))).toEqualTypeOf<Observable<never>>();
  });

  it('gives the record itself where the work gave nothing', () => {
    expectTypeOf(orders$.pipe(processRecord(({ value }) => print(value)))).toEqualTypeOf<typeof orders$>();
    expectTypeOf(orders$.pipe(processRecord(({ value }) => maybe(value)))).toEqualTypeOf<Observable<KafkaRecord<string | Order, string>>>();
  });

  it('gives the record that the work gave', () => {
    const totals$ = orders$.pipe(processRecord((order) => of({ ...order, value: order.value.total })));
    void totals$.pipe(processRecord(({ value }) => of(value.toFixed(2))));
  });

  it('keeps the position that commit asks for', () => {
    expectTypeOf(
      orders$.pipe(
        processRecord(({ value }) => charge(value), { concurrency: 4, order: 'key' }),
        commit(),
      ),
    ).toEqualTypeOf<Observable<KafkaRecord<boolean, string>>>();
  });

  it('takes work that gives a stream of some kind, and a known order', () => {
    // @ts-expect-error a number is no stream
    void orders$.pipe(processRecord(({ value }) => value.total));
    // @ts-expect-error there is no such order
    void orders$.pipe(processRecord(({ value }) => charge(value), { order: 'keys' }));
  });
});
