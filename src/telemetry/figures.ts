import type { Observable } from 'rxjs';
import { Subject, takeUntil } from 'rxjs';
import type { KafkaEvent } from '../events.js';
import type { SourceStats } from '../sources/sourceStats.js';

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

/** Of one that ends nothing more is heard after so long. */
const FORGOTTEN_MS = 3_600_000;

/** Follows what a `Kafka` tells, so that it can be asked for figures at any time. */
export class Figures {
  /** The last word of each subscription, the oldest word first. */
  readonly #last = new Map<number, SourceStats>();
  /** What all subscriptions of a name have counted. */
  readonly #counts = new Map<string, Record<Counted, number>>();
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

  /** Over all that a source has been subscribed to: a retry does not begin at 0. */
  counted(what: Counted): readonly Sample[] {
    return [...this.#counts].map(([name, counts]) => ({ labels: { name }, value: counts[what] }));
  }

  tallied(tally: Tally): readonly Sample[] {
    return [...(this.#tallies.get(tally)?.values() ?? [])];
  }

  #note(stats: SourceStats): void {
    const { name, id, at, totals } = stats;
    let counts = this.#counts.get(name);
    if (counts === undefined)
      this.#counts.set(name, (counts = { emitted: 0, finished: 0, commits: 0, repeats: 0, misses: 0, lateCompletions: 0 }));
    const last = this.#last.get(id)?.totals;
    for (const what of Object.keys(counts) as Counted[]) counts[what] += totals[what] - (last?.[what] ?? 0);
    this.#last.delete(id);
    this.#last.set(id, stats);
    for (const [other, { state, at: then }] of this.#last) {
      if (state !== 'stopping' || at - then < FORGOTTEN_MS) break;
      this.#last.delete(other);
    }
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
