import type { TopicPartition } from '../position.js';
import { nameOf } from '../position.js';
import type { PartitionLane, Tally } from './lane.js';

/** The lanes of a source, by topic and partition. Records come in runs of one partition, so the last answer is kept. */
export class Lanes {
  readonly #byTopic = new Map<string, (PartitionLane | undefined)[]>();
  readonly #tallies = new Map<string, Tally>();
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
    // It goes on counting where the one before it has stopped.
    const { seen } = lane.tally;
    lane.tally = this.tallyOf(lane);
    lane.tally.seen = Math.max(lane.tally.seen, seen);
  }

  delete(lane: PartitionLane): void {
    const partitions = this.#byTopic.get(lane.topic);
    if (partitions?.[lane.partition] === lane) partitions[lane.partition] = undefined;
    this.#last = undefined;
  }

  /** Of a partition, also of one that has no lane. */
  tallyOf(partition: TopicPartition): Tally {
    const name = nameOf(partition);
    let tally = this.#tallies.get(name);
    if (tally === undefined) this.#tallies.set(name, (tally = { seen: 0, repeats: 0, misses: 0 }));
    return tally;
  }

  /** Of all partitions that there have been. */
  get tally(): Pick<Tally, 'repeats' | 'misses'> {
    let [repeats, misses] = [0, 0];
    for (const one of this.#tallies.values()) {
      repeats += one.repeats;
      misses += one.misses;
    }
    return { repeats, misses };
  }

  of(partitions: readonly TopicPartition[]): PartitionLane[] {
    return partitions.map(({ topic, partition }) => this.get(topic, partition)).filter((lane) => lane !== undefined);
  }

  all(): PartitionLane[] {
    return [...this.#byTopic.values()].flat().filter((lane) => lane !== undefined);
  }
}
