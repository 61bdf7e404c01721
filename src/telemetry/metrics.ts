import type { PartitionStats, SourceState, SourceStats } from '../sources/sourceStats.js';
import type { Counted, Figures, Sample, Tally } from './figures.js';

/** A metric, whoever it is told to. */
export interface Metric {
  /** In snake case, without prefix, unit or `total`. */
  readonly name: string;
  readonly help: string;
  readonly kind: 'gauge' | 'counter';
  /** What it is measured in: seconds, bytes, or nothing of the kind. */
  readonly unit: 's' | 'By' | '1';
  readonly labels: readonly string[];
  readonly read: (figures: Figures) => readonly Sample[];
}

const STATES: readonly SourceState[] = ['starting', 'running', 'paused', 'rebalancing'];

/** All that is told, to Prometheus as well as to OpenTelemetry. */
export const METRICS: readonly Metric[] = [
  ofPartition('position', 'The next offset to emit.', ({ position }) => position),
  ofPartition('frontier', 'The first offset that is not known to be finished.', ({ frontier }) => frontier),
  ofPartition('end', 'The end of the log as it was last seen.', ({ end }) => (end < 0 ? undefined : end)),
  ofPartition('epoch', 'Rises with every assignment of the partition.', ({ epoch }) => epoch),
  ofPartition('log_size', 'What the log holds, in records.', ({ kafkaLogSize }) => kafkaLogSize),
  ofPartition('committed_lag', 'Records from the frontier to the end of the log.', ({ committedLag }) => committedLag),
  ofPartition('delivered_lag', 'Records in the log that are not emitted yet.', ({ deliveredLag }) => deliveredLag),
  ofPartition('waiting_local', 'Records that are emitted and not finished.', ({ waitingLocal }) => waitingLocal),
  ofPartition(
    'oldest_open_age',
    'For how long the oldest unfinished record is open.',
    ({ oldestOpenAgeMs }) => seconds(oldestOpenAgeMs),
    's',
  ),
  ofPartition('holes', 'Unfinished stretches below the position.', ({ holes }) => holes),
  ofPartition('runs', 'Finished stretches beyond the frontier.', ({ runs }) => runs),

  ofSource('buffered', 'What is read and not finished.', ({ totals }) => totals.bufferedBytes, 'By'),
  ofSource('credits_free', 'How many records may be emitted now.', ({ totals }) => totals.creditsFree),
  ofSource('credits_max', 'How many records may be emitted and not finished.', ({ totals }) => totals.creditsMax),
  ofSource(
    'commit_latency',
    'How long a write to the store takes, on average.',
    ({ totals }) => seconds(totals.commitLatencyMs.mean),
    's',
    Math.max,
  ),
  ofSource(
    'commit_latency_max',
    'How long the longest write to the store took.',
    ({ totals }) => seconds(totals.commitLatencyMs.max),
    's',
    Math.max,
  ),
  {
    name: 'state',
    help: 'How many subscriptions of a source are in a state.',
    kind: 'gauge',
    unit: '1',
    labels: ['name', 'state'],
    read: ({ open }) =>
      [...byName(open)].flatMap(([name, all]) =>
        STATES.map((state) => ({ labels: { name, state }, value: all.filter((one) => one.state === state).length })),
      ),
  },

  counted('emitted', 'Records that were emitted.', 'emitted'),
  counted('finished', 'Records that were finished.', 'finished'),
  counted('commits', 'Writes to the store.', 'commits'),
  counted('repeats', 'Records that came again.', 'repeats'),
  counted('misses', 'Offsets that were gone.', 'misses'),
  counted('late_completions', 'Records that were finished after their partition was given up.', 'lateCompletions'),

  tallied('errors', 'Errors that a client mends by itself.', 'errors', ['client']),
  tallied('rebalances', 'Partitions given, given up, or lost.', 'rebalances', ['name', 'kind']),
  tallied('gap_records', 'Records that were gone before they were read.', 'gapRecords', ['name', 'topic', 'partition']),
  tallied('stale_partitions', 'Partitions on which others had worked since.', 'stalePartitions', ['name']),
  {
    ...tallied('throttle', 'Delays that brokers asked for.', 'throttleMs', ['client']),
    unit: 's',
    read: (figures) => figures.tallied('throttleMs').map(inSeconds),
  },
];

function ofPartition(
  name: string,
  help: string,
  value: (partition: PartitionStats) => number | undefined,
  unit: Metric['unit'] = '1',
): Metric {
  return {
    ...{ name, help, unit },
    kind: 'gauge',
    labels: ['name', 'topic', 'partition'],
    read: ({ open }) =>
      open.flatMap((source) =>
        source.partitions.flatMap((partition) => {
          const labels = { name: source.name, topic: partition.topic, partition: String(partition.partition) };
          const found = value(partition);
          return found === undefined ? [] : [{ labels, value: found }];
        }),
      ),
  };
}

/** A group may be subscribed to several times: its figures are theirs together. */
function ofSource(
  name: string,
  help: string,
  value: (source: SourceStats) => number,
  unit: Metric['unit'] = '1',
  together: (one: number, other: number) => number = (one, other) => one + other,
): Metric {
  return {
    ...{ name, help, unit },
    kind: 'gauge',
    labels: ['name'],
    read: ({ open }) =>
      [...byName(open)].map(([source, all]) => ({
        labels: { name: source },
        value: all.map(value).reduce((one, other) => together(one, other)),
      })),
  };
}

function byName(open: readonly SourceStats[]): Map<string, SourceStats[]> {
  const found = new Map<string, SourceStats[]>();
  for (const source of open) found.set(source.name, [...(found.get(source.name) ?? []), source]);
  return found;
}

function counted(name: string, help: string, what: Counted): Metric {
  return { name, help, kind: 'counter', unit: '1', labels: ['name'], read: (figures) => figures.counted(what) };
}

function tallied(name: string, help: string, what: Tally, labels: readonly string[]): Metric {
  return { name, help, kind: 'counter', unit: '1', labels, read: (figures) => figures.tallied(what) };
}

function seconds(ms: number): number {
  return ms / 1_000;
}

function inSeconds({ labels, value }: Sample): Sample {
  return { labels, value: seconds(value) };
}
