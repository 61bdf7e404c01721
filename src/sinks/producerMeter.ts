import type { Observable, SchedulerLike } from 'rxjs';
import { asyncScheduler } from 'rxjs';
import { Latencies } from '../latency.js';
import type { Kafka } from '../kafka.js';
import { timerMs } from '../options.js';
import { Sampling } from '../sampling.js';
import { nextId } from '../statsHub.js';
import type { ProducerStats } from './producerStats.js';
import type { Outcomes, Sent } from './transport.js';

/** What a client holds, at one moment. */
export interface SendQueue {
  readonly sendQueueLength: number;
  readonly sendQueueBytes: number;
  readonly inFlight: number;
}

export interface ProducerMeterOptions {
  readonly name: string;
  readonly statsEveryMs: number;
  readonly onStats: ((stats: ProducerStats) => void) | undefined;
  /** What `onStats` throws. */
  readonly onError: (error: unknown) => void;
  readonly scheduler?: SchedulerLike;
}

/** Counts what becomes of the records of a sink, by one client or by several; and samples it while anybody wants to know. */
export class ProducerMeter {
  readonly #options: ProducerMeterOptions;
  readonly #scheduler: SchedulerLike;
  readonly #id = nextId();
  readonly #latencies = new Latencies();
  readonly #sampling: Sampling<ProducerStats>;
  /** The record that is timed: the others cost nothing. */
  #timed: Sent | undefined;
  /** Of the clients that there are: mostly one. */
  readonly #queues = new Set<() => SendQueue>();
  #rdkafkaStats: unknown;

  readonly outcomes: Outcomes = { delivered: 0, failed: 0 };

  constructor(options: ProducerMeterOptions) {
    this.#options = options;
    this.#scheduler = options.scheduler ?? asyncScheduler;
    const { statsEveryMs: everyMs, onStats, onError } = options;
    this.#sampling = new Sampling({ everyMs, scheduler: this.#scheduler, onStats, onError, sample: () => this.#sample() });
  }

  /** Hot; completes when the sink has ended, with a last word. */
  get stats$(): Observable<ProducerStats> {
    return this.#sampling.stats$;
  }

  /** Calls `onStats` from now on. */
  start(): void {
    this.#sampling.start();
  }

  get name(): string {
    return this.#options.name;
  }

  /** There is a client that holds this, until the returned function is called: what it still held then is nobody's any more. */
  use(queue: () => SendQueue): () => void {
    this.#queues.add(queue);
    return () => {
      this.#queues.delete(queue);
      this.#timed = undefined;
    };
  }

  /** librdkafka's own statistics of the client. */
  note(rdkafkaStats: unknown): void {
    this.#rdkafkaStats = rdkafkaStats;
  }

  /** What is sent in place of the record: itself, or itself with a watch, if none is timed. */
  timing(sent: Sent): Sent {
    if (!this.#sampling.isListenedTo || this.#timed !== undefined) return sent;
    const began = this.#scheduler.now();
    const timed: Sent = {
      record: sent.record,
      acknowledged: (partition, offset, timestamp) => {
        this.latency(this.#scheduler.now() - began);
        this.#release(timed);
        sent.acknowledged(partition, offset, timestamp);
      },
      failed: (error) => {
        this.#release(timed);
        sent.failed(error);
      },
    };
    this.#timed = timed;
    return timed;
  }

  now(): number {
    return this.#scheduler.now();
  }

  latency(ms: number): void {
    this.#latencies.note(ms);
  }

  stop(): void {
    this.#sampling.stop();
  }

  #release(timed: Sent): void {
    if (this.#timed === timed) this.#timed = undefined;
  }

  #held(): SendQueue {
    const sum = { sendQueueLength: 0, sendQueueBytes: 0, inFlight: 0 };
    for (const queue of this.#queues) {
      const held = queue();
      sum.sendQueueLength += held.sendQueueLength;
      sum.sendQueueBytes += held.sendQueueBytes;
      sum.inFlight += held.inFlight;
    }
    return sum;
  }

  #sample(): ProducerStats {
    return {
      id: this.#id,
      name: this.#options.name,
      at: this.#scheduler.now(),
      ...this.#held(),
      ...this.outcomes,
      deliveryLatencyMs: this.#latencies.sample(),
      rdkafkaStats: this.#rdkafkaStats,
    };
  }
}

/** The meter of a sink with these options. */
export function meterOf(
  kafka: Kafka,
  name: string,
  { onStats, statsEveryMs = 1_000 }: { readonly onStats?: (stats: ProducerStats) => void; readonly statsEveryMs?: number | undefined },
): ProducerMeter {
  return new ProducerMeter({
    name,
    statsEveryMs: timerMs(statsEveryMs),
    onStats,
    onError: (error) => {
      kafka.emit({ type: 'error', client: name, error: error as Error });
    },
  });
}
