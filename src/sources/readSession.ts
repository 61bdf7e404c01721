import type { Observable, Subscriber } from 'rxjs';
import { EMPTY, from, lastValueFrom } from 'rxjs';
import { brokerError, isUnknownTopic, unknownTopics } from '../brokerErrors.js';
import { BrokerError, OptionError } from '../errors.js';
import type { KafkaEvent } from '../events.js';
import type { Client } from '../kafka.js';
import type { Gap, TopicPartition } from '../position.js';
import type { KafkaRecord } from '../record.js';
import { BoundedLane } from './boundedLane.js';
import { Checkpointer } from './checkpointer.js';
import { Demand } from './demand.js';
import type { Fetcher } from './fetcher.js';
import { Lanes } from './lanes.js';
import { noSuchPartition } from './partitionNumbers.js';
import { Pump } from './pump.js';
import { RangeGuard } from './rangeGuard.js';
import { AUTO_OFFSET_RESET, GROUP_AUTHORIZATION_FAILED, PASSING } from './readFailures.js';
import type { SourceStats } from './sourceStats.js';
import { StatsSampler } from './statsSampler.js';
import type { ReadPlaces, ReadRange } from './readPlaces.js';
import { partitionsNamed, readRanges } from './readPlaces.js';
import type { ReadError } from './reader.js';
import type { ResolvedSourceOptions } from './sourceOptions.js';
import { stalled } from './stalled.js';

/** What one subscription to a topic without a group is made of. */
export interface ReadSessionOptions {
  readonly topic: string;
  /** Default: all that there are. */
  readonly partitions: readonly number[] | undefined;
  readonly from: ReadPlaces;
  readonly until: ReadPlaces | undefined;
  /** Whether a record is out until an operator finishes it. If not, it is finished when `next` has returned. */
  readonly awaitsCompletion: boolean;
  readonly source: ResolvedSourceOptions;
  readonly fetcher: Fetcher;
  readonly emit: (event: KafkaEvent) => void;
}

/** One subscription to a topic, from connecting to its last record. It remembers nothing. */
export class ReadSession implements Client {
  readonly kind = 'source';
  readonly #options: ReadSessionOptions;
  readonly #subscriber: Subscriber<KafkaRecord>;
  readonly #demand: Demand;
  readonly #checkpointer: Checkpointer;
  readonly #pump: Pump;
  readonly #rangeGuard: RangeGuard;
  readonly #sampler: StatsSampler;
  readonly #lanes = new Lanes();
  /** Those whose end has not been reached. */
  readonly #open = new Set<BoundedLane>();
  #begun = false;
  #closing: Promise<void> | undefined;

