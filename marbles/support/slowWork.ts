import type { MonoTypeOperatorFunction, SchedulerLike, Timestamp } from 'rxjs';
import { asyncScheduler, tap } from 'rxjs';
import type { KafkaRecord } from '../../src/record.js';

/** Work that holds the event loop, and a scheduler whose clock goes on meanwhile. */
export interface SlowWork {
  readonly scheduler: SchedulerLike;
  readonly work: MonoTypeOperatorFunction<KafkaRecord>;
}

/** Work that takes so many milliseconds for a record, by its number: the first is 1. */
export function slowWork(msOf: (seen: number) => number): SlowWork {
  let [seen, workedMs] = [0, 0];
  const now = (): number => asyncScheduler.now() + workedMs;
  return {
    scheduler: Object.assign(Object.create(asyncScheduler) as SchedulerLike, { now }),
    work: tap(() => {
      seen += 1;
      workedMs += msOf(seen);
    }),
  };
}

/** How many of these came in one turn of the event loop at most. */
export function mostAtOnce(emitted: readonly Timestamp<unknown>[]): number {
  const turns = new Map<number, number>();
  for (const { timestamp } of emitted) turns.set(timestamp, (turns.get(timestamp) ?? 0) + 1);
  return Math.max(...turns.values());
}
