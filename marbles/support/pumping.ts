import type { Observable, SchedulerLike } from 'rxjs';
import { Observable as Rx, Subject, asyncScheduler, ignoreElements, map, tap } from 'rxjs';
import type { Position } from '../../src/position.js';
import type { KafkaRecord } from '../../src/record.js';
import type { PartitionLane } from '../../src/sources/lane.js';
import { Pump } from '../../src/sources/pump.js';
import type { ReadError } from '../../src/sources/reader.js';
import type { Log } from './log.js';
import type { Source } from './source.js';

/** A pump between a log and whoever subscribes. */
export interface Pumping {
  readonly pump: Pump;
  /** What it emits. Subscribing starts the pump, unsubscribing stops it. */
  readonly records$: Observable<KafkaRecord>;
  /** The values of what it emits. */
  readonly values$: Observable<string>;
  /** `p` when it pauses fetching, `r` when it resumes. */
  readonly fetching$: Observable<string>;
  readonly errors: readonly ReadError[];
}

export function pumping(
  kafka: Source,
  reader: Log,
  lanes: readonly PartitionLane[],
  {
    stallAfterMs = Infinity,
    onStall = () => undefined,
    onEnd = () => undefined,
    onStranger = () => undefined,
    awaitsAnswer = () => false,
    scheduler = asyncScheduler,
  }: {
    stallAfterMs?: number;
    onStall?: () => void;
    onEnd?: (end: Position) => void;
    onStranger?: (lane: PartitionLane) => void;
    awaitsAnswer?: () => boolean;
    scheduler?: SchedulerLike;
  } = {},
): Pumping {
  const emitted$ = new Subject<KafkaRecord>();
  const fetching$ = new Subject<string>();
  const errors: ReadError[] = [];
  const pump = new Pump({
    reader,
    demand: kafka.demand,
    checkpointer: kafka.checkpointer,
    laneOf: (_, partition) => lanes.find((lane) => lane.partition === partition),
    emit: (record) => {
      emitted$.next(record);
    },
    onError: (error) => errors.push(error),
    onStall,
    onEnd,
    onStranger,
    stallAfterMs,
    awaitsAnswer,
    scheduler,
    pause: () => {
      fetching$.next('p');
    },
    resume: () => {
      fetching$.next('r');
    },
  });
  const records$ = new Rx<KafkaRecord>((subscriber) => {
    subscriber.add(emitted$.subscribe(subscriber));
    subscriber.add(
      kafka.relief$
        .pipe(
          tap({
            next: () => {
              pump.poke();
            },
          }),
          ignoreElements(),
        )
        .subscribe(subscriber),
    );
    subscriber.add(
      kafka.finish$.subscribe({
        next: () => {
          pump.pokeSoon();
        },
        error: () => undefined,
      }),
    );
    subscriber.add(() => {
      pump.stop();
    });
    pump.start();
  });
  return { pump, records$, values$: records$.pipe(map(({ value }) => String(value))), fetching$: fetching$.asObservable(), errors };
}
