import type { ProducerView, SourceView } from './topState.js';

/** A source as lines of `name=value`: one for itself, and one for each partition. */
export function sourceLines({ stats, rate, partitions }: SourceView): readonly string[] {
  const { name: source, at, state, totals } = stats;
  const { last, mean, max } = totals.commitLatencyMs;
  return [
    line(at, {
      ...{ source, state, lag: totals.committedLag, unread: totals.waitingKafka, open: totals.waitingLocal, free: totals.creditsFree },
      ...{ rate: rounded(rate), commits: totals.commits, commit_ms: rounded(mean), commit_max_ms: max, commit_last_ms: last },
      ...{ repeats: totals.repeats, misses: totals.misses, late: totals.lateCompletions },
    }),
    ...partitions.map(({ stats: one, rate: own }) =>
      line(at, {
        ...{ source, partition: `${one.topic}/${one.partition}`, lag: one.committedLag, unread: one.waitingKafka, open: one.waitingLocal },
        ...{
          rate: rounded(own),
          oldest_ms: one.oldestOpenAgeMs,
          runs: one.runs,
          position: one.position,
          frontier: one.frontier,
          end: one.end,
        },
      }),
    ),
  ];
}

export function producerLine({ stats, rate }: ProducerView): string {
  const { name: producer, at, sendQueueLength: queue, sendQueueBytes, inFlight, delivered, failed, deliveryLatencyMs } = stats;
  const { mean, max } = deliveryLatencyMs;
  return line(at, {
    ...{ producer, queue, queue_bytes: sendQueueBytes, in_flight: inFlight, delivered, failed, rate: rounded(rate) },
    ...{ latency_ms: rounded(mean), latency_max_ms: max },
  });
}

function line(at: number, values: Readonly<Record<string, string | number>>): string {
  const pairs = Object.entries(values).map(([name, value]) => `${name}=${typeof value === 'number' ? value : word(value)}`);
  return `${new Date(at).toISOString()} ${pairs.join(' ')}\n`;
}

function word(text: string): string {
  return /^[\w./:-]+$/.test(text) ? text : JSON.stringify(text);
}

function rounded(number: number): number {
  return Math.round(number * 10) / 10;
}
