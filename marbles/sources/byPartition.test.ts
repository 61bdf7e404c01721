import type { Observable, OperatorFunction } from 'rxjs';
import {
  EMPTY,
  NEVER,
  asyncScheduler,
  bufferCount,
  catchError,
  concat,
  concatMap,
  delay,
  endWith,
  ignoreElements,
  map,
  merge,
  mergeMap,
  of,
  pipe,
  share,
  take,
  takeUntil,
  tap,
  timer,
  timestamp,
} from 'rxjs';
import { describe, expect, it } from 'vitest';
import { AlreadySubscribedError, KafkaRxError } from '../../src/errors.js';
import type { KafkaEvent } from '../../src/events.js';
import { batch } from '../../src/operators/batch.js';
import { commit } from '../../src/operators/commit.js';
import { release } from '../../src/operators/release.js';
import type { KafkaRecord } from '../../src/record.js';
import type { TopicMarbles } from '../../src/testing/index.js';
import { topicMarbles } from '../../src/testing/index.js';
import { TopicLog } from '../../src/testing/topicLog.js';
import type { Partition } from '../support/partitions.js';
import { partitionsOf } from '../support/partitions.js';
import { mostAtOnce, slowWork } from '../support/slowWork.js';
import { at, collect, inVirtualTime } from '../support/virtualTime.js';

/** A test in virtual time. */
function inMarbles(test: (marbles: TopicMarbles) => void): () => void {
  return () => {
    topicMarbles(test, {
      assertDeepEqual: (actual, expected) => {
        expect(actual).toEqual(expected);
      },
    });
  };
}

/** Each partition goes through its own pipeline, and its end is a dot. */
const each = <T>(...pipelines: readonly OperatorFunction<KafkaRecord, T>[]): OperatorFunction<Partition, T | string> =>
  mergeMap((records$) => records$.pipe(pipelines[records$.key.partition] ?? ignoreElements(), endWith('.')));

/** Work that never ends. */
const stuck = (): OperatorFunction<KafkaRecord, KafkaRecord> => mergeMap(() => NEVER);
/** Nothing of the partition is shown. */
const quietly = (): OperatorFunction<KafkaRecord, never> => pipe(release(), ignoreElements());

function revoked(events$: Observable<KafkaEvent>): Observable<string> {
  return events$.pipe(mergeMap((event) => (event.type === 'revoked' ? of(String(event.unfinished)) : [])));
}

