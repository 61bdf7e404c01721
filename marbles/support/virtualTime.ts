import type { Observable } from 'rxjs';
import { asyncScheduler } from 'rxjs';
import type { RunHelpers } from 'rxjs/testing';
import { TestScheduler } from 'rxjs/testing';
import { expect } from 'vitest';

/** A test in virtual time: one column of a diagram is one millisecond. What never ends is cut off at `endMs`. */
export function inVirtualTime(test: (time: RunHelpers) => void, endMs = Infinity): () => void {
  return () => {
    const scheduler = new TestScheduler((actual, expected) => {
      expect(actual).toEqual(expected);
    });
    scheduler.run((time) => {
      scheduler.maxFrames = endMs;
      test(time);
    });
  };
}

/** Within virtual time: does `work` at that millisecond. */
export function at(ms: number, work: () => void): void {
  asyncScheduler.schedule(work, ms);
}

/** Within virtual time: what an Observable emits in so many milliseconds. */
export function collect<T>(values$: Observable<T>, ms: number): readonly T[] {
  const collected: T[] = [];
  const subscription = values$.subscribe({
    next: (value) => collected.push(value),
    error: (error: unknown) => {
      throw error;
    },
  });
  at(ms, () => {
    subscription.unsubscribe();
  });
  return collected;
}
