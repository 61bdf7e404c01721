import { AssertionError } from 'node:assert';
import type { Observable } from 'rxjs';
import { bufferCount, concat, concatMap, delay, filter, map, mergeMap, of, retry, takeUntil, tap, throwError } from 'rxjs';
import { describe, expect, it } from 'vitest';
import type { KafkaEvent } from '../../src/events.js';
import { OptionError, StoreFailedError } from '../../src/errors.js';
import { commit } from '../../src/operators/commit.js';
import { release } from '../../src/operators/release.js';
import type { KafkaRecord } from '../../src/record.js';
import { topicMarbles } from '../../src/testing/topicMarbles.js';
import type { TopicMarbles, TopicMarblesOptions } from '../../src/testing/topicMarbles.js';

/** Shows differences as this test runner does. */
function marbles(test: (marbles: TopicMarbles) => void): () => void {
  const assertDeepEqual: TopicMarblesOptions['assertDeepEqual'] = (actual, expected) => {
    expect(actual).toEqual(expected);
  };
  return () => {
    topicMarbles(test, { assertDeepEqual });
  };
}

function text(bytes: Buffer | null): string {
  return JSON.stringify(bytes?.toString() ?? null);
}

/** `a` assigned, `r` revoked, `l` lost, `e` error, `n` notice. */
function kinds(events: Observable<KafkaEvent>): Observable<string> {
  return events.pipe(map(({ type }) => type.charAt(0)));
}

function slowly(record: KafkaRecord): Observable<KafkaRecord> {
  return of(record).pipe(delay(3));
}

describe('records', () => {
  it(
    'flow when they are written, and are remembered when the disk has them',
    marbles(({ topic, cold, expectRecords, expectObservable, expectSubscriptions }) => {
      const writes$ = cold('        --|');
      const orders = topic('       a-b-----c', { writes: writes$ });
      const result = '             ---a-b-----c';
      const open = '               1-21-0--1--0';
      const onDisk = '             -----a-b-----c';
      const firstWrite = '         ---^-!';
      const secondWrite = '        -----^-!';
      const thirdWrite = '         -----------^-!';

      expectRecords(orders.records$.pipe(delay(3), commit())).toBe(result);
      expectObservable(orders.open$).toBe(open);
      expectObservable(orders.onDisk$).toBe(onDisk);
      expectSubscriptions(writes$.subscriptions).toBe([firstWrite, secondWrite, thirdWrite]);
    }),
  );

  it(
    'wait while as many are out as `maxInFlight` allows, until one is on disk',
    marbles(({ topic, cold, expectRecords, expectObservable }) => {
      const orders = topic('       (abcd)', { maxInFlight: 2, writes: cold('-|') });
      const result = '             ---a--b--c--d';
      const open = '               2--12-12-1--0';
      const onDisk = '             ----a--b--c--d';

      expectRecords(orders.records$.pipe(concatMap(slowly), commit())).toBe(result);
      expectObservable(orders.open$).toBe(open);
      expectObservable(orders.onDisk$).toBe(onDisk);
    }),
  );

  it(
    'hold what `values` says, or their letter',
    marbles(({ topic, expectObservable }) => {
      const values = {
        b: 'text',
        c: null,
        d: { key: 'k', value: Buffer.from([1]), headers: { h: 'x' }, timestamp: 9 },
        e: { value: '', headers: [['n', null]] as const },
      };
      const prices = topic(['-a-b-c', '--d-e'], { values, name: 'prices' });
      const shown$ = prices.records$.pipe(
        map(({ topic: name, partition, offset, timestamp, key, value, headers }) =>
          [name, partition, offset, timestamp, text(key), text(value), ...headers.map(([header, word]) => `${header}=${text(word)}`)].join(
            ' ',
          ),
        ),
      );
      expectObservable(shown$).toBe('-adbec', {
        a: 'prices 0 0 1 null "a"',
        b: 'prices 0 1 3 null "text"',
        c: 'prices 0 2 5 null null',
        d: 'prices 1 0 9 "k" "\\u0001" h="x"',
        e: 'prices 1 1 4 null "" n=null',
      });
    }),
  );

  it(
    'start where `from` says',
    marbles(({ topic, expectRecords, expectObservable }) => {
      const latest = topic('        ab-c', { from: 'latest' });
      const since = topic('         ab-c', { from: { timestamp: 1 } });
      const none = topic('          ab-c', { from: 'fail' });
      const life = '                --^';
      expectRecords(latest.records$.pipe(delay(5), commit()), life).toBe('--------c');
      expectObservable(latest.onDisk$).toBe('--(ab)--c');
      expectRecords(since.records$.pipe(commit()), life).toBe('--bc');
      expectRecords(none.records$.pipe(commit()), life).toBe('--#', {}, 'NO_STORED_OFFSET');
    }),
  );

  it(
    'are shown by their letters through whatever keeps their position, arrays too; other values and errors as they are',
    marbles(({ topic, expectRecords }) => {
      const upper$ = topic('abc').records$.pipe(
        map((record) => ({ ...record, value: 'A' })),
        commit(),
      );
      const pairs$ = topic('abcd').records$.pipe(bufferCount(2), commit());
      const bare$ = topic('a').records$.pipe(
        commit(),
        map(({ offset }) => offset),
      );
      const failing$ = topic('a').records$.pipe(
        map(() => {
          throw new RangeError('as planned');
        }),
      );
      expectRecords(upper$).toBe('abc');
      expectRecords(pairs$).toBe('-x-y', { x: 'ab', y: 'cd' });
      expectRecords(bare$).toBe('x', { x: 0 });
      expectRecords(failing$).toBe('#', {}, new RangeError('as planned'));
    }),
  );
});