describe('fromTopicByPartition', () => {
  it(
    'gives each partition that is assigned an Observable, and a new one when it comes back',
    inMarbles(({ topic, expectRecords }) => {
      const orders = topic(['ab-c---d--', 'x--y------'], { assigned: ['^---!--^', '^-------'] });
      const partitions = '(01)---0';
      expectRecords(orders.partitions$.pipe(map(({ key }) => `${key.partition}`))).toBe(partitions);
    }),
  );

  it(
    'has each partition complete when it is taken away, and go on where it was when it comes back',
    inMarbles(({ topic, expectRecords, expectObservable }) => {
      const records = [' ab-c---d--', 'x--y------'];
      const assigned = ['^---!--^---', '^---------'];
      const first = '    ab-c.--d';

      const orders = topic(records, { assigned });
      expectRecords(orders.partitions$.pipe(each(commit(), quietly()))).toBe(first);
      expectObservable(orders.onDisk$).toBe(first.replace('.', '-'));
    }),
  );

  it(
    'lets what is in flight flow out and commits it before a partition is given up',
    inMarbles(({ topic, expectRecords, expectObservable }) => {
      const records = ' ab-----c';
      const assigned = '^-!-----^';
      const result = '  ---a(b.)---c';
      const given = '   ----0';

      const orders = topic(records, { assigned });
      expectRecords(orders.partitions$.pipe(each(pipe(delay(3), commit())))).toBe(result);
      expectObservable(revoked(orders.events$)).toBe(given);
    }),
  );

  it(
    'has operators that collect give what they have when their partition is taken away: it is committed, and does not come again',
    inMarbles(({ topic, expectRecords, expectObservable }) => {
      const records = '  abc----d';
      const assigned = ' ^---!--^';
      const result = '   ----(x.)';
      const given = '    ----0';

      const orders = topic(records, { assigned });
      expectRecords(orders.partitions$.pipe(each(pipe(bufferCount(10), commit())))).toBe(result, { x: 'abc' });
      expectObservable(revoked(orders.events$)).toBe(given);
    }),
  );

  it(
    'drains each of several partitions that are taken away together, also when the commit() of one has gone before that of another has come',
    inMarbles(({ topic, expectRecords, expectObservable }) => {
      const assigned = '^-!';
      const result = '  ---(a.)-(x.)';
      const given = '   --------0';

      const orders = topic(['a', 'x'], { assigned });
      expectRecords(orders.partitions$.pipe(each(pipe(delay(3), commit()), pipe(delay(8), commit())))).toBe(result);
      expectObservable(revoked(orders.events$)).toBe(given);
    }),
  );

  it(
    'commits as well below all partitions',
    inMarbles(({ topic, expectRecords, expectObservable }) => {
      const records = [' ab---c', '-x-----y'];
      const assigned = ['^-!--^-', '^-------'];
      const result = '  --a(bx)c-y';
      const given = '   ---0';

      const orders = topic(records, { assigned });
      expectRecords(
        orders.partitions$.pipe(
          mergeMap((records$) => records$.pipe(delay(2))),
          commit(),
        ),
      ).toBe(result);
      expectObservable(revoked(orders.events$)).toBe(given);
    }),
  );

  it(
    'errors its partitions, and then itself, when the stream errors',
    inMarbles(({ topic, hot, expectRecords }) => {
      const errors$ = hot('---e', { e: -1 });
      const result = '    a--(01o|)';

      const orders = topic(['a', ''], { errors: errors$ });
      const pipeline = (n: number): OperatorFunction<KafkaRecord, unknown> =>
        pipe(
          commit(),
          catchError(() => of(`${n}`)),
        );
      expectRecords(
        orders.partitions$.pipe(
          mergeMap((records$) => records$.pipe(pipeline(records$.key.partition))),
          catchError((error: unknown) => of(error instanceof KafkaRxError ? 'o' : '?')),
        ),
      ).toBe(result);
    }),
  );

  it(
    'ends gracefully with takeUntil above: its partitions complete, and what is in flight is committed',
    inMarbles(({ topic, cold, expectRecords, expectObservable }) => {
      const stop$ = cold('--s');
      const result = '    ---a(b.x.|)';
      const onDisk = '    ---a(bx)';

      const orders = topic(['ab-d', '-x-y']);
      expectRecords(orders.partitions$.pipe(takeUntil(stop$), each(pipe(delay(3), commit()), pipe(delay(3), commit())))).toBe(result);
      expectObservable(orders.onDisk$).toBe(onDisk);
    }),
  );

  it(
    'stops at once when it is unsubscribed from: no operator gets to hear of an end',
    inMarbles(({ topic, expectRecords, flush }) => {
      const heard: unknown[] = [];
      const orders = topic('ab');
      const all$ = orders.partitions$.pipe(
        mergeMap((records$) =>
          records$.pipe(
            bufferCount(10),
            tap((all) => heard.push(all)),
            commit(),
          ),
        ),
      );
      expectRecords(all$, '^--!').toBe('');
      flush();
      expect(heard).toEqual([]);
    }),
  );

  it(
    'goes on with the others when one is stuck, which has its share of the credits and no more',
    inMarbles(({ topic, expectRecords, expectObservable }) => {
      const records = ['abcdefgh', 'stuvwxyz'];
      const result = '  stuvwxyz';
      const open = '    123-----';

      const orders = topic(records, { maxInFlight: 6, stallAfterMs: Infinity });
      expectRecords(orders.partitions$.pipe(each(stuck(), commit()))).toBe(result);
      expectObservable(orders.open$).toBe(open);
    }),
  );

  it(
    'gives a partition that is out of its share its credits back as they are finished, whatever the disk does and whatever others have left',
    inMarbles(({ topic, cold, expectRecords }) => {
      const writes$ = cold('50ms |');
      const result = '    -----a-----b-----c';

      const orders = topic(['abc', ''], { maxInFlight: 2, writes: writes$ });
      expectRecords(orders.partitions$.pipe(each(pipe(delay(5), commit()), commit()))).toBe(result);
    }),
  );

  it(
    'shares anew when partitions come and go',
    inMarbles(({ topic, expectRecords, expectObservable }) => {
      const records = [' abcdefgh', '---------'];
      const assigned = ['^--------', '^----!---'];
      const open = '    12---4';

      const orders = topic(records, { assigned, maxInFlight: 4, stallAfterMs: Infinity });
      expectRecords(orders.partitions$.pipe(each(stuck(), stuck()))).toBe('-----.');
      expectObservable(orders.open$).toBe(open);
    }),
  );

  it(
    'reads nothing of a partition before it is subscribed to, and then all',
    inMarbles(({ topic, cold, expectRecords, expectObservable }) => {
      const records = ['ab-c----', '---x----'];
      const late$ = cold<never>('-----|');
      const result = '  ---x--(abc)';

      const orders = topic(records);
      const whole$ = orders.partitions$.pipe(
        mergeMap((records$) => concat(records$.key.partition === 0 ? late$ : EMPTY, records$.pipe(commit()))),
      );
      expectRecords(whole$).toBe(result);
      expectObservable(orders.onDisk$).toBe(result);
    }),
  );

  it(
    'reads no more of a partition that is unsubscribed from: what it has got is finished, the rest comes again with the next assignment',
    inMarbles(({ topic, expectRecords, expectObservable }) => {
      const records = [' abcd----', '--x-----y'];
      const assigned = ['^----!-^-', '^--------'];
      const result = '  --xa(b.)y-(cd.)';
      const onDisk = '  --xab---y-(cd)';

      const orders = topic(records, { assigned });
      expectRecords(orders.partitions$.pipe(each(pipe(take(2), delay(3), commit()), commit()))).toBe(result);
      expectObservable(orders.onDisk$).toBe(onDisk);
    }),
  );

  it(
    'gives up a partition that nobody takes',
    inMarbles(({ topic, expectObservable, expectRecords }) => {
      const orders = topic('ab', { assigned: '^-!' });
      expectRecords(orders.partitions$.pipe(ignoreElements())).toBe('');
      expectObservable(revoked(orders.events$)).toBe('--0');
    }),
  );

  it(
    'has one subscriber for each partition; to share it is up to the user',
    inMarbles(({ topic, expectRecords }) => {
      function codes(records$: Observable<KafkaRecord>): Observable<unknown> {
        return records$.pipe(
          commit(),
          catchError((error: unknown) => of(error instanceof AlreadySubscribedError ? error.partition.partition : error)),
        );
      }
      const twice = topic('a');
      expectRecords(twice.partitions$.pipe(mergeMap((records$) => merge(codes(records$), codes(records$))))).toBe('(0a)', { 0: 0 });
      const again = topic('b', { assigned: '^-!' });
      expectRecords(
        again.partitions$.pipe(
          mergeMap((records$) =>
            merge(
              records$.pipe(take(1), commit()),
              timer(1).pipe(mergeMap(() => codes(records$))),
              timer(9).pipe(mergeMap(() => codes(records$))),
            ),
          ),
        ),
      ).toBe('b0-------0', { 0: 0 });
      const shared = topic('c');
      expectRecords(
        shared.partitions$.pipe(
          mergeMap((records$) => {
            const shared$ = records$.pipe(share());
            return merge(codes(shared$), codes(shared$));
          }),
        ),
      ).toBe('(cc)');
    }),
  );

  it(
    'completes an Observable that is subscribed to after its partition was taken away',
    inMarbles(({ topic, expectRecords }) => {
      const orders = topic('ab', { assigned: '^-!' });
      expectRecords(orders.partitions$.pipe(mergeMap((records$) => timer(5).pipe(concatMap(() => records$.pipe(endWith('.'))))))).toBe(
        '-----.',
      );
    }),
  );

  it(
    'has batch() give what it has when its partition is out of credit, though the source is not',
    inMarbles(({ topic, expectRecords }) => {
      const orders = topic(['abcd', '----'], { maxInFlight: 4 });
      expectRecords(orders.partitions$.pipe(each(pipe(batch({ maxRecords: 100, maxMs: Infinity }), commit())))).toBe('-x-y', {
        x: 'ab',
        y: 'cd',
      });
    }),
  );

  it(
    'says that a partition stands still, also while others go on',
    inMarbles(({ topic, expectRecords }) => {
      const records = ['abc', 'x 60ms y 60ms z'];
      const result = '  x 60ms y 60ms z 77ms #';

      const orders = topic(records, { maxInFlight: 2, stallAfterMs: 100 });
      expectRecords(orders.partitions$.pipe(each(stuck(), commit()))).toBe(result, {}, 'STALLED');
    }),
  );
});

