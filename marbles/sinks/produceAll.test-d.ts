import type { Observable } from 'rxjs';
import { expectTypeOf, test } from 'vitest';
import type { Delivery, DeliveryError, Kafka, Produced } from '../../src/index.js';
import { RecordTooLargeError, produceAll, produced, toTopic } from '../../src/index.js';

declare const kafka: Kafka;
declare const numbers$: Observable<number>;

test('one result', () => {
  expectTypeOf(produceAll(kafka, [{ topic: 't', value: 'x' }])).resolves.toEqualTypeOf<Produced>();
  // @ts-expect-error a record has a value, if only null
  void produceAll(kafka, [{ topic: 't' }]);
  expectTypeOf<Delivery['error']>().toEqualTypeOf<DeliveryError | undefined>();
  expectTypeOf(RecordTooLargeError.prototype).toExtend<DeliveryError>();
  expectTypeOf(
    numbers$.pipe(toTopic(kafka, 't', (n) => ({ value: `${n}` }), { failures: 'result', result: (_, some) => produced(some) })),
  ).toEqualTypeOf<Observable<Produced>>();
  // @ts-expect-error no such way to fail
  toTopic(kafka, 't', () => null, { failures: 'never' });
});
