import type { MonoTypeOperatorFunction, Observable, ObservableInput } from 'rxjs';
import { EMPTY, Subject, concat, defer, from, tap } from 'rxjs';
import type { ApplyWrite, Checkpoint } from '../../src/offsets/store.js';
import type { Lane } from '../../src/position.js';
import { LANE } from '../../src/position.js';
import type { KafkaRecord } from '../../src/record.js';
import { Checkpointer } from '../../src/sources/checkpointer.js';
import { Demand } from '../../src/sources/demand.js';
import type { LaneStart } from '../../src/sources/lane.js';
import { PartitionLane } from '../../src/sources/lane.js';

/** What every record weighs, unless a test says otherwise. */
export const RECORD_BYTES = 10;

export interface SourceSettings {
  /** What a write takes, and what it answers. Default: it is done at once. */
  readonly write?: (checkpoints: readonly Checkpoint[], apply: ApplyWrite | undefined) => ObservableInput<readonly Checkpoint[]>;
  readonly maxRecords?: number;
  readonly maxBytes?: number;
}

/** A source without a broker: its real credits, lanes and checkpointer, above a disk in virtual time. */
export interface Source {
  readonly demand: Demand;
  readonly checkpointer: Checkpointer;
  /** Each write when it is done, as {@link shown}. */
  readonly onDisk$: Observable<string>;
  /** Every checkpoint that was handed to the disk, write by write. */
  readonly writes: readonly (readonly Checkpoint[])[];
  /** Each time that credits come back, how many records are still out. */
  readonly relief$: Observable<string>;
  /** Each time that a record is finished while no credit was left. */
  readonly finish$: Observable<void>;
  readonly failures: readonly unknown[];
  readonly refused: readonly PartitionLane[];
  /** The lanes of records that were finished too late, one for each. */
  readonly late: readonly PartitionLane[];
  /** How often the last operator that finishes records has left. */
  readonly abandoned: () => number;
  lane(start?: Partial<LaneStart>): PartitionLane;
}

export function source({ write = () => EMPTY, maxRecords = 100, maxBytes = Infinity }: SourceSettings = {}): Source {
  const onDisk$ = new Subject<string>();
  const relief$ = new Subject<string>();
  const finish$ = new Subject<void>();
  const writes: (readonly Checkpoint[])[] = [];
  const failures: unknown[] = [];
  const refused: PartitionLane[] = [];
  const late: PartitionLane[] = [];
  let abandoned = 0;
  const demand = new Demand({
    maxRecords,
    maxBytes,
    onRelief: () => {
      relief$.next(String(demand.records));
    },
    onFinish: () => {
      finish$.next();
    },
  });
  const checkpointer = new Checkpointer({
    demand,
    write: (checkpoints, apply) => {
      writes.push(checkpoints);
      const done$ = defer(() => {
        onDisk$.next(checkpoints.map(shown).join(' '));
        return EMPTY;
      });
      return concat(from(write(checkpoints, apply)), done$);
    },
    commitThrough: () => undefined,
    onFailure: (error) => failures.push(error),
    onRefused: (lanes) => refused.push(...lanes),
    onLate: (lane) => late.push(lane),
    onAbandoned: () => {
      abandoned += 1;
    },
  });
  return {
    demand,
    checkpointer,
    onDisk$: onDisk$.asObservable(),
    writes,
    relief$: relief$.asObservable(),
    finish$: finish$.asObservable(),
    failures,
    refused,
    late,
    abandoned: () => abandoned,
    lane: (start) =>
      new PartitionLane(
        { topic: 'orders', partition: 0, epoch: 1, frontier: 0, runs: [], metadata: '', maxOpen: maxRecords, ...start },
        checkpointer,
      ),
  };
}

/** `a` is the first record of the lane, `b` the second, and so on; each has its letter as its value. */
export function recordsOf(lane: PartitionLane, letters = 'abcdefgh'): Record<string, KafkaRecord<string>> {
  const first = lane.top;
  return Object.fromEntries(Array.from(letters, (letter, i) => [letter, recordAt(lane, first + i, letter)]));
}

export function recordAt<V>(lane: Lane, offset: number, value: V): KafkaRecord<V> {
  const { topic, partition } = lane;
  return { topic, partition, offset, timestamp: 0, key: null, value, headers: [], [LANE]: lane };
}

/** What a source does as it emits: the record is open from now on, and takes a credit. */
export function emittedBy<V>({ demand }: Source): MonoTypeOperatorFunction<KafkaRecord<V>> {
  return tap((record) => {
    const lane = record[LANE];
    if (lane instanceof PartitionLane) lane.open(record.offset, RECORD_BYTES);
    demand.take(RECORD_BYTES);
  });
}

/** The frontier, with the partition before it unless that is 0, with the runs and the metadata after it if there are any. */
export function shown({ partition, frontier, runs, metadata }: Pick<Checkpoint, 'partition' | 'frontier' | 'runs' | 'metadata'>): string {
  const stretches = runs.flatMap((from, i) => (i % 2 === 0 ? [` [${from},${runs[i + 1] ?? '?'})`] : []));
  return [partition === 0 ? '' : `${partition}:`, frontier, ...stretches, metadata === '' ? '' : ` ${metadata}`].join('');
}
