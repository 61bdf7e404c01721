import { filter, from, retry, throwError, timer } from 'rxjs';
import type { Kafka, KafkaRecord, Position } from '../index.js';
import { UnknownTopicError, fromTopic, memoryOffsets, release, toTopic } from '../index.js';
import type { Ledger } from './ledger.js';
import { RUN_HEADER, numberIn } from './orders.js';
import type { Watch } from './watch.js';

export interface AuditOptions {
  readonly run: string;
  readonly orders: string;
  readonly invoices: string;
}

/** How often, and in which distance, to look for a topic again that the cluster may be creating. */
const LOOKS = 10;
const LOOK_MS = 300;
const FULL_STOP = 'full stop';

/** Reads what the workers have really written, from the log, while they write it. */
export class Audit {
  readonly #kafka: Kafka;
  readonly #options: AuditOptions;
  readonly #ledger: Ledger;
  readonly #watch: Watch;
  /** The next offset of each partition of the invoices. What lies below was counted. */
  readonly #next = new Map<number, number>();
  /** Partitions that were read up to the full stop. */
  readonly #read = new Set<number>();

  constructor(kafka: Kafka, options: AuditOptions, ledger: Ledger, watch: Watch) {
    this.#kafka = kafka;
    this.#options = options;
    this.#ledger = ledger;
    this.#watch = watch;
    const group = `${options.run}-audit`;

    kafka.events$.pipe(filter((event) => event.type === 'assigned')).subscribe({
      next: (event) => {
        if (event.group === group) this.#begin(event.partitions);
      },
      error: watch.failed,
    });
    // Both topics, because asking for them is what makes a cluster create them, if it does that at all.
    fromTopic(kafka, [options.orders, options.invoices], {
      group,
      offsets: memoryOffsets(),
      // The topics may hold what earlier runs have left.
      from: 'latest',
      properties: { 'allow.auto.create.topics': true },
    })
      .pipe(
        retry({
          count: LOOKS,
          delay: (error: unknown) => (error instanceof UnknownTopicError ? timer(LOOK_MS) : throwError(() => error)),
        }),
        release(),
      )
      .subscribe({
        next: (record) => {
          this.#count(record);
        },
        error: watch.failed,
      });
  }

  /** Whether it misses nothing that is written from now on. */
  get joined(): boolean {
    return this.#next.size > 0;
  }

  /** Whether it has read everything up to the full stops. */
  get done(): boolean {
    return this.#read.size === this.#next.size;
  }

  /** Writes a full stop behind the last invoice of each partition: who has read those has read everything. */
  writeFullStops(): void {
    const { run, invoices } = this.#options;
    from([...this.#next.keys()])
      .pipe(toTopic(this.#kafka, invoices, (partition) => ({ partition, key: FULL_STOP, value: '', headers: { [RUN_HEADER]: run } })))
      .subscribe({ error: this.#watch.failed });
  }

  #begin(positions: readonly Position[]): void {
    for (const { topic, partition, offset } of positions) {
      if (topic === this.#options.invoices && !this.#next.has(partition)) this.#next.set(partition, offset);
    }
    this.#watch.changed();
  }

  #count({ topic, partition, offset, key, headers }: KafkaRecord): void {
    const { run, invoices } = this.#options;
    if (topic !== invoices || offset < (this.#next.get(partition) ?? 0)) return;
    this.#next.set(partition, offset + 1);
    if (!headers.some(([name, value]) => name === RUN_HEADER && String(value) === run)) return;
    const order = numberIn(String(key), run);
    if (order !== undefined) this.#ledger.invoiced(order);
    else this.#read.add(partition);
    this.#watch.changed();
  }
}
