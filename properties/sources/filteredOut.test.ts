import type { MonoTypeOperatorFunction } from 'rxjs';
import { asyncScheduler, filter, pipe } from 'rxjs';
import { describe, expect, it } from 'vitest';
import { at, inVirtualTime } from '../../marbles/support/virtualTime.js';
import { StalledError } from '../../src/errors.js';
import { memoryOffsets } from '../../src/offsets/memory.js';
import type { Checkpoint } from '../../src/offsets/store.js';
import { commit } from '../../src/operators/commit.js';
import { filterValue } from '../../src/operators/filterValue.js';
import type { KafkaRecord } from '../../src/record.js';
import { groupSource } from '../../src/sources/groupSource.js';
import { resolveSourceOptions } from '../../src/sources/sourceOptions.js';
import { FakeMember } from '../../src/testing/member.js';
import { TopicLog } from '../../src/testing/topicLog.js';

const MANY = 1_000_000;
const MAX_IN_FLIGHT = 100;

/** What comes of a million records, read with 100 in flight. */
function throughAMillion(work: MonoTypeOperatorFunction<KafkaRecord>): { passed: number; frontier: number | undefined; error: unknown } {
  const outcome = { passed: 0, frontier: undefined as number | undefined, error: undefined as unknown };
  inVirtualTime(({ flush }) => {
    const topic = new TopicLog('orders', [MANY]);
    const offsets = memoryOffsets();
    const subscription = groupSource({
      group: 'billing',
      offsets: () => offsets,
      mirror: false,
      onStateStale: () => undefined,
      source: resolveSourceOptions('fromTopic', { maxInFlight: MAX_IN_FLIGHT }),
      member: (listener) => {
        const member = new FakeMember(topic, listener, { readMs: () => 0, prompt: true });
        at(1, () => {
          member.give(0);
        });
        return member;
      },
      emit: () => undefined,
      register: () => () => undefined,
      scheduler: asyncScheduler,
    })
      .pipe(work)
      .subscribe({
        next: () => (outcome.passed += 1),
        error: (error: unknown) => {
          outcome.error = error;
        },
      });
    // Far longer than a source waits for what does not move.
    at(600_000, () => {
      subscription.unsubscribe();
    });
    flush();
    const [checkpoints = []] = [...(offsets.list('billing') as Iterable<readonly Checkpoint[]>)];
    outcome.frontier = checkpoints[0]?.frontier;
  })();
  return outcome;
}

function nothing(): MonoTypeOperatorFunction<KafkaRecord> {
  return filterValue(() => false);
}

/** Drops 99 records in a row, one less than may be in flight. */
function oneOfAHundred(): MonoTypeOperatorFunction<KafkaRecord> {
  return filter(({ offset }) => offset % MAX_IN_FLIGHT === MAX_IN_FLIGHT - 1);
}

describe('a million records with 100 in flight, of which a filter drops', () => {
  it('all: with filterValue the frontier moves to the end', () => {
    expect(throughAMillion(pipe(nothing(), commit()))).toEqual({ passed: 0, frontier: MANY, error: undefined });
  });

  it('99 of 100: with RxJS’s own filter the source says with a StalledError that they are never finished', () => {
    const { passed, frontier, error } = throughAMillion(pipe(oneOfAHundred(), commit()));
    expect(error).toBeInstanceOf(StalledError);
    expect(error).toMatchObject({ positions: [{ topic: 'orders', partition: 0, offset: 0 }] });
    expect((error as Error).message).toMatch(/filterValue/);
    // Of a hundred places 99 stay taken, and then the last one is.
    expect([passed, frontier]).toEqual([1, 0]);
  });

  it('99 of 100: with RxJS’s own filter and `ordered` the frontier moves to the end', () => {
    expect(throughAMillion(pipe(oneOfAHundred(), commit({ ordered: true })))).toEqual({
      passed: MANY / MAX_IN_FLIGHT,
      frontier: MANY,
      error: undefined,
    });
  });
});
