import type { PartitionStats, SourceStats, SourceTotals } from '../../src/sources/sourceStats.js';

const NONE: SourceTotals = {
  waitingKafka: 0,
  waitingLocal: 0,
  kafkaLogSize: 0,
  committedLag: 0,
  deliveredLag: 0,
  holes: 0,
  runs: 0,
  repeats: 0,
  misses: 0,
  lateCompletions: 0,
  oldestOpenAgeMs: 0,
  bufferedBytes: 0,
  emitted: 0,
  finished: 0,
  creditsFree: 0,
  creditsMax: 0,
  commits: 0,
  commitLatencyMs: { last: 0, max: 0, mean: 0 },
};

/** What a source says of itself; what is left out is 0. */
export function statsOf(
  name: string,
  { totals, ...more }: Partial<Omit<SourceStats, 'totals'>> & { readonly totals?: Partial<SourceTotals> } = {},
): SourceStats {
  return { name, id: 1, at: 0, state: 'running', partitions: [], rdkafkaStats: undefined, ...more, totals: { ...NONE, ...totals } };
}

/** A partition of `orders`; what is left out is 0. */
export function partitionOf(partition: number, more: Partial<PartitionStats> = {}): PartitionStats {
  return {
    ...{ topic: 'orders', partition, epoch: 0, position: 0, frontier: 0, end: 0, waitingKafka: 0, waitingLocal: 0, kafkaLogSize: 0 },
    ...{ committedLag: 0, deliveredLag: 0, oldestOpen: undefined, oldestOpenAgeMs: 0, holes: 0, runs: 0, repeats: 0, misses: 0 },
    ...more,
  };
}
