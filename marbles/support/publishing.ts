import { asyncScheduler } from 'rxjs';
import { DeliveryError } from '../../src/errors.js';
import type { DispatcherOptions } from '../../src/sinks/dispatcher.js';
import { Dispatcher } from '../../src/sinks/dispatcher.js';
import type { Outgoing } from '../../src/sinks/outgoing.js';
import type { Outlet } from '../../src/sinks/outlet.js';
import type { PublishOutcome } from '../../src/sinks/publishOutcome.js';
import type { Spill, Stored, ToStore } from '../../src/sinks/spill.js';

const END_MS = 100_000;

/** A Kafka in virtual time that can be away, slow, or not want certain values. */
export class FakeKafka implements Outlet {
  /** The values that arrived, in order. */
  readonly arrived: string[] = [];
  readonly tries: string[] = [];
  probes = 0;
  isUp = true;
  ackMs = 3;
  /** How long a delivery takes to fail. */
  failMs = 2;
  probeMs = 1;
  fails: (value: string) => 'refused' | 'for now' | undefined = () => undefined;

  send(record: Outgoing, settle: Parameters<Outlet['send']>[1]): void {
    const value = String(record.value);
    this.tries.push(value);
    const fate = this.isUp ? this.fails(value) : 'for now';
    asyncScheduler.schedule(
      () => {
        if (fate === undefined) {
          this.arrived.push(value);
          settle(undefined, { topic: record.topic, timestamp: 1, partition: 0, offset: this.arrived.length - 1 });
        } else settle(failure(fate), undefined);
      },
      fate === undefined ? this.ackMs : this.failMs,
    );
  }

  probe(done: (error: unknown) => void): void {
    this.probes += 1;
    const { isUp } = this;
    asyncScheduler.schedule(() => {
      done(isUp ? undefined : new Error('away'));
    }, this.probeMs);
  }
}

interface FakeStored extends Stored {
  isDone: boolean;
}

/** A disk in virtual time. */
export class FakeSpill implements Spill {
  readonly written: FakeStored[] = [];
  writes = 0;
  writeMs = 2;
  readMs = 1;
  quotaRecords = Infinity;
  failWrites = 0;
  failReads = 0;
  readonly #backlog: readonly string[];
  #read = 0;

  constructor(backlog: readonly string[] = []) {
    this.#backlog = backlog;
  }

  get backlog(): { records: number; bytes: number } {
    const records = this.written.filter(({ isDone }) => !isDone).length;
    return { records, bytes: records };
  }

  get left(): string[] {
    return this.written.filter(({ isDone }) => !isDone).map(({ record }) => String(record.value));
  }

  get unread(): number {
    return this.written.length - this.#read;
  }

  get room(): number {
    return this.quotaRecords === Infinity ? Infinity : (this.quotaRecords - this.backlog.records) * 100;
  }

  open(done: () => void): void {
    asyncScheduler.schedule(() => {
      for (const value of this.#backlog) this.written.push({ record: outgoingOf(value), at: 0, isDone: false });
      done();
    }, 1);
  }

  write(records: readonly ToStore[], done: (error: Error | undefined) => void): void {
    this.writes += 1;
    asyncScheduler.schedule(() => {
      if (this.failWrites > 0) {
        this.failWrites -= 1;
        done(new Error('EIO'));
        return;
      }
      for (const { record, at = asyncScheduler.now() } of records) this.written.push({ record, at, isDone: false });
      done(undefined);
    }, this.writeMs);
  }

  read(limit: { readonly records: number }, done: (error: Error | undefined, found: readonly Stored[]) => void): void {
    asyncScheduler.schedule(() => {
      if (this.failReads > 0) {
        this.failReads -= 1;
        done(new Error('EIO'), []);
        return;
      }
      const found = this.written.slice(this.#read, this.#read + limit.records);
      this.#read += found.length;
      done(undefined, found);
    }, this.readMs);
  }

  done(stored: Stored): void {
    (stored as FakeStored).isDone = true;
  }

  expire(before: number): number {
    const old = this.written.slice(this.#read).filter(({ at, isDone }) => at < before && !isDone);
    for (const each of old) each.isDone = true;
    this.#read += old.length;
    return old.length;
  }
}

/** `a1` has the key `a`; what begins with `x` has a topic of its own. */
export function outgoingOf(value: string): Outgoing {
  return {
    topic: value.startsWith('x') ? 'x' : 't',
    key: Buffer.from(value.charAt(0)),
    value: Buffer.from(value),
    partition: null,
    timestamp: 1,
    headers: [],
  };
}

export interface Setup {
  readonly kafka: FakeKafka;
  readonly spill: FakeSpill;
  readonly dispatcher: Dispatcher;
  readonly troubles: string[];
  readonly outcomes: string[];
  /** Sends the values; answers what was said to each. */
  readonly send: (...values: readonly string[]) => (string | undefined)[];
}

/** A dispatcher between a fake Kafka and a fake disk, started. Outcomes read `value where`. */
export function publishing(options: Partial<DispatcherOptions> = {}, kafka = new FakeKafka(), spill = new FakeSpill()): Setup {
  const troubles: string[] = [];
  const outcomes: string[] = [];
  const dispatcher = new Dispatcher(kafka, spill, {
    maxQueued: 100,
    maxQueuedBytes: 1_000_000,
    retries: 1,
    maxBackoffMs: 1_000,
    maxSpillAgeMs: 1_000_000,
    order: 'none',
    closeTimeoutMs: 1_000,
    spillPath: '/spill',
    scheduler: asyncScheduler,
    onTrouble: (error) => troubles.push(error.message),
    ...options,
  });
  dispatcher.start();
  // Probes go on for ever, and virtual time with them.
  asyncScheduler.schedule(() => {
    dispatcher.close(() => undefined);
  }, END_MS);
  const send = (...values: readonly string[]): (string | undefined)[] =>
    values.map((value) =>
      dispatcher.accept(outgoingOf(value), ({ where, reason }: PublishOutcome) => {
        outcomes.push(`${value} ${where}${reason === undefined ? '' : ` ${reason}`}`);
      }),
    );
  return { kafka, spill, dispatcher, troubles, outcomes, send };
}

function failure(fate: 'refused' | 'for now'): DeliveryError {
  return new DeliveryError(fate, {
    topic: 't',
    partition: 0,
    kafkaCode: fate === 'refused' ? 10 : -192,
    outcome: 'unknown',
    retriable: fate === 'for now',
  });
}
