import type { GroupedObservable, Observer, SchedulerLike } from 'rxjs';
import { asapScheduler } from 'rxjs';
import type { TopicPartition } from '../position.js';
import { LANE } from '../position.js';
import type { KafkaRecord } from '../record.js';
import type { Backlog, BacklogOptions } from './backlog.js';
import type { Delivery } from './delivery.js';
import type { FetcherOptions } from './fetcher.js';
import type { LaneOwner, LaneStart, PartitionLane } from './lane.js';
import { PartitionBacklog } from './partitionBacklog.js';
import type { ResolvedSourceOptions } from './sourceOptions.js';
import { StreamLane } from './streamLane.js';

/** The subscriber gets an Observable for each partition, and that the records of the partition. */
export class PartitionDelivery implements Delivery {
  readonly #subscriber: Observer<GroupedObservable<TopicPartition, KafkaRecord>>;
  readonly #source: ResolvedSourceOptions;
  readonly #scheduler: SchedulerLike | undefined;
  readonly #lanes = new Set<StreamLane>();
  #backlog: PartitionBacklog | undefined;

  constructor(
    subscriber: Observer<GroupedObservable<TopicPartition, KafkaRecord>>,
    { source, scheduler }: { readonly source: ResolvedSourceOptions; readonly scheduler?: SchedulerLike },
  ) {
    this.#subscriber = subscriber;
    this.#source = source;
    this.#scheduler = scheduler;
  }

  readonly next = (record: KafkaRecord): void => {
    const lane = record[LANE];
    if (lane instanceof StreamLane) lane.next(record);
  };

  readonly error = (error: unknown): void => {
    for (const lane of [...this.#lanes]) lane.fail(error);
    this.#subscriber.error(error);
  };

  readonly complete = (): void => {
    for (const lane of [...this.#lanes]) {
      // First: whoever is completed has not left, and what is in flight is waited for.
      lane.stop();
      lane.complete();
    }
    this.#subscriber.complete();
  };

  readonly laneFor = (start: LaneStart, owner: LaneOwner): StreamLane => {
    const backlog = this.#backlog as PartitionBacklog;
    return new StreamLane(start, owner, {
      share: () => backlog.share,
      onChange: (lane) => {
        if (!lane.emitting) this.#end(lane);
        backlog.changed();
      },
    });
  };

  readonly opened = (lanes: readonly PartitionLane[]): void => {
    const streams = lanes.filter((lane) => lane instanceof StreamLane);
    for (const lane of streams) this.#lanes.add(lane);
    for (const lane of streams) this.#subscriber.next(lane.records$);
  };

  readonly backlog = (options: BacklogOptions): Backlog => {
    const { fetchBufferBytes, stallAfterMs } = this.#source;
    const scheduler = this.#scheduler === undefined ? {} : { scheduler: this.#scheduler };
    return (this.#backlog = new PartitionBacklog({ ...options, maxHeldBytes: heldBytes(fetchBufferBytes), stallAfterMs, ...scheduler }));
  };

  /** Not at once: whoever unsubscribes from all leaves the partitions too, and must not have them completed before. */
  #end(lane: StreamLane): void {
    if (!this.#lanes.delete(lane)) return;
    (this.#scheduler ?? asapScheduler).schedule(() => {
      lane.complete();
    });
  }
}

/** Of the buffer for what was fetched, how much is for what has been taken from the client and waits here. */
function heldBytes(fetchBufferBytes: number): number {
  return Math.floor(fetchBufferBytes / 2);
}

/** The client has the rest. What it has of one partition stands in a row, and all of it may have to be read past, to get at others: little at a time. */
export function fetchingByPartition(fetchBufferBytes: number): Pick<FetcherOptions, 'fetchBufferBytes' | 'partitionFetchBytes'> {
  return { fetchBufferBytes: fetchBufferBytes - heldBytes(fetchBufferBytes), partitionFetchBytes: Math.ceil(fetchBufferBytes / 64) };
}