describe('a partition', () => {
  it(
    'that is taken away is finished first, and goes on where it was when it comes back',
    marbles(({ topic, expectRecords, expectObservable }) => {
      const records = ['            abcd', '-----x'];
      const assigned = ['           ^-!---^', '^'];
      const result = '              ---abc--xd';
      const open = '                12321-2-10';
      const events = '              a----ra';

      const orders = topic(records, { assigned });
      expectRecords(orders.records$.pipe(delay(3), commit())).toBe(result);
      expectObservable(orders.open$).toBe(open);
      expectObservable(kinds(orders.events$)).toBe(events);
    }),
  );

  it(
    'that is not finished within `drainTimeoutMs` comes again, and what is finished too late is not remembered',
    marbles(({ topic, expectRecords, expectObservable }) => {
      const assigned = '            ^-!---^';
      const result = '              -----a-----a';
      const onDisk = '              -----------a';
      const events = '              a---r-a 998ms l';

      const orders = topic('a', { assigned, drainTimeoutMs: 2 });
      expectRecords(orders.records$.pipe(delay(5), commit())).toBe(result);
      expectObservable(orders.onDisk$).toBe(onDisk);
      expectObservable(kinds(orders.events$)).toBe(events);
    }),
  );

  it(
    'that is lost takes the others with it, and what was in flight comes again',
    marbles(({ topic, expectRecords, expectObservable }) => {
      const records = ['            a', '-x'];
      const assigned = ['           ^--x-------^', '^'];
      const result = '              ----ax-x-------a';
      const onDisk = '              -------x-------a';
      const open = '                12-1---0---1---0';
      const events = '              a--(ela)---a 992ms l';

      const orders = topic(records, { assigned });
      expectRecords(orders.records$.pipe(delay(4), commit())).toBe(result);
      expectObservable(orders.onDisk$).toBe(onDisk);
      expectObservable(orders.open$).toBe(open);
      expectObservable(kinds(orders.events$)).toBe(events);
    }),
  );

  it(
    'that the member was not given is not read',
    marbles(({ topic, expectRecords }) => {
      const orders = topic(['a', 'x'], { assigned: ['^'] });
      expectRecords(orders.records$.pipe(commit())).toBe('a');
    }),
  );
});

