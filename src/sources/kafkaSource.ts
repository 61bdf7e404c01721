import type { Subscriber, TeardownLogic } from 'rxjs';
import { Observable } from 'rxjs';
import type { KafkaRecord } from '../record.js';
import type { SourceStats } from './sourceStats.js';

/** What a source can do beside being subscribed to. */
export interface SourceHandle {
  readonly stats$: Observable<SourceStats>;
}

/** The records of a source, and a handle on whoever reads them. What `pipe` gives is an Observable and no more. */
// eslint-disable-next-line rxjs-x/no-subclass -- It is an Observable and a handle; nothing is overridden.
export class KafkaSource<T = KafkaRecord> extends Observable<T> {
  readonly #handle: SourceHandle;

  /** @internal */
  constructor(subscribe: (this: Observable<T>, subscriber: Subscriber<T>) => TeardownLogic, handle: SourceHandle) {
    super(subscribe);
    this.#handle = handle;
  }

  /**
   * The statistics of this source, of each of its subscriptions that are open and of later ones. Hot; never errors.
   *
   * Sampled every `statsEveryMs` while somebody listens, and once more when a subscription ends. Listening subscribes to no records.
   *
   * ```text
   * records    --a-b---c--|
   * stats$     ----s---s--s     statsEveryMs: four frames
   * ```
   *
   * @example
   * ```ts
   * const orders$ = fromTopic(kafka, 'orders', { group: 'billing', offsets });
   * orders$.stats$.subscribe(({ totals }) => console.log(totals.committedLag, totals.commitLatencyMs.mean));
   * await drain(orders$.pipe(commit()));
   * ```
   */
  get stats$(): Observable<SourceStats> {
    return this.#handle.stats$;
  }
}
