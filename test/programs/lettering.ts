import { NEVER, mergeMap, of, tap } from 'rxjs';
import type { Properties } from '../../src/index.js';
import { Kafka, commit, deadLetter, drain, fromTopic, openOffsets, processRecord, toTopic } from '../../src/index.js';
import { numberOf } from '../support/numbered.js';

/** What the test tells this program, as JSON in its only argument. */
export interface LetteringOptions {
  readonly brokers: readonly string[];
  readonly topic: string;
  readonly dead: string;
  readonly group: string;
  readonly store: string;
  readonly properties: Properties;
  /** Whether it is killed when the letter of record 0 is acknowledged, and record 1 is finished on disk, or comes to its end. */
  readonly isKilled: boolean;
}

const { brokers, topic, dead, group, store, properties, isKilled } = JSON.parse(process.argv[2] as string) as LetteringOptions;
const stop = new AbortController();
const happened = new Set<'acknowledged' | 'remembered'>();
function happens(what: 'acknowledged' | 'remembered'): void {
  happened.add(what);
  if (isKilled && happened.size === 2) process.kill(process.pid, 'SIGKILL');
}

await using kafka = new Kafka({ brokers });
await using offsets = openOffsets(store);
await drain(
  fromTopic(kafka, topic, { group, offsets, properties, signal: stop.signal }).pipe(
    processRecord(
      (record) => {
        if (numberOf(record) === 0) throw new RangeError('as planned');
        return [undefined];
      },
      {
        onError: deadLetter((letters$) =>
          letters$.pipe(
            toTopic(kafka, dead),
            mergeMap((letter) => {
              happens('acknowledged');
              if (!isKilled) stop.abort();
              // Between the two.
              return isKilled ? NEVER : of(letter);
            }),
          ),
        ),
      },
    ),
    commit({ emit: 'durable' }),
    tap((record) => {
      if (numberOf(record) === 1) happens('remembered');
    }),
  ),
  { signal: stop.signal },
);
