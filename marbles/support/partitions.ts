import type { GroupedObservable, Observable, SchedulerLike } from 'rxjs';
import { asyncScheduler } from 'rxjs';
import { memoryOffsets } from '../../src/offsets/memory.js';
import type { OffsetStore } from '../../src/offsets/store.js';
import type { TopicPartition } from '../../src/position.js';
import type { KafkaRecord } from '../../src/record.js';
import { groupSourceOf } from '../../src/sources/groupSource.js';
import { PartitionDelivery } from '../../src/sources/partitionDelivery.js';
import type { SourceOptions } from '../../src/sources/sourceOptions.js';
import { resolveSourceOptions } from '../../src/sources/sourceOptions.js';
import type { MemberSettings } from '../../src/testing/member.js';
import { FakeMember } from '../../src/testing/member.js';
import type { TopicLog } from '../../src/testing/topicLog.js';
import { at } from './virtualTime.js';

export type Partition = GroupedObservable<TopicPartition, KafkaRecord>;

export interface Partitions {
  readonly partitions$: Observable<Partition>;
  /** Once somebody has subscribed. */
  readonly member: () => FakeMember;
}

/** A source by partition, of a member that the group gives all partitions at 1. */
export function partitionsOf(
  log: TopicLog,
  options: SourceOptions,
  {
    offsets = memoryOffsets(),
    scheduler = asyncScheduler,
    ...settings
  }: MemberSettings & { readonly offsets?: OffsetStore; readonly scheduler?: SchedulerLike } = {},
): Partitions {
  let member: FakeMember | undefined;
  const partitions$ = groupSourceOf<Partition>((subscriber, delivery) => new PartitionDelivery(subscriber, delivery), {
    group: 'billing',
    offsets: () => offsets,
    mirror: false,
    onStateStale: () => undefined,
    source: resolveSourceOptions('fromTopicByPartition', options),
    member: (listener) => {
      const joined = (member = new FakeMember(log, listener, settings));
      at(1, () => {
        joined.give(...log.logs.keys());
      });
      return joined;
    },
    emit: () => undefined,
    register: () => () => undefined,
    scheduler,
  });
  return { partitions$, member: () => member as FakeMember };
}