describe('what is fetched by partition', () => {
  const EACH = 2_000;

  it('is bounded for one that is stuck, and nothing for one that nobody takes, or takes any more', () => {
    inVirtualTime(({ flush }) => {
      const fast: number[] = [];
      // A record weighs 10 bytes: a partition has 10 of them out, and of all partitions 50 are held.
      const { partitions$, member } = partitionsOf(new TopicLog('orders', [EACH, EACH, EACH, EACH]), {
        maxInFlight: 40,
        fetchBufferBytes: 1_000,
      });
      const subscription = partitions$
        .pipe(
          mergeMap((records$): Observable<unknown> => {
            if (records$.key.partition === 0) return records$.pipe(stuck());
            if (records$.key.partition === 1)
              return records$.pipe(
                tap(({ offset }) => fast.push(offset)),
                commit(),
              );
            return records$.key.partition === 2 ? NEVER : records$.pipe(take(5), commit());
          }),
        )
        .subscribe({ error: fail });
      at(60_000, () => {
        const read = [0, 1, 2, 3].map((partition) => member().position(partition));
        expect(fast).toHaveLength(EACH);
        // Its share, its part of what may be held, and the last two reads.
        expect(read[0]).toBeGreaterThan(10);
        expect(read[0]).toBeLessThan(100);
        expect(read[2]).toBe(0);
        expect(read[3]).toBeLessThan(100);
        expect([...member().paused].sort()).toEqual([0, 2, 3]);
        subscription.unsubscribe();
      });
      flush();
    })();
  });

  it.each([
    { partitions: 2, largest: 1_250 },
    { partitions: 5, largest: 1_000 },
  ])(
    'grows to no more at a time than a quarter of what one of $partitions partitions may have out: it may all be of that one',
    ({ partitions, largest }) => {
      inVirtualTime(({ flush }) => {
        const log = new TopicLog(
          'orders',
          Array.from({ length: partitions }, () => 10_000),
        );
        const { partitions$, member } = partitionsOf(log, { maxInFlight: 10_000 }, { mostRecords: 4_000 });
        const subscription = partitions$.pipe(mergeMap((records$) => records$.pipe(commit()))).subscribe({ error: fail });
        at(1_000, () => {
          expect(member().position(1)).toBe(10_000);
          expect(Math.max(...member().reads)).toBe(largest);
          subscription.unsubscribe();
        });
        flush();
      })();
    },
  );

  it('does not grow for a partition whose records wait for credit', () => {
    inVirtualTime(({ flush }) => {
      const { partitions$, member } = partitionsOf(
        new TopicLog('orders', [20_000, 20_000]),
        { maxInFlight: 10_000 },
        { mostRecords: 4_000 },
      );
      const subscription = partitions$.pipe(mergeMap((records$) => records$.pipe(stuck()))).subscribe({ error: fail });
      at(1_000, () => {
        expect(member().position(0)).toBeGreaterThan(5_000);
        expect(Math.max(...member().reads)).toBe(1_000);
        subscription.unsubscribe();
      });
      flush();
    })();
  });

  it('leaves the event loop to others while its records take long, and keeps the order of each partition', () => {
    inVirtualTime(({ flush }) => {
      const { scheduler, work } = slowWork(() => 1);
      const { partitions$ } = partitionsOf(new TopicLog('orders', [300, 300]), { maxInFlight: 2_000 }, { scheduler });
      const emitted = collect(
        partitions$.pipe(
          mergeMap((records$) => records$.pipe(work, commit())),
          timestamp(asyncScheduler),
        ),
        1_000,
      );
      flush();
      for (const partition of [0, 1]) {
        const offsets = emitted.filter(({ value }) => value.partition === partition).map(({ value }) => value.offset);
        expect(offsets).toEqual(Array.from({ length: 300 }, (_, offset) => offset));
      }
      expect(mostAtOnce(emitted)).toBe(16);
    })();
  });

  it(
    'has a record that needs more room than the others leave go out in its turn: nobody overtakes it',
    inMarbles(({ topic, expectRecords }) => {
      const records = ['abcdef', '--uvwxyz', '-----G'];
      const result = ' ----a-u-b---G---(cv)(dw)(ex)(fy)z';

      const small = Object.fromEntries(Array.from('abcdefuvwxyz', (letter) => [letter, '1234']));
      const orders = topic(records, { values: { ...small, G: '123456789' }, maxInFlightBytes: 12 });
      expectRecords(
        orders.partitions$.pipe(
          mergeMap((records$) => records$.pipe(delay(4))),
          commit(),
        ),
      ).toBe(result);
    }),
  );
});

function fail(error: unknown): never {
  throw error;
}