  constructor(options: ReadSessionOptions, subscriber: Subscriber<KafkaRecord>) {
    this.#options = options;
    this.#subscriber = subscriber;
    const { source, fetcher } = options;
    const fail = (error: unknown): void => {
      this.#fail(error);
    };
    this.#demand = new Demand({
      maxRecords: source.maxInFlight,
      maxBytes: source.maxInFlightBytes,
      onRelief: () => {
        this.#pump.poke();
      },
      onFinish: () => {
        this.#pump.pokeSoon();
      },
    });
    this.#checkpointer = new Checkpointer({
      demand: this.#demand,
      write: (_, apply) => {
        if (apply === undefined) return EMPTY;
        throw new OptionError(
          'commit({ apply }): readTopic remembers nothing, so there is no transaction for state: use fromTopic with openOffsets.',
        );
      },
      commitThrough: () => {
        throw new OptionError(
          'toTransaction: readTopic has no group whose offsets could be in a transaction: use fromTopic with groupOffsets, or write with toTopic().',
        );
      },
      onFailure: fail,
      onRefused: () => undefined,
      onLate: () => undefined,
      onAbandoned: () => undefined,
    });
    this.#rangeGuard = new RangeGuard({
      member: fetcher,
      lanes: () => [...this.#open],
      isStarved: () => this.#demand.starved,
      waits: () => this.#pump.taking,
      onOutOfRange: source.onOutOfRange,
      onGap: (gap) => {
        this.#report(gap);
        this.#laneAt(gap)?.reach(gap.to);
      },
      onFailure: fail,
      onError: (error) => {
        this.#lookUpFailed(error);
      },
    });
    this.#pump = new Pump({
      reader: fetcher.reader,
      demand: this.#demand,
      checkpointer: this.#checkpointer,
      laneOf: (topic, partition) => this.#lanes.get(topic, partition),
      emit: (record) => {
        this.#emit(record);
      },
      onError: (error) => {
        this.#readFailed(error);
      },
      onEnd: (end) => {
        this.#laneAt(end)?.reach(end.offset);
      },
      onStall: () => {
        fail(stalled(this.#lanes.all(), this.#demand, source));
      },
      stallAfterMs: source.stallAfterMs,
      awaitsAnswer: () => false,
      onStranger: () => undefined,
      pause: () => {
        fetcher.pause([...this.#open]);
      },
      resume: () => {
        fetcher.resume([...this.#open]);
      },
    });
    this.#sampler = new StatsSampler({
      name: options.topic,
      source,
      client: fetcher,
      lanes: () => this.#lanes.all(),
      finished: ({ oldest }) => ({ frontier: oldest, runs: [] }),
      tally: () => this.#lanes.tally,
      state: () => {
        if (this.#stopped()) return 'stopping';
        if (!this.#begun) return 'starting';
        return this.#pump.paused ? 'paused' : 'running';
      },
      lateCompletions: () => 0,
      demand: this.#demand,
      checkpointer: this.#checkpointer,
      pump: this.#pump,
      onError: (error) => {
        this.#emitError(error);
      },
    });
  }

  get stats$(): Observable<SourceStats> {
    return this.#sampler.stats$;
  }

  start(): void {
    this.#sampler.start();
    this.#begin().catch((error: unknown) => {
      this.#fail(error);
    });
  }

  /** Emits nothing more, and lets go of the client. */
  stop(): Promise<void> {
    this.#closing ??= this.#stop();
    return this.#closing;
  }

  /** Completes the stream. */
  close(): Promise<void> {
    try {
      this.#subscriber.complete();
    } catch (error) {
      // Of a finalizer below.
      this.#emitError(error);
    }
    return this.stop();
  }

  async #begin(): Promise<void> {
    const { fetcher, source, from: start, until } = this.#options;
    await fetcher.connect();
    if (this.#stopped()) return;
    const partitions = await this.#partitions();
    if (this.#stopped()) return;
    const { onOutOfRange } = source;
    const ranges$ = readRanges(partitions, {
      fetcher,
      from: start,
      until,
      onOutOfRange,
      onGap: (gap) => {
        this.#lanes.tallyOf(gap).misses += gap.to - gap.from;
        this.#report(gap);
      },
    });
    const ranges = await lastValueFrom(ranges$, { defaultValue: [] });
    if (this.#stopped()) return;
    const wanted = ranges.filter((range) => range.from < range.until);
    for (const range of wanted) this.#open.add(this.#laneFor(range));
    this.#begun = true;
    if (wanted.length === 0) {
      this.#subscriber.complete();
      return;
    }
    fetcher.fetch(wanted.map(({ topic, partition, fetchFrom }) => ({ topic, partition, offset: fetchFrom })));
    this.#pump.start();
    this.#rangeGuard.start();
  }

  #stopped(): boolean {
    return this.#closing !== undefined;
  }

  async #partitions(): Promise<readonly TopicPartition[]> {
    const { fetcher, topic, partitions, from: start, until } = this.#options;
    const found = await fetcher.partitionsOf(topic);
    if (found.length === 0) throw unknownTopics([topic]);
    const chosen = partitions ?? found;
    const named = [start, until ?? 'latest'].flatMap((places) => partitionsNamed(places));
    const strange = [...chosen, ...named].find((partition) => !found.includes(partition));
    if (strange !== undefined) throw noSuchPartition('readTopic', topic, found, strange);
    return chosen.map((partition) => ({ topic, partition }));
  }

  #laneFor({ topic, partition, from: frontier, until }: ReadRange): BoundedLane {
    const start = { topic, partition, epoch: 0, frontier, runs: [], metadata: '', maxOpen: this.#options.source.maxInFlight };
    const onEnd = (ended: BoundedLane): void => {
      this.#ended(ended);
    };
    const lane = new BoundedLane({ ...start, until, onEnd }, this.#checkpointer);
    this.#lanes.set(lane);
    return lane;
  }

  #laneAt({ topic, partition }: TopicPartition): BoundedLane | undefined {
    return this.#lanes.get(topic, partition) as BoundedLane | undefined;
  }

  #emit(record: KafkaRecord): void {
    const lane = this.#laneAt(record);
    this.#subscriber.next(record);
    if (!this.#options.awaitsCompletion) lane?.release(record.offset);
    lane?.reach(record.offset + 1);
  }

  #ended(lane: BoundedLane): void {
    this.#open.delete(lane);
    if (this.#open.size === 0) this.#subscriber.complete();
    // What comes after is not fetched for nothing.
    else this.#options.fetcher.pause([lane]);
  }

  async #stop(): Promise<void> {
    this.#rangeGuard.stop();
    for (const lane of this.#open) lane.stop();
    this.#pump.stop();
    // What is out goes its way, and nobody waits for a next record any more to write it.
    for (const lane of this.#lanes.all()) lane.whenIdle(() => this.#checkpointer.flush().subscribe());
    await new Promise<void>((resolve) => {
      this.#pump.afterRead(resolve);
    });
    this.#sampler.stop();
    await this.#options.fetcher.close();
  }

  #readFailed(error: ReadError): void {
    if (PASSING.has(error.code)) this.#emitError(brokerError('reading failed, and goes on', error));
    else if (error.code === AUTO_OFFSET_RESET) this.#rangeGuard.check();
    else if (isUnknownTopic(error.code)) this.#lookUpFailed(brokerError('reading a topic failed', error));
    else if (error.code !== GROUP_AUTHORIZATION_FAILED) this.#fail(brokerError('reading failed', error));
  }

  /** Perhaps the topic was deleted. */
  #lookUpFailed(error: unknown): void {
    this.#emitError(error);
    if (!(error instanceof BrokerError) || !isUnknownTopic(error.kafkaCode)) return;
    const { fetcher, topic } = this.#options;
    from(fetcher.partitionsOf(topic)).subscribe({
      next: (partitions) => {
        if (partitions.length === 0) this.#fail(unknownTopics([topic]));
      },
      error: (failed: unknown) => {
        this.#emitError(failed);
      },
    });
  }

  #report(gap: Gap): void {
    const { source, emit } = this.#options;
    emit({ type: 'gap', group: undefined, ...gap });
    source.onGap(gap);
  }

  #fail(error: unknown): void {
    const isFirst = !this.#subscriber.closed;
    this.#subscriber.error(error);
    if (isFirst) this.#options.emit({ type: 'failed', name: this.#options.topic, error: error as Error });
  }

  #emitError(error: unknown): void {
    this.#options.emit({ type: 'error', client: `reader of ${this.#options.topic}`, error: error as Error });
  }
}
