import type { Observable } from 'rxjs';
import { EMPTY, of } from 'rxjs';
import { describe, expectTypeOf, it } from 'vitest';
import { commit, deadLetter, retryRecord, toTopic } from '../../src/index.js';
import type { Attempt, Kafka, KafkaRecord } from '../../src/index.js';

interface Order {
  readonly total: number;
}

declare const kafka: Kafka;
declare const orders$: Observable<KafkaRecord<Order, string>>;
declare function charge(order: Order): Promise<boolean>;
declare function print(order: Order): Promise<void>;

describe('retryRecord', () => {
  it('gives what the work gave in the place of its record, as processRecord does', () => {
    expectTypeOf(orders$.pipe(retryRecord(({ value }) => charge(value)))).toEqualTypeOf<Observable<KafkaRecord<boolean, string>>>();
    expectTypeOf(orders$.pipe(retryRecord(({ value }) => print(value)))).toEqualTypeOf<typeof orders$>();
    expectTypeOf(orders$.pipe(retryRecord(() => of(1, 2)))).toEqualTypeOf<Observable<KafkaRecord<number, string>>>();
    expectTypeOf(orders$.pipe(retryRecord(() => EMPTY))).toEqualTypeOf<Observable<never>>();
  });

  it('tells the work which record and which attempt it is', () => {
    void orders$.pipe(
      retryRecord((record, attempt) => {
        expectTypeOf(record).toEqualTypeOf<KafkaRecord<Order, string>>();
        expectTypeOf(attempt).toEqualTypeOf<Attempt>();
        return [attempt.attempt];
      }),
    );
  });

  it('keeps the position that commit asks for, and takes a dead letter', () => {
    const delayMs = (attempt: number, error: unknown): number => (error instanceof RangeError ? 0 : attempt * 100);
    expectTypeOf(
      orders$.pipe(
        retryRecord(({ value }) => charge(value), {
          attempts: 3,
          delayMs,
          retryIf: (error) => error instanceof Error,
          onError: deadLetter(toTopic(kafka, 'orders.dead')),
        }),
        commit(),
      ),
    ).toEqualTypeOf<Observable<KafkaRecord<boolean, string>>>();
  });

  it('takes work that gives a stream of some kind, and options that it knows', () => {
    // @ts-expect-error a number is no stream
    void orders$.pipe(retryRecord(({ value }) => value.total));
    // @ts-expect-error it is `attempts`
    void orders$.pipe(retryRecord(({ value }) => charge(value), { attempt: 3 }));
    // @ts-expect-error an answer that may come later is none
    void orders$.pipe(retryRecord(({ value }) => charge(value), { retryIf: () => Promise.resolve(true) }));
  });
});
