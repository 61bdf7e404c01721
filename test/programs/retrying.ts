import { closeSync, openSync, writeSync } from 'node:fs';
import { from, map, tap } from 'rxjs';
import type { OffsetStore, Properties } from '../../src/index.js';
import { Kafka, commit, deadLetter, drain, fromTopic, openOffsets, retryRecord, toTopic } from '../../src/index.js';
import { BEGUN, DONE, LETTER, attemptLine, failuresOf } from '../support/attempts.js';
import { numberOf } from '../support/numbered.js';

/** What the test tells this program, as JSON in its only argument. */
export interface RetryingOptions {
  readonly brokers: readonly string[];
  readonly topic: string;
  readonly dead: string;
  readonly group: string;
  readonly store: string;
  /** Where to write down what happened. Each line is with the system before the next step, so it outlives a SIGKILL. */
  readonly log: string;
  readonly attempts: number;
  readonly maxDelayMs: number;
  readonly properties: Properties;
  /** A mistake that the checker has to find. */
  readonly planted: 'none' | 'attempts are forgotten';
}

const options = JSON.parse(process.argv[2] as string) as RetryingOptions;
const file = openSync(options.log, 'a');
const write = (kind: number, attempt: number, number: number): void => {
  writeSync(file, attemptLine({ kind, attempt, number }));
};

async function work(number: number, attempt: number): Promise<void> {
  write(BEGUN, attempt, number);
  if (number % 3 === 0) await new Promise((resolve) => setImmediate(resolve));
  if (number % 7 === 0) await new Promise((resolve) => setTimeout(resolve, Math.random() * 4));
  if (attempt <= failuresOf(number)) throw new Error('as planned');
  write(DONE, attempt, number);
}

/** A store that gives nothing back of what has failed. */
function forgetful(store: OffsetStore): OffsetStore {
  return {
    claim: (group, partitions) =>
      from(store.claim(group, partitions)).pipe(
        map((claims) =>
          claims.map(({ checkpoint, ...rest }) => {
            if (checkpoint === undefined) return { ...rest, checkpoint };
            const { topic, partition, epoch, frontier, runs, metadata } = checkpoint;
            return { ...rest, checkpoint: { topic, partition, epoch, frontier, runs, metadata } };
          }),
        ),
      ),
    write: store.write.bind(store),
    reset: store.reset.bind(store),
    list: store.list.bind(store),
    state: store.state.bind(store),
    close: store.close.bind(store),
    [Symbol.asyncDispose]: store.close.bind(store),
  };
}

const stop = new AbortController();
process.once('message', () => {
  stop.abort();
});

const { topic, dead, group, attempts, maxDelayMs, properties } = options;
await using kafka = new Kafka({ brokers: options.brokers });
await using opened = openOffsets(options.store);
const offsets = options.planted === 'none' ? opened : forgetful(opened);
await drain(
  fromTopic(kafka, topic, { group, offsets, maxInFlight: 500, properties, signal: stop.signal }).pipe(
    retryRecord((record, { attempt }) => work(numberOf(record), attempt), {
      attempts,
      concurrency: 32,
      delayMs: () => maxDelayMs,
      jitter: 1,
      onError: deadLetter((letters$) =>
        letters$.pipe(
          toTopic(kafka, dead),
          tap(({ value }) => {
            write(LETTER, attempts, numberOf({ value: value as Buffer }));
          }),
        ),
      ),
    }),
    commit(),
  ),
  { signal: stop.signal },
);
closeSync(file);
process.disconnect();
