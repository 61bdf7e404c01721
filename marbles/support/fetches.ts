import type { ObservableInput } from 'rxjs';
import type { MemberSettings } from '../../src/testing/member.js';
import type { TopicLog } from '../../src/testing/topicLog.js';
import type { Position, TopicPartition } from '../../src/position.js';
import type { Fetches } from '../../src/sources/standalone.js';
import { FakeMember } from './member.js';

/** What fetches for a source without a group, without a broker: as strict as librdkafka about what is fetched twice, or was not. */
export class FakeFetches extends FakeMember implements Fetches {
  readonly #brokers: TopicLog;

  constructor(brokers: TopicLog, settings: MemberSettings = {}) {
    const nothing = (): void => undefined;
    super(brokers, { onAssigned: nothing, onRevoked: nothing, onFatal: nothing }, settings);
    this.#brokers = brokers;
  }

  fetch(positions: readonly Position[]): void {
    this.give(...positions.map(({ partition }) => partition));
    this.assign(positions);
  }

  unfetch(partitions: readonly TopicPartition[]): void {
    this.take(...partitions.map(({ partition }) => partition));
    this.unassign(partitions);
  }

  partitionsOf(topic: string): ObservableInput<readonly number[]> {
    const { topic: known, logs, missing } = this.#brokers;
    return Promise.resolve(topic === known && !missing.includes(topic) ? [...logs.keys()] : []);
  }
}
