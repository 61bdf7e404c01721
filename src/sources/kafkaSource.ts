import type { Subscriber, TeardownLogic } from 'rxjs';
import { Observable } from 'rxjs';
import type { Position } from '../position.js';
import type { KafkaRecord } from '../record.js';
import type { SeekTarget } from './seekTargets.js';
import { targetsOf } from './seekTargets.js';
import type { SourceStats } from './sourceStats.js';

/** The records of a source, and how it stands. What `pipe` gives is an Observable and no more. */
// eslint-disable-next-line rxjs-x/no-subclass -- It adds a handle, and changes nothing of what an Observable does.
export class MeasuredSource<T = KafkaRecord> extends Observable<T> {
  readonly #stats$: Observable<SourceStats>;

  /** @internal */
  constructor(subscribe: (this: Observable<T>, subscriber: Subscriber<T>) => TeardownLogic, handle: Pick<SourceHandle, 'stats$'>) {
    super(subscribe);
    this.#stats$ = handle.stats$;
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
    return this.#stats$;
  }
}

/** What a source can do beside being subscribed to. */
export interface SourceHandle {
  readonly stats$: Observable<SourceStats>;
  readonly seek: (targets: readonly SeekTarget[]) => Promise<readonly Position[]>;
}

/** The records of a source that remembers, how it stands, and a handle on whoever reads them. What `pipe` gives is an Observable and no more. */
export class KafkaSource<T = KafkaRecord> extends MeasuredSource<T> {
  readonly #seek: SourceHandle['seek'];

  /** @internal */
  constructor(subscribe: (this: Observable<T>, subscriber: Subscriber<T>) => TeardownLogic, handle: SourceHandle) {
    super(subscribe, handle);
    this.#seek = handle.seek;
  }

  /**
   * Goes on elsewhere in partitions that this source has: forward, or back to what it has read before.
   *
   * Resolves to where each of them goes on, in a new epoch, when that is remembered in the store and, if it is less than before, in the group: a
   * crash from then on resumes there. Nothing from there is emitted earlier. What is in flight is not waited for: it comes too late, changes nothing,
   * and is counted by a `late` event. State that `commit({ apply })` has written stays as it is: records that come again are applied again.
   *
   * ```text
   * topic      a b c d e f …
   *            seek({ to: 'earliest' })
   * records    --a-b-c-----a-b-c-d-…
   * seek       -------^--|           asked, remembered
   * ```
   *
   * A target without `topic` or `partition` means all that are assigned; of several for one partition the last counts. They are moved together or
   * not at all; with several subscriptions, those of each. A rebalance that is under way is waited for.
   *
   * Rejects with `NotAssignedError` for a partition that no subscription of this source has by then: before the first `assigned` event, after
   * it was revoked, once the source is stopping. With `OffsetOutOfRangeError` for an offset that the log does not hold, unless `onOutOfRange`
   * says where to go instead, and with `BrokerError` if a place could not be looked up or the group does not take an offset. Then all goes on as
   * before. If the store fails, the stream errors as well.
   *
   * @throws {OptionError} (as a rejection) for what is no target, and in a group with one of the older assignment strategies.
   *
   * @example
   * ```ts
   * const orders$ = fromTopic(kafka, 'orders', { group: 'billing', offsets });
   * const replay = () => orders$.seek([{ to: 'earliest' }, { topic: 'orders', partition: 3, offset: 4711 }]);
   * ```
   */
  async seek(to: SeekTarget | readonly SeekTarget[]): Promise<readonly Position[]> {
    return this.#seek(targetsOf(to));
  }
}
