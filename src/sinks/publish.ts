import type { OperatorFunction } from 'rxjs';
import { Observable } from 'rxjs';
import { OptionError } from '../errors.js';
import { listen } from '../listen.js';
import { checkOptions } from '../options.js';
import type { KafkaRecord, ProducerRecord } from '../record.js';
import type { PublishOutcome } from './publishOutcome.js';
import type { Entry } from './inOrder.js';
import { InOrder } from './inOrder.js';
import { forward } from './outgoing.js';
import { Publisher } from './publisher.js';

/** An input, and what became of it. */
export interface Published<T> extends PublishOutcome {
  readonly input: T;
}

export interface PublishOptions<T, R = Published<T>> {
  /** What to pass on. Default: the outcome, with the input as `input`. */
  readonly result?: (input: T, outcome: PublishOutcome) => R;
}

/**
 * Sends each input through a publisher, and passes it on with where it went: `'kafka'`, `'disk'`, `'dropped'` or `'rejected'`.
 *
 * Inputs go on in the order in which they came, each when its outcome is known. It never errors by itself and closes nothing: the publisher
 * is yours. A source that is faster than Kafka and the disk sees `'rejected'`.
 *
 * ```text
 * inputs    --a--b-----c--|
 *           publish(publisher)     Kafka takes three frames
 * result    -----a--b-----(c|)
 * ```
 *
 * @param to What to send for an input. Default: its own key, value and headers.
 * @returns The outcomes. Errors with what `to` or `result` throw.
 * @throws {OptionError} at once, for a wrong argument.
 *
 * @example
 * ```ts
 * const invoices = publisher(kafka, { topic: 'invoices', spill: './spill' });
 * orders$.pipe(
 *   publish(invoices, ({ key, value }) => ({ key, value }), { result: (order) => order }),
 *   commit(),
 * );
 * ```
 */
export function publish<T extends KafkaRecord<Buffer | string | null, Buffer | string | null>>(
  publisher: Publisher,
): OperatorFunction<T, Published<T>>;
export function publish<T, R = Published<T>>(
  publisher: Publisher,
  to: (input: T) => ProducerRecord,
  options?: PublishOptions<T, R>,
): OperatorFunction<T, R>;
export function publish<T, R = Published<T>>(
  publisher: Publisher,
  to: (input: T) => ProducerRecord = forward as unknown as (input: T) => ProducerRecord,
  options: PublishOptions<T, R> = {},
): OperatorFunction<T, R> {
  checkOptions('publish', options, { result: 'function' });
  if (!(publisher instanceof Publisher)) throw new OptionError('publish: the first argument is what `publisher(kafka, …)` gave.');
  if (typeof to !== 'function') throw new OptionError('publish: the second argument is a function of the input that gives what to send.');
  const { result = (input: T, outcome: PublishOutcome): R => ({ ...outcome, input }) as R } = options;
  return (source) =>
    new Observable<R>((subscriber) => {
      const inputs = new InOrder(subscriber, result);
      listen(source, subscriber, {
        next: (input) => {
          const record = to(input);
          const entry = inputs.add<Entry<T, PublishOutcome>>({ input, outcome: undefined });
          publisher.offer(record, (outcome) => {
            inputs.settle(entry, outcome);
          });
        },
        complete: () => {
          inputs.complete();
        },
      });
    });
}
