import { OptionError } from '../errors.js';
import { checkOptions } from '../options.js';
import type { TopicPartition } from '../position.js';
import { checkTopicName } from '../topicName.js';
import { checkPartitionNumbers, noSuchPartition } from './partitionNumbers.js';

/** One of so many workers. Each partition belongs to exactly one: that with `partition % of === slot`. */
export interface WorkerSlot {
  /** Which one this is, from 0 up. */
  readonly slot: number;
  /** How many there are. With another number most partitions belong to another worker, who remembers nothing of them. */
  readonly of: number;
}

/** Which partitions a source without a group reads, of those that there are. */
export interface Share {
  readonly topics: readonly string[];
  has(partition: TopicPartition): boolean;
  /** @throws {OptionError} if one was named that is not among all those of the topics. */
  check(found: readonly TopicPartition[]): void;
}

/** @throws {OptionError} for what is no share of anything. */
export function shareOf(topic: string | Readonly<Record<string, readonly number[]>>, worker: WorkerSlot | undefined): Share {
  if (typeof topic !== 'string') return chosen(topic, worker);
  checkTopicName('fromPartitions', topic);
  const { slot, of } = worker === undefined ? { slot: 0, of: 1 } : checkWorker(worker);
  return { topics: [topic], has: ({ partition }) => partition % of === slot, check: () => undefined };
}

function chosen(partitions: Readonly<Record<string, readonly number[]>>, worker: WorkerSlot | undefined): Share {
  const lists = Object.entries((partitions as unknown) ?? {}) as [topic: string, numbers: readonly number[]][];
  if (Array.isArray(partitions) || lists.length === 0) {
    throw new OptionError('fromPartitions: the second argument is a topic, or an object with an array of partitions for each topic.');
  }
  for (const [topic, numbers] of lists) {
    checkTopicName('fromPartitions', topic);
    checkPartitionNumbers(`fromPartitions: of ${topic} the list of partitions`, numbers);
  }
  if (worker !== undefined)
    throw new OptionError('fromPartitions: partitions are chosen by number or by `worker`, and here are both: leave one of them out.');
  const has = ({ topic, partition }: TopicPartition): boolean => partitions[topic]?.includes(partition) === true;
  return {
    topics: lists.map(([topic]) => topic),
    has,
    check: (found) => {
      for (const [topic, numbers] of lists) {
        const there = found.filter((one) => one.topic === topic).map(({ partition }) => partition);
        const strange = numbers.find((number) => !there.includes(number));
        if (strange !== undefined) throw noSuchPartition('fromPartitions', topic, there, strange);
      }
    },
  };
}

function checkWorker(worker: WorkerSlot): WorkerSlot {
  checkOptions('fromPartitions, worker', worker, { slot: 'count', of: 'positive' }, ['slot', 'of']);
  const { slot, of } = worker;
  if (!Number.isInteger(slot) || !Number.isInteger(of) || slot >= of) {
    throw new OptionError(
      `fromPartitions, worker: \`slot\` must be a whole number from 0 up and below \`of\`, the number of workers, and these are ${slot} and ${of}.`,
    );
  }
  return worker;
}
