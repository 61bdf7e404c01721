import { asyncScheduler, ignoreElements, map, tap, timer } from 'rxjs';
import { expect, it } from 'vitest';
import { claimStarts } from '../../src/sources/claimStarts.js';
import { TOPIC } from '../support/member.js';
import { inVirtualTime } from '../support/virtualTime.js';

it(
  'sets the group back before the store remembers a start that was chosen, and only then says where it is: the group is never ahead',
  inVirtualTime(({ flush }) => {
    const partition = { topic: TOPIC, partition: 0 };
    const remembered = { ...partition, epoch: 1, frontier: 140, runs: [], metadata: '' };
    const done: string[] = [];
    const after$ = (ms: number, what: string) =>
      timer(ms, asyncScheduler).pipe(
        tap(() => done.push(what)),
        ignoreElements(),
      );

    claimStarts([partition], {
      group: 'billing',
      offsets: {
        claim: () => [[{ ...partition, epoch: 2, checkpoint: remembered }]],
        // A promise is under way as soon as it is asked for.
        reset: (_group, [checkpoint]) => {
          done.push(`the store begins with ${checkpoint?.frontier}`);
          return after$(20, 'the store is there').pipe(map(() => []));
        },
      },
      mirror: true,
      // The log was made anew, and is shorter.
      member: { committed: () => [[]], watermarks: () => [{ low: 0, high: 100 }], offsetAt: () => [0] },
      policy: { from: 'earliest', onOutOfRange: 'latest' },
      restarts: { trySetBack: ([before], [to]) => after$(10, `the group is at ${to?.frontier} in place of ${before?.frontier}`) },
      onStateStale: () => undefined,
      emit: () => undefined,
      onGap: () => undefined,
      onError: () => undefined,
    }).subscribe({
      next: (found) => done.push(`fetched from ${found.map(({ fetchFrom }) => fetchFrom).join()}`),
      error: (error: unknown) => done.push(String(error)),
    });
    flush();

    expect(done).toEqual(['the group is at 100 in place of 140', 'the store begins with 100', 'the store is there', 'fetched from 100']);
  }),
);
