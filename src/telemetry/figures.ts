import type { Observable } from 'rxjs';
import { Subject, takeUntil } from 'rxjs';
import type { KafkaEvent } from '../events.js';
import type { SourceStats, SourceTotals } from '../sources/sourceStats.js';

/** What telemetry is made of: a `Kafka`, or what several of them tell, merged. */
export interface Observed {
  readonly stats$: Observable<SourceStats>;
  readonly events$: Observable<KafkaEvent>;
}

export type Labels = Readonly<Record<string, string>>;

/** One value of a metric. */
export interface Sample {
  readonly labels: Labels;
  readonly value: number;
}

/** What of a source's totals counts up from its start on. */
export type Counted = 'emitted' | 'finished' | 'commits' | 'repeats' | 'misses' | 'lateCompletions';

/** What events add up to. */
export type Tally = 'errors' | 'rebalances' | 'gapRecords' | 'stalePartitions' | 'throttleMs';

/** Follows what a `Kafka` tells, so that it can be asked for figures at any time. */
export class Figures {
  /** The last word of each source, also of those that have ended. */
  readonly #last = new Map<string, SourceStats>();
  /** What sources of a name had counted before the one that is there now. */
  readonly #before = new Map<string, Record<Counted, number>>();
  readonly #tallies = new Map<Tally, Map<string, Sample>>();
  readonly #stop$ = new Subject<void>();
  #stopped = false;

  constructor({ stats$, events$ }: Observed) {
    void stats$.pipe(takeUntil(this.#stop$)).forEach((stats) => {
      this.#note(stats);
    });
    void events$.pipe(takeUntil(this.#stop$)).forEach((event) => {
      this.#count(event);
    });
  }

  /** Follows no more: then no source is open, and what was counted stays. */
  stop(): void {
    this.#stopped = true;
    this.#stop$.next();
  }

  /** Those that have not ended. */
  get open(): readonly SourceStats[] {
    return this.#stopped ? [] : [...this.#last.values()].filter(({ state }) => state !== 'stopping');
  }

  /** Counts up, also over the lives of a source: a retry does not begin at 0. */
  counted(name: Counted): readonly Sample[] {
    return [...this.#last].map(([source, { totals }]) => ({
      labels: { name: source },
      value: totals[name] + (this.#before.get(source)?.[name] ?? 0),
    }));
  }

  tallied(tally: Tally): readonly Sample[] {
    return [...(this.#tallies.get(tally)?.values() ?? [])];
  }

  #note(stats: SourceStats): void {
    const { name } = stats;
    const last = this.#last.get(name);
    if (last?.state === 'stopping' && stats.state !== 'stopping') this.#before.set(name, sum(last.totals, this.#before.get(name)));
    this.#last.set(name, stats);
  }

  #count(event: KafkaEvent): void {
    switch (event.type) {
      case 'error':
        this.#add('errors', { client: event.client }, 1);
        break;
      case 'assigned':
      case 'revoked':
      case 'lost':
        this.#add('rebalances', { name: event.group, kind: event.type }, 1);
        break;
      case 'gap':
        this.#add(
          'gapRecords',
          { name: event.group ?? event.topic, topic: event.topic, partition: String(event.partition) },
          event.to - event.from,
        );
        break;
      case 'stale':
        this.#add('stalePartitions', { name: event.group }, event.partitions.length);
        break;
      case 'throttle':
        this.#add('throttleMs', { client: event.client }, event.throttleMs);
        break;
      default:
    }
  }

  #add(tally: Tally, labels: Labels, value: number): void {
    let samples = this.#tallies.get(tally);
    if (samples === undefined) this.#tallies.set(tally, (samples = new Map<string, Sample>()));
    const key = Object.values(labels).join('\n');
    samples.set(key, { labels, value: value + (samples.get(key)?.value ?? 0) });
  }
}

const COUNTED: readonly Counted[] = ['emitted', 'finished', 'commits', 'repeats', 'misses', 'lateCompletions'];

function sum(totals: SourceTotals, before: Record<Counted, number> | undefined): Record<Counted, number> {
  return Object.fromEntries(COUNTED.map((name) => [name, totals[name] + (before?.[name] ?? 0)])) as Record<Counted, number>;
}
