import { closeSync, openSync, writeSync } from 'node:fs';
import type { Observable, OperatorFunction } from 'rxjs';
import { from, map, mergeMap, tap } from 'rxjs';
import type { KafkaRecord, Properties } from '../../src/index.js';
import { Kafka, commit, drain, fromTopic, openOffsets } from '../../src/index.js';
import { numberOf } from '../support/numbered.js';
import { DURABLE, EMITTED, FINISHED, evidence } from '../support/evidence.js';

/** What the test tells this program, as JSON in its only argument. */
export interface KillableOptions {
  readonly brokers: readonly string[];
  readonly topic: string;
  readonly group: string;
  readonly store: string;
  /** Where to write down what happened. Each line is with the system before the next step, so it outlives a SIGKILL. */
  readonly log: string;
  readonly maxInFlight: number;
  readonly concurrency: number;
  readonly properties: Properties;
  readonly emit: 'passed' | 'durable';
  /** A mistake that the checker has to find. */
  readonly planted: 'none' | 'commit before the work' | 'ordered after a reordering';
}

const options = JSON.parse(process.argv[2] as string) as KillableOptions;
const file = openSync(options.log, 'a');
const write = (kind: number, number: number): void => {
  writeSync(file, evidence(kind, number));
};

/** Work that takes from no time to many milliseconds, so that records finish in another order than they came. */
async function work(number: number): Promise<void> {
  if (number % 3 === 0) await new Promise((resolve) => setImmediate(resolve));
  if (number % 7 === 0) await new Promise((resolve) => setTimeout(resolve, Math.random() * 4));
  if (number % 101 === 0) await new Promise((resolve) => setTimeout(resolve, Math.random() * 60));
  write(FINISHED, number);
}

const works = (): OperatorFunction<KafkaRecord, KafkaRecord> =>
  mergeMap((record) => from(work(numberOf(record))).pipe(map(() => record)), options.concurrency);

function pipeline(records$: Observable<KafkaRecord>): Observable<KafkaRecord> {
  switch (options.planted) {
    case 'none':
      return records$.pipe(
        works(),
        commit({ emit: options.emit }),
        tap((record) => {
          if (options.emit === 'durable') write(DURABLE, numberOf(record));
        }),
      );
    case 'commit before the work':
      return records$.pipe(commit(), works());
    case 'ordered after a reordering':
      return records$.pipe(works(), commit({ ordered: true }));
  }
}

const stop = new AbortController();
process.once('message', () => {
  stop.abort();
});

await using kafka = new Kafka({ brokers: options.brokers });
await using offsets = openOffsets(options.store);
const { topic, group, maxInFlight, properties } = options;
const records$ = fromTopic(kafka, topic, { group, offsets, maxInFlight, properties, signal: stop.signal }).pipe(
  tap((record) => {
    write(EMITTED, numberOf(record));
  }),
);
await drain(pipeline(records$), { signal: stop.signal });
closeSync(file);
process.disconnect();