describe('a process', () => {
  it(
    'that crashes leaves on disk what was written, and the next one does the rest',
    marbles(({ topic, cold, expectRecords, expectObservable, expectSubscriptions }) => {
      const writes$ = cold('         --|');
      const life = '                ^---#--^';
      const result = '              -abc----(bc)';
      const open = '                1--0---20';
      const onDisk = '              ---a------b-c';
      const finished = '            -^-!';
      const cutOff = '              ---^!';
      const second = '              --------^-!';
      const third = '               ----------^-!';

      const orders = topic('abc', { writes: writes$ });
      expectRecords(orders.records$.pipe(delay(1), commit()), life).toBe(result);
      expectObservable(orders.open$).toBe(open);
      expectObservable(orders.onDisk$).toBe(onDisk);
      expectSubscriptions(writes$.subscriptions).toBe([finished, cutOff, second, third]);
    }),
  );

  it(
    'that crashes repeats only what was not finished, whatever order the work finished in',
    marbles(({ topic, cold, expectRecords, expectObservable }) => {
      const life = '                ^-----#--^';
      const result = '              --bc 14ms a';
      const onDisk = '              --bc 14ms a';
      const work: Record<string, string> = { a: '9ms |', b: '-|', c: '-|' };

      const orders = topic('abc');
      function charge(order: KafkaRecord): Observable<KafkaRecord> {
        return concat(cold<never>(work[String(order.value)] ?? '|'), of(order));
      }
      expectRecords(orders.records$.pipe(mergeMap(charge), commit()), life).toBe(result);
      expectObservable(orders.onDisk$).toBe(onDisk);
    }),
  );

  it(
    'that crashes writes nothing more, not even what a revoke waits to write',
    marbles(({ topic, expectRecords, expectObservable }) => {
      const assigned = '            ^--!';
      const life = '                ^----#';
      const result = '              -a';
      const onDisk = '';

      const orders = topic('a-b', { assigned });
      const stream$ = orders.records$.pipe(
        mergeMap((order) => of(order).pipe(delay(order.offset === 0 ? 1 : 20))),
        commit({ everyMs: 100 }),
      );
      expectRecords(stream$, life).toBe(result);
      expectObservable(orders.onDisk$).toBe(onDisk);
    }),
  );

  it(
    'that crashes has taken down all that ran in it',
    marbles(({ topic, expectRecords, expectObservable }) => {
      const orders = topic('        a----b');
      const prices = topic('        x----y');
      const life = '                ^--#---^';
      const result = '              -----------(ab)';
      expectRecords(orders.records$.pipe(delay(4), commit()), life).toBe(result);
      // It is not started again.
      expectRecords(prices.records$.pipe(delay(4), commit())).toBe('');
      expectObservable(prices.onDisk$).toBe('');
    }),
  );

  it(
    'that leaves goes on where it was when it comes back',
    marbles(({ topic, expectRecords, expectObservable }) => {
      const orders = topic('        abcd');
      const life = '                ^---!--^';
      const result = '              ---a------(bcd)';
      const onDisk = '              ---a------(bcd)';
      const events = '              a---r--a';
      expectRecords(orders.records$.pipe(delay(3), commit()), life).toBe(result);
      expectObservable(orders.onDisk$).toBe(onDisk);
      expectObservable(kinds(orders.events$)).toBe(events);
    }),
  );

  it(
    'whose work fails once and is tried again by `retry` begins at the oldest unfinished record, when the member before has left',
    marbles(({ topic, expectRecords, expectObservable }) => {
      let failures = 0;
      function failsOnce(order: KafkaRecord): Observable<KafkaRecord> {
        return String(order.value) === 'b' && failures++ === 0 ? throwError(() => new Error('once')) : of(order);
      }
      const orders = topic('abc', { drainTimeoutMs: 5 });
      expectRecords(orders.records$.pipe(concatMap(failsOnce), retry({ delay: 2 }), commit())).toBe('a-------(bc)');
      expectObservable(orders.onDisk$).toBe('a-------(bc)');
    }),
  );

  it(
    'that ends its source gracefully finishes what is in flight, and completes',
    marbles(({ topic, cold, expectRecords, expectObservable }) => {
      const stop = '                --x';
      const result = '              ---a(b|)';
      const onDisk = '              ---ab';
      const orders = topic('        ab-c');
      expectRecords(orders.records$.pipe(takeUntil(cold(stop)), delay(3), commit())).toBe(result);
      expectObservable(orders.onDisk$).toBe(onDisk);
      const aborted = new AbortController();
      const prices = topic('        ab-c', { signal: aborted.signal });
      const stopped$ = cold(stop).pipe(
        tap(() => {
          aborted.abort();
        }),
      );
      expectObservable(stopped$).toBe(stop);
      expectRecords(prices.records$.pipe(delay(3), commit())).toBe(result);
    }),
  );
});

