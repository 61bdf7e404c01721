import type { Observable } from 'rxjs';
import { NEVER, Subject, asyncScheduler, delay, of, throwError } from 'rxjs';
import { afterEach, beforeEach, describe, expect, it, vi } from 'vitest';
import type { Watermarks } from '../../src/sources/fetcher.js';
import { LogEnds } from '../../src/sources/logEnds.js';

const S = 1_000;

function scene(answer: (partition: number) => Observable<Watermarks>) {
  const asked: number[] = [];
  let waiting = 0;
  let mostAtOnce = 0;
  const fetched = new Map<number, number>();
  const partitions = [0, 1, 2].map((partition) => ({ topic: 'orders', partition, top: 0 }));
  const ends = new LogEnds({
    client: {
      lastKnownEnd: ({ partition }) => fetched.get(partition) ?? -1,
      watermarks: ({ partition }) => {
        asked.push(partition);
        waiting += 1;
        mostAtOnce = Math.max(mostAtOnce, waiting);
        const answer$ = answer(partition);
        answer$.subscribe({ complete: () => (waiting -= 1), error: () => (waiting -= 1) });
        return answer$;
      },
    },
    scheduler: asyncScheduler,
  });
  return {
    asked,
    fetched,
    partitions,
    ends,
    mostAtOnce: () => mostAtOnce,
    /** A sample each second. */
    samples: async (seconds: number, isFetching = true): Promise<readonly Watermarks[]> => {
      let last: readonly Watermarks[] = [];
      for (let i = 0; i < seconds; i += 1) {
        last = ends.sample(partitions, isFetching);
        await vi.advanceTimersByTimeAsync(S);
      }
      return last;
    },
  };
}

const bounds = { low: 5, high: 50 };

beforeEach(() => {
  vi.useFakeTimers();
});

afterEach(() => {
  vi.useRealTimers();
});

describe('the ends of logs', () => {
  it('are asked for at first, one question at a time, and the beginnings again after half a minute', async () => {
    const s = scene(() => of(bounds).pipe(delay(100)));
    expect(await s.samples(1)).toEqual(s.partitions.map(() => ({ low: -1, high: -1 })));
    expect(s.asked).toEqual([0, 1, 2]);
    expect(s.mostAtOnce()).toBe(1);
    for (const one of s.partitions) s.fetched.set(one.partition, (one.top = 60));
    expect(await s.samples(29)).toEqual(s.partitions.map(() => ({ low: 5, high: 60 })));
    expect(s.asked).toHaveLength(3);
    await s.samples(2);
    expect(s.asked).toHaveLength(6);
  });

  it('are not asked for where fetches tell them: what is read to its end hears of every change', async () => {
    const s = scene(() => of(bounds));
    for (const one of s.partitions) s.fetched.set(one.partition, (one.top = 50));
    await s.samples(25);
    expect(s.asked).toHaveLength(3);
  });

  it.each([
    ['is paused', false, 50],
    ['is behind, and nothing more of it comes', true, 20],
  ])('are asked for every few seconds where a partition %s', async (_, isFetching, top) => {
    const s = scene(() => of({ low: 5, high: 70 }));
    for (const one of s.partitions) {
      s.fetched.set(one.partition, 50);
      one.top = top;
    }
    const last = await s.samples(21, isFetching);
    expect(s.asked).toHaveLength(3 * 5);
    expect(last[0]).toEqual({ low: 5, high: 70 });
  });

  it('are those of the last fetch, where that came after the answer', async () => {
    const s = scene(() => of({ low: 5, high: 70 }));
    s.fetched.set(0, 60);
    await s.samples(1);
    expect((await s.samples(1))[0]).toEqual({ low: 5, high: 70 });
    // The log was cut off and is another one: what was asked before does not count.
    s.fetched.set(0, 10);
    expect((await s.samples(1))[0]).toEqual({ low: 5, high: 10 });
  });

  it('are left alone for half a minute by brokers that do not answer, and then asked for again', async () => {
    const s = scene(() => throwError(() => new Error('no broker')));
    await s.samples(30);
    expect(s.asked).toEqual([0]);
    await s.samples(1);
    expect(s.asked).toEqual([0, 0]);
  });

  it('are asked for no second time while a question is not answered, and not at all once it is stopped', async () => {
    const s = scene(() => NEVER);
    await s.samples(100);
    expect(s.asked).toEqual([0]);
    const late$ = new Subject<Watermarks>();
    const t = scene(() => late$);
    await t.samples(1);
    t.ends.stop();
    late$.next(bounds);
    late$.complete();
    expect(t.asked).toEqual([0]);
  });
});
