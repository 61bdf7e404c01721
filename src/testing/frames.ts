import { Observable, share } from 'rxjs';
import type { TestScheduler } from 'rxjs/testing';

/** Emits at the end of each frame of virtual time in which something happens. */
export function frameEnds(scheduler: TestScheduler): Observable<number> {
  return new Observable<number>((subscriber) => {
    const look = (): void => {
      const { frame, actions } = scheduler;
      // Whatever comes next, nothing happens before it. What is scheduled last for a frame comes last in it.
      const [next] = actions;
      if (next === undefined || next.delay > frame) subscriber.next(frame);
      if (next !== undefined) subscriber.add(scheduler.schedule(look, Math.max(0, next.delay - frame)));
    };
    look();
    // Two that look would wait for each other.
  }).pipe(share());
}
