import type { OperatorFunction } from 'rxjs';
import { map } from 'rxjs';
import type { KafkaRecord } from '../record.js';

/**
 * Changes the value of each record and keeps everything else, its position included.
 *
 * ```text
 * records   --a--b-----c--|
 *           mapValue(f)
 * result    --A--B-----C--|
 * ```
 *
 * @param project Gets the value and its record. What it throws errors the stream, and the record stays unfinished.
 * @returns Records with the new value.
 *
 * @example
 * ```ts
 * orders$.pipe(
 *   mapValue((value) => JSON.parse(String(value)) as Order),
 *   commit(),
 * );
 * ```
 */
export function mapValue<V, W, K>(
  project: (value: V, record: KafkaRecord<V, K>) => W,
): OperatorFunction<KafkaRecord<V, K>, KafkaRecord<W, K>> {
  return map((record) => ({ ...record, value: project(record.value, record) }));
}
