import { asyncScheduler, tap } from 'rxjs';
import { describe, expect, it } from 'vitest';
import { commit } from '../../src/operators/commit.js';
import { filterValue } from '../../src/operators/filterValue.js';
import type { Lane } from '../../src/position.js';
import type { Reader } from '../../src/sources/reader.js';
import type { Log } from '../../marbles/support/log.js';
import { pumping } from '../../marbles/support/pumping.js';
import { recordAt, source } from '../../marbles/support/source.js';
import { inVirtualTime } from '../../marbles/support/virtualTime.js';

const MANY = 1_000_000;

/** A log of that many records, which are made when they are read. */
function longLog(length: number): Reader {
  let next = 0;
  return {
    read: (max, waitMs, done) => {
      const first = next;
      next = Math.min(length, next + max);
      const batch = {
        length: next - first,
        topic: () => 'orders',
        partition: () => 0,
        offset: (row: number) => first + row,
        bytes: () => 10,
        record: (row: number, lane: Lane) => recordAt(lane, first + row, null),
      };
      asyncScheduler.schedule(
        () => {
          done(undefined, batch);
        },
        batch.length > 0 ? 0 : waitMs,
      );
    },
  };
}

describe('a filter that lets none of a million records through', () => {
  it(
    'moves the frontier to the end, with 100 in flight',
    inVirtualTime(({ flush }) => {
      const kafka = source({ maxRecords: 100 });
      const lane = kafka.lane();
      const { records$, pump } = pumping(kafka, longLog(MANY) as Log, [lane]);
      let passed = 0;
      records$
        .pipe(
          filterValue(() => false),
          commit(),
          tap(() => (passed += 1)),
        )
        .subscribe();
      asyncScheduler.schedule(() => {
        pump.stop();
      }, MANY);
      flush();
      expect([passed, lane.records, kafka.demand.records, lane.checkpoint().frontier]).toEqual([0, 0, 0, MANY]);
      expect(kafka.writes.at(-1)?.[0]?.frontier).toBe(MANY);
    }),
  );
});
