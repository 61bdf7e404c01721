import type { Observable } from 'rxjs';
import { describe, expectTypeOf, it } from 'vitest';
import type { FromPartitionsOptions, Kafka, KafkaRecord, OffsetStore, WorkerSlot } from '../../src/index.js';
import { commit, fromPartitions } from '../../src/index.js';

declare const kafka: Kafka;
declare const offsets: OffsetStore;

describe('fromPartitions', () => {
  it('gives records, which operators of this library take', () => {
    expectTypeOf(fromPartitions(kafka, 'orders', { name: 'billing', offsets })).toExtend<Observable<KafkaRecord>>();
    expectTypeOf(fromPartitions(kafka, { orders: [0, 3] }, { name: 'billing', offsets }).pipe(commit())).toEqualTypeOf<
      Observable<KafkaRecord>
    >();
  });

  it('takes a worker as a whole', () => {
    expectTypeOf<{ slot: number; of: number }>().toExtend<WorkerSlot>();
    expectTypeOf<FromPartitionsOptions['worker']>().toEqualTypeOf<WorkerSlot | undefined>();
    // @ts-expect-error -- Of how many?
    void fromPartitions(kafka, 'orders', { name: 'billing', offsets, worker: { slot: 1 } });
    // @ts-expect-error -- There is no group.
    void fromPartitions(kafka, 'orders', { group: 'billing', offsets });
    // @ts-expect-error -- Partitions that match no name cannot be told.
    void fromPartitions(kafka, /orders/, { name: 'billing', offsets });
  });
});
