import type { ObservableInput, OperatorFunction } from 'rxjs';
import { OptionError } from '../errors.js';
import { checkOptions } from '../options.js';
import type { ProcessRecordOptions, Processed } from '../processing.js';
import { PROCESS_OPTIONS, processing } from '../processing.js';
import type { KafkaRecord } from '../record.js';

export type { ProcessRecordOptions, Processed } from '../processing.js';

/**
 * Works on several records at a time, and keeps the order that matters.
 *
 * Each value that `project` gives goes on in the record's place: as its new value, or, if it is a record itself, as the record. `undefined`,
 * as of an `async` function that returns nothing, leaves the record as it was. A record is finished when everything that it became is finished
 * and no more can come; one that became nothing is finished at once.
 *
 * ```text
 * records   --a--b--c--------|     a and b have the same key
 *           processRecord(work)    work takes four frames
 * result    ------A---B-C----|
 * ```
 *
 * A record waits here for those before it, and counts as in flight: no more than the source's `maxInFlight` do. A partition or a key that is
 * slow holds up no other as long as there are places and credits left.
 *
 * @param project The work: gives a promise, an Observable, or anything else that `from` takes.
 * @returns The results, in the order in which the work is done. Errors with what `project` throws, or its result errors with, unless `onError` says otherwise.
 * @throws {OptionError} for a wrong or unknown option.
 *
 * @example
 * ```ts
 * orders$.pipe(
 *   processRecord((order) => charge(order.value), { concurrency: 16, order: 'key' }),
 *   toTopic(kafka, 'invoices', (paid) => ({ key: paid.key, value: paid.value })),
 *   commit(),
 * );
 * ```
 */
export function processRecord<V, K, O>(
  project: (record: KafkaRecord<V, K>) => ObservableInput<O>,
  options: ProcessRecordOptions<NoInfer<KafkaRecord<V, K>>> = {},
): OperatorFunction<KafkaRecord<V, K>, Processed<V, K, O>> {
  checkOptions('processRecord', options, PROCESS_OPTIONS);
  if (typeof project !== 'function') throw new OptionError('processRecord: the first argument is a function of the record.');
  return processing(project, options);
}
