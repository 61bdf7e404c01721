import { describe, expect, it } from 'vitest';
import type { Surroundings } from '../../src/sources/computeStats.js';
import { partitionStats, totals } from '../../src/sources/computeStats.js';

const LANE = { topic: 'orders', partition: 3, epoch: 2, top: 100, records: 12, oldest: 60, tally: { repeats: 5, misses: 7 } };

function stats(changes: Partial<Surroundings> = {}, lane: Partial<typeof LANE> = {}) {
  return partitionStats(
    { ...LANE, ...lane },
    { finished: { frontier: 60, runs: [] }, bounds: { low: 20, high: 150 }, oldestOpenAgeMs: 40, ...changes },
  );
}

describe('the statistics of a partition', () => {
  it('count from the end of the log to what was emitted, and to what is finished', () => {
    expect(stats()).toEqual({
      topic: 'orders',
      partition: 3,
      epoch: 2,
      position: 100,
      frontier: 60,
      end: 150,
      waitingKafka: 50,
      waitingLocal: 12,
      kafkaLogSize: 130,
      committedLag: 90,
      deliveredLag: 50,
      oldestOpen: 60,
      oldestOpenAgeMs: 40,
      holes: 1,
      runs: 0,
      repeats: 5,
      misses: 7,
    });
  });

  it.each([
    ['nothing is open', 100, [], 0],
    ['the rest is open', 60, [], 1],
    ['a run ends at the position', 60, [80, 100], 1],
    ['a run ends before the position', 60, [80, 90], 2],
    ['several runs', 60, [62, 63, 70, 80, 99, 100], 3],
    ['a run that an earlier epoch has left beyond the position', 60, [80, 90, 200, 210], 2],
    ['only such a run', 60, [200, 210], 1],
  ])('tell how many holes there are: %s', (_, frontier, runs, holes) => {
    expect(stats({ finished: { frontier, runs } })).toMatchObject({ holes, runs: runs.length / 2 });
  });

  it('tell nothing of a log whose end is not known', () => {
    const found = stats({ bounds: { low: -1, high: -1 } });
    expect(found).toMatchObject({ end: -1, waitingKafka: 0, kafkaLogSize: 0, committedLag: 0, deliveredLag: 0, position: 100 });
  });

  it('know no size of a log whose beginning is not known', () => {
    expect(stats({ bounds: { low: -1, high: 150 } })).toMatchObject({ kafkaLogSize: 0, waitingKafka: 50 });
  });

  it('begin where the log does, if nothing of it was seen', () => {
    const found = stats({ finished: { frontier: 0, runs: [] } }, { top: 0, records: 0, oldest: 0 });
    expect(found).toMatchObject({ position: 20, frontier: 20, waitingKafka: 130, committedLag: 130, holes: 0, oldestOpen: undefined });
  });

  it('are never below 0, when the end was seen before what was emitted since', () => {
    expect(stats({ bounds: { low: 20, high: 90 } })).toMatchObject({ waitingKafka: 0, deliveredLag: 0, committedLag: 30 });
  });
});

describe('the totals of a source', () => {
  it('are sums, and the highest age', () => {
    const counters = {
      ...{ repeats: 90, misses: 91, lateCompletions: 1, bufferedBytes: 2, emitted: 3, finished: 4, creditsFree: 5, creditsMax: 6 },
      ...{ commits: 7, commitLatencyMs: { last: 1, max: 2, mean: 1.5 } },
    };
    const all = [stats(), stats({ oldestOpenAgeMs: 90, finished: { frontier: 60, runs: [80, 90] } })];
    expect(totals(all, counters)).toEqual({
      ...counters,
      ...{ waitingKafka: 100, waitingLocal: 24, kafkaLogSize: 260, committedLag: 180, deliveredLag: 100, holes: 3, runs: 1 },
      oldestOpenAgeMs: 90,
    });
    expect(totals([], counters)).toMatchObject({ waitingKafka: 0, oldestOpenAgeMs: 0 });
  });
});
