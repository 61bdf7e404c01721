import type { TopicPartition } from '../position.js';
import type { Watermarks } from './fetcher.js';
import type { Tally } from './lane.js';
import type { PartitionStats, SourceTotals } from './sourceStats.js';

/** What is looked at of a lane. */
export interface LaneState extends TopicPartition {
  readonly epoch: number;
  /** The next offset that it has not seen. */
  readonly top: number;
  /** How many records are open, and the lowest of them; `top` if none is. */
  readonly records: number;
  readonly oldest: number;
  readonly tally: Pick<Tally, 'repeats' | 'misses'>;
}

/** What is finished for good: all below the frontier, and the runs `[from, to, from, to, …]` beyond it. */
export interface Finished {
  readonly frontier: number;
  readonly runs: readonly number[];
}

/** The rest of what partitions do not say. */
export type Counters = Omit<
  SourceTotals,
  'waitingKafka' | 'waitingLocal' | 'kafkaLogSize' | 'committedLag' | 'deliveredLag' | 'holes' | 'runs' | 'oldestOpenAgeMs'
>;

export interface Surroundings {
  readonly finished: Finished;
  /** -1 where nothing is known. */
  readonly bounds: Watermarks;
  readonly oldestOpenAgeMs: number;
}

export function partitionStats(lane: LaneState, { finished, bounds, oldestOpenAgeMs }: Surroundings): PartitionStats {
  const { topic, partition, epoch, records, oldest, tally } = lane;
  const { low, high: end } = bounds;
  // One of which nothing was seen yet begins where its log does, and so does what is left of it.
  const position = Math.max(lane.top, low);
  const frontier = Math.max(finished.frontier, low);
  const before = (offset: number): number => (end < 0 ? 0 : Math.max(0, end - offset));
  const waitingKafka = before(position);
  return {
    ...{ topic, partition, epoch, position, frontier, end, waitingKafka },
    waitingLocal: records,
    kafkaLogSize: low < 0 ? 0 : before(low),
    committedLag: before(frontier),
    deliveredLag: waitingKafka,
    oldestOpen: records === 0 ? undefined : oldest,
    oldestOpenAgeMs,
    holes: holesBelow(position, frontier, finished.runs),
    runs: finished.runs.length / 2,
    repeats: tally.repeats,
    misses: tally.misses,
  };
}

export function totals(partitions: readonly PartitionStats[], counters: Counters): SourceTotals {
  const sum = (of: (partition: PartitionStats) => number): number => partitions.reduce((total, partition) => total + of(partition), 0);
  return {
    waitingKafka: sum(({ waitingKafka }) => waitingKafka),
    waitingLocal: sum(({ waitingLocal }) => waitingLocal),
    kafkaLogSize: sum(({ kafkaLogSize }) => kafkaLogSize),
    committedLag: sum(({ committedLag }) => committedLag),
    deliveredLag: sum(({ deliveredLag }) => deliveredLag),
    holes: sum(({ holes }) => holes),
    runs: sum(({ runs }) => runs),
    oldestOpenAgeMs: partitions.reduce((highest, { oldestOpenAgeMs }) => Math.max(highest, oldestOpenAgeMs), 0),
    ...counters,
  };
}

/** How many stretches from the frontier up to the position are in no run. */
function holesBelow(position: number, frontier: number, runs: readonly number[]): number {
  let holes = 0;
  let from = frontier;
  for (let i = 0; i < runs.length && from < position; i += 2) {
    if ((runs[i] as number) > from) holes += 1;
    from = Math.max(from, runs[i + 1] as number);
  }
  return from < position ? holes + 1 : holes;
}
