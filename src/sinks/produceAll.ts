import { lastValueFrom, of } from 'rxjs';
import type { DeliveryError } from '../errors.js';
import type { Kafka } from '../kafka.js';
import { checkOptions } from '../options.js';
import type { Delivery, ProducerRecord } from '../record.js';
import type { ProducerSettings } from './toTopic.js';
import { SETTINGS, toTopic } from './toTopic.js';

/** What became of several records. */
export interface Produced {
  /** Where each was written, in the order of the records; one that was not acknowledged has its `error` there, and the offset -1. */
  readonly offsets: readonly Delivery[];
  readonly hasErrors: boolean;
  /** Those of the records that were not acknowledged. */
  readonly errors: readonly DeliveryError[];
}

export interface ProduceAllOptions extends ProducerSettings {
  /** Where records go that name no topic of their own. Default: none, and such a record is refused. */
  readonly topic?: string;
}

/**
 * Several deliveries as one result, for `toTopic`'s `result`.
 *
 * @example
 * ```ts
 * const written$ = orders$.pipe(
 *   toTopic(kafka, 'invoices', (order) => [{ value: order.value }, { topic: 'orders.copy', value: order.value }], {
 *     failures: 'result',
 *     result: (order, deliveries) => ({ ...order, written: produced(deliveries) }),
 *   }),
 * );
 * ```
 */
export function produced(deliveries: readonly Delivery[]): Produced {
  const errors = deliveries.flatMap(({ error }) => error ?? []);
  return { offsets: deliveries, hasErrors: errors.length > 0, errors };
}

/**
 * Writes records, to as many topics and partitions as they name, and resolves with one result when the fate of each is known.
 *
 * It connects, writes, and closes: for a script or a test. Where records keep coming, `toTopic` and `publisher` keep their connections.
 *
 * @returns What became of each. It does not reject for a record that was not acknowledged, but with `InvalidRecordError` when one cannot be
 * written as it is (then none is), `BrokerUnavailableError`, `ClientUnavailableError`, or `ClosedError`.
 * @throws {OptionError} for a wrong or unknown option.
 *
 * @example
 * ```ts
 * const { hasErrors, errors } = await produceAll(kafka, [{ key: 'a', value: '1' }, { topic: 'invoices', value: '2' }], { topic: 'invoices' });
 * if (hasErrors) throw new AggregateError(errors);
 * ```
 */
export async function produceAll(kafka: Kafka, records: readonly ProducerRecord[], options: ProduceAllOptions = {}): Promise<Produced> {
  checkOptions('produceAll', options, { ...SETTINGS, topic: 'text' });
  const { topic = '', ...settings } = options;
  const written$ = of(records).pipe(
    toTopic(
      kafka,
      () => topic,
      (all) => all,
      { ...settings, failures: 'result', result: (_, deliveries) => produced(deliveries) },
    ),
  );
  return lastValueFrom(written$, { defaultValue: produced([]) });
}
