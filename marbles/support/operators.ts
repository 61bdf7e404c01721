import type { OperatorFunction } from 'rxjs';
import { delay, map, of, pipe, throwError } from 'rxjs';
import { expect } from 'vitest';
import { Kafka } from '../../src/kafka.js';
import { batch } from '../../src/operators/batch.js';
import { commit } from '../../src/operators/commit.js';
import { deadLetter } from '../../src/operators/deadLetter.js';
import { decode } from '../../src/operators/decode.js';
import { filterValue } from '../../src/operators/filterValue.js';
import { gate } from '../../src/operators/gate.js';
import { mapValue } from '../../src/operators/mapValue.js';
import { processRecord } from '../../src/operators/processRecord.js';
import { retryRecord } from '../../src/operators/retryRecord.js';
import { release } from '../../src/operators/release.js';
import type { Positioned } from '../../src/position.js';
import type { KafkaRecord } from '../../src/record.js';
import type { PublishOutcome } from '../../src/sinks/publishOutcome.js';
import { publish } from '../../src/sinks/publish.js';
import { Publisher } from '../../src/sinks/publisher.js';
import { toTopic } from '../../src/sinks/toTopic.js';
import type { Sent } from '../../src/sinks/transport.js';
import { later } from './later.js';
import { at } from './virtualTime.js';

type Read = KafkaRecord<Buffer>;

/** An operator, used so that it passes on whatever comes. */
export interface OperatorRow {
  readonly name: string;
  /** How many milliseconds a record takes to get through. Default 0: it goes on in the call in which it comes. */
  readonly ms?: 0 | 2;
  /** It takes no function: none can throw. */
  readonly takesNoFunction?: true;
  /** How what its function throws arrives. Default: as it was thrown. */
  readonly arrives?: (thrown: Error) => unknown;
  /** It finishes what it passes on. */
  readonly finishes?: true;
  /** The operator. The functions that it takes call `called` with the value that they are about. */
  readonly passing: (called: (value: Buffer) => Buffer) => OperatorFunction<Read, Positioned | readonly Positioned[]>;
}

/** Each operator of ours, and each of its ways in which values take another path: a row is all that it takes to try another one. */
export const operators: readonly OperatorRow[] = [
  { name: 'mapValue', passing: (called) => mapValue(called) },
  { name: 'filterValue', passing: (called) => filterValue((value) => called(value).length > 0) },
  { name: 'decode', arrives: asCause, passing: (called) => decode({ decode: called }) },
  {
    name: 'decode, by promises',
    ms: 2,
    arrives: asCause,
    passing: (called) => decode({ decode: (all) => later(2, { value: called(all) }) }),
  },
  { name: 'processRecord', passing: (called) => processRecord(({ value }) => of(called(value))) },
  { name: 'processRecord, by promises', ms: 2, passing: (called) => processRecord(({ value }) => later(2, { value: called(value) })) },
  { name: 'batch', takesNoFunction: true, passing: () => batch({ maxRecords: 1 }) },
  { name: 'batch, by time', ms: 2, takesNoFunction: true, passing: () => batch({ maxMs: 2 }) },
  { name: 'gate', takesNoFunction: true, passing: () => gate(of(true)) },
  { name: 'release', takesNoFunction: true, finishes: true, passing: () => release() },
  { name: 'commit', finishes: true, passing: (called) => commit({ metadata: ({ value }) => String(called(value)) }) },
  {
    name: 'commit, once it is durable',
    ms: 2,
    finishes: true,
    passing: (called) => commit({ emit: 'durable', metadata: ({ value }) => String(called(value)) }),
  },
  { name: 'retryRecord', passing: (called) => retryRecord(({ value }) => of(called(value)), { attempts: 1 }) },
  {
    name: 'retryRecord, at the second attempt',
    ms: 2,
    passing: (called) =>
      retryRecord(
        ({ value }, { attempt }) => {
          const result = called(value);
          return attempt === 1 ? throwError(() => new RangeError('not yet')) : of(result);
        },
        { attempts: 2, delayMs: 2, jitter: 0, retryIf: (error) => error instanceof RangeError },
      ),
  },
  { name: 'deadLetter', passing: (called) => pipe(map(failed), deadLetter(map(calling(called)))) },
  { name: 'deadLetter, into a slow sink', ms: 2, passing: (called) => pipe(map(failed), deadLetter(pipe(map(calling(called)), delay(2)))) },
  {
    name: 'toTopic',
    ms: 2,
    passing: (called) => toTopic(new Kafka({ brokers: ['b:1'] }), 'copies', ({ value }) => ({ value: called(value) })),
  },
  {
    name: 'publish',
    ms: 2,
    passing: (called) => publish(takingPublisher(), ({ value }) => ({ value: called(value) }), { result: (record) => record }),
  },
];

/** Stands where `toTopic` makes its client: everything is acknowledged after two milliseconds. */
export class AcknowledgingProducer {
  readonly kind = 'sink';

  connect(): Promise<void> {
    return Promise.resolve();
  }

  send(sent: Sent): void {
    at(2, () => {
      sent.acknowledged(0, 0, 1);
    });
  }

  end(): Promise<void> {
    return Promise.resolve();
  }
}

/** A publisher that gets rid of everything in two milliseconds. */
function takingPublisher(): Publisher {
  const offer = (_: unknown, tell: (outcome: PublishOutcome) => void): void => {
    at(2, () => {
      tell({ topic: 'copies', key: null, where: 'kafka', replayed: false });
    });
  };
  return Object.assign(Object.create(Publisher.prototype) as Publisher, { offer });
}

/** What a codec throws is the cause of what arrives. */
function asCause(cause: Error): unknown {
  return expect.objectContaining({ cause });
}

function failed<R>(record: R): { readonly record: R; readonly error: Error; readonly attempts: number } {
  return { record, error: new Error('declined'), attempts: 1 };
}

function calling(called: (value: Buffer) => Buffer) {
  return <R extends { readonly value: unknown }>(letter: R): R => {
    called(letter.value as Buffer);
    return letter;
  };
}
