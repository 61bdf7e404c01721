import type { Observable, OperatorFunction } from 'rxjs';
import { Subject, asyncScheduler, map, pipe, timer } from 'rxjs';
import { describe, expect, it } from 'vitest';
import { commit } from '../../src/operators/commit.js';
import { retryRecord } from '../../src/operators/retryRecord.js';
import type { KafkaRecord } from '../../src/record.js';
import type { TopicMarbles } from '../../src/testing/topicMarbles.js';
import { topicMarbles } from '../../src/testing/topicMarbles.js';

function marbles(test: (marbles: TopicMarbles) => void): () => void {
  return () => {
    topicMarbles(test, {
      assertDeepEqual: (actual, expected) => {
        expect(actual).toEqual(expected);
      },
    });
  };
}

/** Takes 1 ms, and fails `a` so many times, each 10 ms before it is tried again. Attempts are shown as they begin: those of `a` by number. */
function billing(times: number): {
  readonly bill: OperatorFunction<KafkaRecord, KafkaRecord<string>>;
  readonly attempts$: Observable<string>;
} {
  const attempts$ = new Subject<string>();
  return {
    bill: pipe(
      retryRecord(
        ({ value }, { attempt }) => {
          const letter = String(value);
          attempts$.next(letter === 'a' ? String(attempt) : letter);
          return timer(1).pipe(
            map(() => {
              if (letter === 'a' && attempt <= times) throw new Error('declined');
              return letter;
            }),
          );
        },
        { delayMs: () => 10, jitter: 0 },
      ),
      commit(),
    ),
    attempts$: attempts$.asObservable(),
  };
}

const keyed = { values: { a: { key: 'k', value: 'a' }, b: { key: 'k', value: 'b' }, c: { key: 'other', value: 'c' } } };

describe('a record that is tried again', () => {
  it(
    'goes on counting after a crash, waits for the rest of its delay, and nothing of its key overtakes it',
    marbles(({ topic, expectRecords, expectObservable }) => {
      const orders = topic('  (abc)---', keyed);
      const life = '          ^------------------#-^';
      const attempts = '      (1c)-------2----------3b';
      const result = '        -c---------------------ab';
      const { bill, attempts$ } = billing(2);
      expectObservable(attempts$).toBe(attempts);
      expectRecords(bill(orders.records$), life).toBe(result);
    }),
  );

  it(
    'makes the attempt again that the crash has interrupted',
    marbles(({ topic, cold, expectRecords, expectObservable }) => {
      const orders = topic('  a-------', { writes: cold('---|') });
      const life = '          ^-------------#-^';
      const attempts = '      1----------2----2';
      const result = '        ------------a----a';
      const onDisk = '        --------------------a';
      const { bill, attempts$ } = billing(1);
      expectObservable(attempts$).toBe(attempts);
      expectRecords(bill(orders.records$), life).toBe(result);
      expectObservable(orders.onDisk$).toBe(onDisk);
    }),
  );

  it(
    'holds up no rebalance, and goes on where it was when the partition comes back',
    marbles(({ topic, expectRecords, expectObservable }) => {
      const orders = topic('  (ab)----------', { ...keyed, assigned: '^---!---^', drainTimeoutMs: 60_000 });
      const revoked = '       a---r---a';
      const attempts = '      1----------2b';
      const result = '        ------------ab';
      const { bill, attempts$ } = billing(1);
      expectObservable(attempts$).toBe(attempts);
      expectObservable(orders.events$.pipe(map(({ type }) => type.charAt(0)))).toBe(revoked);
      expectRecords(bill(orders.records$)).toBe(result);
    }),
  );

  it(
    'goes on where it was when its partition was lost and comes back',
    marbles(({ topic, expectRecords, expectObservable }) => {
      const orders = topic('  (ab)----------', { ...keyed, assigned: '^---x---^' });
      const attempts = '      1----------2b';
      const result = '        ------------ab';
      const { bill, attempts$ } = billing(1);
      expectObservable(attempts$).toBe(attempts);
      expectRecords(bill(orders.records$)).toBe(result);
    }),
  );

  it(
    'holds up no graceful stop, and goes on with the next start',
    marbles(({ topic, expectRecords, expectObservable }) => {
      const stop = new AbortController();
      asyncScheduler.schedule(() => {
        stop.abort();
      }, 4);
      const orders = topic('  (abc)---------', { ...keyed, signal: stop.signal });
      const attempts = '      (1c)';
      const result = '        -c--|';
      const open = '          32--0';
      const { bill, attempts$ } = billing(1);
      expectObservable(attempts$).toBe(attempts);
      expectObservable(orders.open$).toBe(open);
      expectRecords(bill(orders.records$)).toBe(result);
    }),
  );

  it(
    'is no stall, however long it waits and however few may be in flight',
    marbles(({ topic, expectRecords }) => {
      const orders = topic('  ab', { maxInFlight: 1, stallAfterMs: 1_000 });
      const result = '        30s (ab)';
      const billed$ = orders.records$.pipe(
        retryRecord(
          ({ value }, { attempt }) => {
            if (String(value) === 'a' && attempt === 1) throw new Error('declined');
            return [value];
          },
          { delayMs: () => 30_000, jitter: 0 },
        ),
        commit(),
      );
      expectRecords(billed$).toBe(result);
    }),
  );
});
