import type { Observer } from 'rxjs';
import type { KafkaRecord } from '../record.js';
import type { Backlog, BacklogOptions } from './backlog.js';
import { SharedBacklog } from './backlog.js';
import type { LaneOwner, LaneStart } from './lane.js';
import { PartitionLane } from './lane.js';

/** How the records of a session get to its subscriber, and who has to wait for whom. */
export interface Delivery extends Observer<KafkaRecord> {
  /** Makes the lane of a partition that is being assigned. */
  readonly laneFor: (start: LaneStart, owner: LaneOwner) => PartitionLane;
  /** These were assigned: their records come from now on. */
  readonly opened: (lanes: readonly PartitionLane[]) => void;
  readonly backlog: (options: BacklogOptions) => Backlog;
}

/** All records go one way, and have one budget. */
export function inOneStream(subscriber: Observer<KafkaRecord>): Delivery {
  return {
    next: (record) => {
      subscriber.next(record);
    },
    error: (error) => {
      subscriber.error(error);
    },
    complete: () => {
      subscriber.complete();
    },
    laneFor: (start, owner) => new PartitionLane(start, owner),
    opened: () => undefined,
    backlog: (options) => new SharedBacklog(options),
  };
}
