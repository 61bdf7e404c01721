import { Subject } from 'rxjs';
import type { Delivery, DeliveryError, Kafka, ToTopicOptions } from '../../src/index.js';
import { toTopic } from '../../src/index.js';

/** Number n goes to partition n % PARTITIONS. */
export const PARTITIONS = 3;

/** What was passed on, in little memory: that of the test is not to be taken for that of the library. */
export class Passed {
  count = 0;
  readonly order: Float64Array;
  readonly offsets: Float64Array;
  readonly errors = new Map<number, DeliveryError>();

  constructor(records: number) {
    this.order = new Float64Array(records);
    this.offsets = new Float64Array(records).fill(-1);
  }

  add(n: number, { offset, error }: Delivery): void {
    this.order[this.count] = n;
    this.count += 1;
    this.offsets[n] = offset;
    if (error !== undefined) this.errors.set(n, error);
  }
}

export interface Writing {
  readonly records: number;
  /** How many are on their way at a time. */
  readonly window: number;
  readonly options: ToTopicOptions<number>;
  readonly each: (n: number, delivery: Delivery) => void;
}

/** Writes the numbers from 0 up with toTopic, and tells what was passed on. */
export async function written(kafka: Kafka, topic: string, { records, window, options, each }: Writing): Promise<Passed> {
  const source$ = new Subject<number>();
  const passed = new Passed(records);
  await new Promise<void>((resolve, reject) => {
    source$
      .pipe(
        toTopic(kafka, topic, (n) => ({ partition: n % PARTITIONS, value: `${n}` }), {
          ...options,
          failures: 'result',
          result: (n, [delivery]) => [n, delivery as Delivery] as const,
        }),
      )
      .subscribe({
        next: ([n, delivery]) => {
          passed.add(n, delivery);
          each(n, delivery);
          if (n + window < records) source$.next(n + window);
          else if (passed.count === records) source$.complete();
        },
        error: reject,
        complete: resolve,
      });
    for (let n = 0; n < window; n += 1) source$.next(n);
  });
  return passed;
}

export function numbers(records: number, first = 0, step = 1): number[] {
  return Array.from({ length: Math.ceil((records - first) / step) }, (_, i) => first + i * step);
}
