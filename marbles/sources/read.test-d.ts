import type { Observable } from 'rxjs';
import { describe, expectTypeOf, it } from 'vitest';
import type { Kafka, KafkaRecord, MeasuredSource, ReadPlaces } from '../../src/index.js';
import { commit, readTopic } from '../../src/index.js';

declare const kafka: Kafka;

describe('readTopic', () => {
  it('gives records, which operators of this library take', () => {
    expectTypeOf(readTopic(kafka, 'orders')).toEqualTypeOf<MeasuredSource>();
    expectTypeOf(readTopic(kafka, 'orders', { until: 'latest' }).pipe(commit())).toEqualTypeOf<Observable<KafkaRecord>>();
  });

  it('takes one place, or one for each partition', () => {
    expectTypeOf<{ timestamp: number }>().toExtend<ReadPlaces>();
    expectTypeOf<{ 0: 'latest'; 7: { last: 3 }; 9: 12 }>().toExtend<ReadPlaces>();
    // @ts-expect-error -- No such place.
    void readTopic(kafka, 'orders', { from: 'fail' });
    // @ts-expect-error -- There is no group to be drained for.
    void readTopic(kafka, 'orders', { drainTimeoutMs: 1 });
  });
});
