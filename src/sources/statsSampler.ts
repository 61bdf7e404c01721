import type { Observable, SchedulerLike } from 'rxjs';
import { asyncScheduler } from 'rxjs';
import { Sampling } from '../sampling.js';
import { nextId } from '../statsHub.js';
import type { Checkpointer } from './checkpointer.js';
import type { Finished } from './computeStats.js';
import { partitionStats, totals } from './computeStats.js';
import type { Membership } from './membership.js';
import type { Demand } from './demand.js';
import type { PartitionLane, Tally } from './lane.js';
import { LogEnds } from './logEnds.js';
import { OpenAges } from './openAges.js';
import type { Pump } from './pump.js';
import type { ResolvedSourceOptions } from './sourceOptions.js';
import type { SourceState, SourceStats } from './sourceStats.js';

export interface StatsSamplerOptions {
  readonly name: string;
  readonly source: Pick<ResolvedSourceOptions, 'onStats' | 'statsEveryMs'>;
  readonly client: Pick<Membership, 'lastKnownEnd' | 'watermarks' | 'rdkafkaStats'>;
  readonly lanes: () => readonly PartitionLane[];
  /** What is finished of a partition for good. */
  readonly finished: (lane: PartitionLane) => Finished;
  /** Of all partitions that there have been. */
  readonly tally: () => Pick<Tally, 'repeats' | 'misses'>;
  readonly state: () => SourceState;
  readonly lateCompletions: () => number;
  readonly demand: Demand;
  readonly checkpointer: Checkpointer;
  readonly pump: Pick<Pump, 'bufferedBytes' | 'paused'>;
  /** What `onStats` throws. */
  readonly onError: (error: unknown) => void;
  readonly scheduler?: SchedulerLike;
}

/** Looks at one subscription every now and then, while anybody wants to know. */
export class StatsSampler {
  readonly #options: StatsSamplerOptions;
  readonly #scheduler: SchedulerLike;
  readonly #id = nextId();
  readonly #ends: LogEnds;
  readonly #ages = new WeakMap<PartitionLane, OpenAges>();
  readonly #sampling: Sampling<SourceStats>;

  constructor(options: StatsSamplerOptions) {
    this.#options = options;
    this.#scheduler = options.scheduler ?? asyncScheduler;
    this.#ends = new LogEnds({ client: options.client, scheduler: this.#scheduler });
    const { onStats, statsEveryMs: everyMs } = options.source;
    this.#sampling = new Sampling({ everyMs, scheduler: this.#scheduler, onStats, onError: options.onError, sample: () => this.#sample() });
  }

  /** Hot; completes when the subscription has ended, with a last word. */
  get stats$(): Observable<SourceStats> {
    return this.#sampling.stats$;
  }

  /** Calls `onStats` from now on. */
  start(): void {
    this.#sampling.start();
  }

  /** While the partitions are still there to be looked at. */
  stop(): void {
    this.#sampling.stop();
    this.#ends.stop();
  }

  #sample(): SourceStats {
    const { name, client, lanes, finished, tally, state, lateCompletions, demand, checkpointer, pump } = this.#options;
    const at = this.#scheduler.now();
    const { paused, bufferedBytes } = pump;
    const all = lanes();
    const bounds = this.#ends.sample(all, !paused && !demand.starved);
    const partitions = all.map((lane, i) =>
      partitionStats(lane, {
        finished: finished(lane),
        bounds: bounds[i] ?? { low: -1, high: -1 },
        oldestOpenAgeMs: this.#agesOf(lane).sample(at, lane.top, lane.records === 0 ? undefined : lane.oldest),
      }),
    );
    const { repeats, misses } = tally();
    return {
      id: this.#id,
      name,
      at,
      state: state(),
      partitions,
      totals: totals(partitions, {
        ...{ repeats, misses },
        lateCompletions: lateCompletions(),
        bufferedBytes: demand.openBytes + bufferedBytes,
        emitted: demand.given + demand.open,
        finished: demand.finished,
        creditsFree: Math.max(0, demand.free),
        creditsMax: demand.maxRecords,
        commits: checkpointer.commits,
        commitLatencyMs: checkpointer.latencies.sample(),
      }),
      rdkafkaStats: client.rdkafkaStats,
    };
  }

  #agesOf(lane: PartitionLane): OpenAges {
    let ages = this.#ages.get(lane);
    if (ages === undefined) this.#ages.set(lane, (ages = new OpenAges()));
    return ages;
  }
}
