import type { OperatorFunction } from 'rxjs';
import { filter } from 'rxjs';
import { LANE } from '../position.js';
import type { KafkaRecord } from '../record.js';

/**
 * Lets records through whose value passes the test; the others are finished on purpose, and remembered as finished.
 *
 * Unlike RxJS's own `filter`, it gives the credit of a dropped record back, so the source never runs dry, and a dropped record does not come
 * again after a restart.
 *
 * ```text
 * records   --a--b-----c--|
 *           filterValue(not b)     a write takes three frames
 * result    --a--------c--|
 * on disk   --------b
 * ```
 *
 * @param predicate Gets the value and its record. What it throws errors the stream, and the record stays unfinished.
 * @returns The records that passed, with their value's type narrowed by a type guard.
 *
 * @example
 * ```ts
 * orders$.pipe(
 *   filterValue((value) => value !== null),
 *   commit(),
 * );
 * ```
 */
export function filterValue<V, W extends V, K>(
  predicate: (value: V, record: KafkaRecord<V, K>) => value is W,
): OperatorFunction<KafkaRecord<V, K>, KafkaRecord<W, K>>;
export function filterValue<V, K>(
  predicate: (value: V, record: KafkaRecord<V, K>) => boolean,
): OperatorFunction<KafkaRecord<V, K>, KafkaRecord<V, K>>;
export function filterValue<V, K>(
  predicate: (value: V, record: KafkaRecord<V, K>) => boolean,
): OperatorFunction<KafkaRecord<V, K>, KafkaRecord<V, K>> {
  return filter((record) => {
    const passes = predicate(record.value, record);
    if (!passes) record[LANE].finish(record.offset);
    return passes;
  });
}