describe('what goes wrong', () => {
  it(
    'a write that fails ends the stream',
    marbles(({ topic, cold, expectRecords, expectObservable }) => {
      const orders = topic('        ab', { writes: cold('---#', undefined, new StoreFailedError('the disk is gone')) });
      expectRecords(orders.records$.pipe(commit())).toBe('ab-#', {}, 'STORE_FAILED');
      expectObservable(orders.onDisk$).toBe('');
    }),
  );

  it(
    'a connection that breaks is an event, an authorization that is refused is the end',
    marbles(({ topic, hot, expectRecords, expectObservable }) => {
      const errors$ = hot('          -t---d', { t: -195, d: 29 });
      const orders = topic('        a--b', { errors: errors$ });
      expectRecords(orders.records$.pipe(commit())).toBe('a--b-#', {}, 'BROKER');
      expectObservable(kinds(orders.events$)).toBe('ae---(fr)');
    }),
  );

  it(
    'a pipeline that leaves records open stalls, and says so',
    marbles(({ topic, expectRecords }) => {
      const orders = topic('        abc', { maxInFlight: 2, stallAfterMs: 1_000 });
      const leaking$ = orders.records$.pipe(
        filter(({ offset }) => offset === 0),
        commit(),
      );
      expectRecords(leaking$).toBe('a 1251ms #', {}, 'STALLED');
    }),
  );

  it(
    'a record that is released is not remembered',
    marbles(({ topic, expectRecords, expectObservable }) => {
      const orders = topic('        ab', { maxInFlight: 1 });
      const life = '                ^--#^';
      expectRecords(orders.records$.pipe(release()), life).toBe('ab--(ab)');
      expectObservable(orders.onDisk$).toBe('');
    }),
  );

  it('a diagram that is not what happens fails the test', () => {
    const wrong = ({ topic, expectRecords }: TopicMarbles): void => {
      expectRecords(topic('a-b').records$.pipe(commit())).toBe('a--b');
    };
    expect(() => {
      topicMarbles(wrong);
    }).toThrow(AssertionError);
  });

  it.each<[string, (marbles: TopicMarbles) => void, RegExp]>([
    ['a record that would end the topic', ({ topic }) => topic('a|'), /"a\|" has \| or #/],
    ['an assignment of a record', ({ topic }) => topic('^-!'), /"\^-!" has \^ or !/],
    [
      'a letter among assignments',
      ({ topic }) => topic('a', { assigned: '^-a' }),
      /assigned: "\^-a" has a, and knows only \^ ! x and time/,
    ],
    [
      'a life that ends twice',
      ({ topic, expectRecords }) => expectRecords(topic('a').records$, '^--^'),
      /"\^--\^" has \^ where it is subscribed to/,
    ],
    ['an option that does not exist', ({ topic }) => topic('a', { assign: '^' } as object), /unknown option `assign`/],
    ['a size that is none', ({ topic }) => topic('a', { maxInFlight: 0.5 }), /`maxInFlight` must be a whole number/],
  ])('%s is an OptionError', (_, test, message) => {
    const running = (): void => {
      topicMarbles(test);
    };
    expect(running).toThrow(OptionError);
    expect(running).toThrow(message);
  });

  it(
    'a topic that is subscribed to twice',
    marbles(({ topic, expectRecords }) => {
      const orders = topic('a');
      expectRecords(orders.records$.pipe(commit())).toBe('a');
      expectRecords(orders.records$.pipe(commit())).toBe('#', {}, 'OPTION');
    }),
  );
});
