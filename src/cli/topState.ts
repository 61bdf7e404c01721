import type { PartitionStats } from '../index.js';
import type { Sample } from './servedStats.js';

type Of<T extends Sample['type']> = Extract<Sample, { readonly type: T }>;

/** A source, its rate, and its partitions with theirs, in records per second. */
export interface SourceView {
  readonly stats: Of<'source'>;
  readonly everyMs: number;
  readonly rate: number;
  readonly partitions: readonly PartitionView[];
}

export interface PartitionView {
  readonly stats: PartitionStats;
  readonly rate: number;
}

export interface ProducerView {
  readonly stats: Of<'producer'>;
  readonly everyMs: number;
  readonly rate: number;
}

/** One that nothing was heard of for so many of its samples, and for so long, has ended. */
const MISSED = 3;
const MISSED_MS = 10_000;
const FIRST_MS = 180_000;

/** The newest sample of everything, with rates: those are between two samples of the same. */
export class TopState {
  readonly #sources = new Map<number, SourceView>();
  readonly #producers = new Map<number, ProducerView>();

  /** Answers what has come of it. */
  take(sample: Sample): SourceView | ProducerView {
    const { id, at } = sample;
    let taken: SourceView | ProducerView;
    if (sample.type === 'source') this.#sources.set(id, (taken = sourceView(sample, this.#sources.get(id))));
    else this.#producers.set(id, (taken = producerView(sample, this.#producers.get(id))));
    for (const views of [this.#sources, this.#producers])
      for (const [other, view] of views) if (at - view.stats.at > patienceMs(view)) views.delete(other);
    return taken;
  }

  /** By name. */
  get sources(): readonly SourceView[] {
    return [...this.#sources.values()].toSorted(byName);
  }

  get producers(): readonly ProducerView[] {
    return [...this.#producers.values()].toSorted(byName);
  }
}

/** After its first sample nobody knows when the next one is due, unless it was the last as well. */
function patienceMs({ stats, everyMs }: SourceView | ProducerView): number {
  const hasEnded = stats.type === 'source' && stats.state === 'stopping';
  return everyMs === 0 && !hasEnded ? FIRST_MS : Math.max(MISSED_MS, MISSED * everyMs);
}

interface Named {
  readonly stats: { readonly id: number; readonly name: string };
}

function byName({ stats: a }: Named, { stats: b }: Named): number {
  return a.name < b.name ? -1 : a.name > b.name ? 1 : a.id - b.id;
}

function producerView(stats: Of<'producer'>, before: ProducerView | undefined): ProducerView {
  const everyMs = stats.at - (before?.stats.at ?? stats.at);
  return { stats, everyMs, rate: rate(stats, before?.stats, ({ delivered }) => delivered) };
}

function sourceView(stats: Of<'source'>, before: SourceView | undefined): SourceView {
  const everyMs = stats.at - (before?.stats.at ?? stats.at);
  const partitions = stats.partitions.map((one) => {
    const earlier = before?.stats.partitions.find(({ topic, partition, epoch }) => {
      return topic === one.topic && partition === one.partition && epoch === one.epoch;
    });
    return {
      stats: one,
      rate: earlier === undefined || everyMs <= 0 ? 0 : (1_000 * Math.max(0, one.position - earlier.position)) / everyMs,
    };
  });
  return { stats, everyMs, rate: rate(stats, before?.stats, ({ totals }) => totals.emitted), partitions };
}

/** What counts up from zero again, as after a restart, has no rate before the next sample. */
function rate<S extends { readonly at: number }>(now: S, before: S | undefined, count: (stats: S) => number): number {
  if (before === undefined || now.at <= before.at) return 0;
  return Math.max(0, count(now) - count(before)) / ((now.at - before.at) / 1_000);
}
