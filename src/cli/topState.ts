import type { PartitionStats } from '../index.js';
import type { Sample } from './servedStats.js';

type Of<T extends Sample['type']> = Extract<Sample, { readonly type: T }>;

/** A source, its rate, and its partitions with theirs, in records per second. */
export interface SourceView {
  readonly stats: Of<'source'>;
  readonly rate: number;
  readonly partitions: readonly PartitionView[];
}

export interface PartitionView {
  readonly stats: PartitionStats;
  readonly rate: number;
}

export interface ProducerView {
  readonly stats: Of<'producer'>;
  readonly rate: number;
}

/** One that has ended is shown for so long. */
const ENDED_MS = 5_000;

/** The newest sample of everything, with rates: those are between two samples of the same. */
export class TopState {
  readonly #sources = new Map<string, SourceView>();
  readonly #producers = new Map<string, ProducerView>();
  #newest = 0;

  take(sample: Sample): void {
    this.#newest = Math.max(this.#newest, sample.at);
    if (sample.type === 'source') {
      const { name } = sample;
      const before = this.#sources.get(name);
      this.#sources.delete(name);
      this.#sources.set(name, sourceView(sample, before));
    } else {
      const before = this.#producers.get(sample.name)?.stats;
      this.#producers.set(sample.name, { stats: sample, rate: rate(sample, before, ({ delivered }) => delivered) });
    }
    for (const [name, { stats }] of this.#sources)
      if (stats.state === 'stopping' && this.#newest - stats.at > ENDED_MS) this.#sources.delete(name);
  }

  /** By name. */
  get sources(): readonly SourceView[] {
    return [...this.#sources.values()].toSorted((a, b) => (a.stats.name < b.stats.name ? -1 : 1));
  }

  get producers(): readonly ProducerView[] {
    return [...this.#producers.values()];
  }

  source(name: string): SourceView | undefined {
    return this.#sources.get(name);
  }

  producer(name: string): ProducerView | undefined {
    return this.#producers.get(name);
  }
}

function sourceView(stats: Of<'source'>, before: SourceView | undefined): SourceView {
  const seconds = before === undefined ? 0 : (stats.at - before.stats.at) / 1_000;
  const partitions = stats.partitions.map((one) => {
    const earlier = before?.stats.partitions.find(({ topic, partition, epoch }) => {
      return topic === one.topic && partition === one.partition && epoch === one.epoch;
    });
    return { stats: one, rate: earlier === undefined || seconds <= 0 ? 0 : Math.max(0, one.position - earlier.position) / seconds };
  });
  return { stats, rate: rate(stats, before?.stats, ({ totals }) => totals.emitted), partitions };
}

/** What counts up from zero again, as after a restart, has no rate before the next sample. */
function rate<S extends { readonly at: number }>(now: S, before: S | undefined, count: (stats: S) => number): number {
  if (before === undefined || now.at <= before.at) return 0;
  return Math.max(0, count(now) - count(before)) / ((now.at - before.at) / 1_000);
}
