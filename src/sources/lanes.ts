import type { TopicPartition } from '../position.js';
import type { PartitionLane } from './lane.js';

/** The lanes of a source, by topic and partition. Records come in runs of one partition, so the last answer is kept. */
export class Lanes {
  readonly #byTopic = new Map<string, (PartitionLane | undefined)[]>();
  #last: PartitionLane | undefined;

  get(topic: string, partition: number): PartitionLane | undefined {
    const last = this.#last;
    if (last?.partition === partition && last.topic === topic) return last;
    return (this.#last = this.#byTopic.get(topic)?.[partition]);
  }

  set(lane: PartitionLane): void {
    let partitions = this.#byTopic.get(lane.topic);
    if (partitions === undefined) this.#byTopic.set(lane.topic, (partitions = []));
    partitions[lane.partition] = lane;
    this.#last = undefined;
  }

  delete(lane: PartitionLane): void {
    const partitions = this.#byTopic.get(lane.topic);
    if (partitions?.[lane.partition] === lane) partitions[lane.partition] = undefined;
    this.#last = undefined;
  }

  of(partitions: readonly TopicPartition[]): PartitionLane[] {
    return partitions.map(({ topic, partition }) => this.get(topic, partition)).filter((lane) => lane !== undefined);
  }

  all(): PartitionLane[] {
    return [...this.#byTopic.values()].flat().filter((lane) => lane !== undefined);
  }
}
