import type { Observable, ObservableInput, OperatorFunction } from 'rxjs';
import { EMPTY, NEVER, Subject, VirtualTimeScheduler, concat, count, delay, map, of, range, take, tap, throwError, timer } from 'rxjs';
import { afterEach, describe, expect, it, vi } from 'vitest';
import { OptionError } from '../../src/errors.js';
import type { Failure } from '../../src/failures.js';
import { commit } from '../../src/operators/commit.js';
import type { DeadLetter } from '../../src/operators/deadLetter.js';
import { deadLetter } from '../../src/operators/deadLetter.js';
import { processRecord } from '../../src/operators/processRecord.js';
import type { RetryRecordOptions } from '../../src/operators/retryRecord.js';
import { retryRecord } from '../../src/operators/retryRecord.js';
import type { Lane, Positioned, Retry } from '../../src/position.js';
import type { Attempt } from '../../src/processing.js';
import type { KafkaRecord } from '../../src/record.js';
import { later } from '../support/later.js';
import { emittedBy, recordAt, recordsOf, source } from '../support/source.js';
import { at, inVirtualTime } from '../support/virtualTime.js';

type Text = KafkaRecord<string>;
type Work = (record: Text, attempt: Attempt) => ObservableInput<string>;

const exactly: RetryRecordOptions<Text> = { jitter: 0 };

/** Records `a`, `b`, … with these keys. */
function withKeys(lane: Lane, keys: string): Record<string, Text> {
  return Object.fromEntries(
    Array.from(keys, (key, offset) => {
      const letter = 'abcdefgh'.charAt(offset);
      return [letter, { ...recordAt(lane, offset, letter), key: Buffer.from(key) }];
    }),
  );
}

/** Takes 1 ms and fails so many times, by letter; then it gives the capital. Every attempt is shown as it begins. */
function failing(times: Readonly<Record<string, number>>): { readonly work: Work; readonly attempts$: Observable<string> } {
  const attempts$ = new Subject<string>();
  return {
    work: ({ value }, { attempt }) => {
      attempts$.next(`${value}${attempt}`);
      return timer(1).pipe(
        map(() => {
          if (attempt <= (times[value] ?? 0)) throw new TypeError(`declined ${value}${attempt}`);
          return value.toUpperCase();
        }),
      );
    },
    attempts$: attempts$.asObservable(),
  };
}

/** The first attempt gives something before it fails; the others are promises. */
function halfAtFirst({ value }: Text, { attempt }: Attempt): ObservableInput<string> {
  if (attempt > 1) return later(1, { value: `${value}${attempt}` });
  return concat(
    of(`${value}1`),
    throwError(() => new Error('cut off')),
  );
}

/** Deals with failed records, and writes them down. */
function passedOnAfter(ms: number, failures: Failure<Text>[]): OperatorFunction<Failure<Text>, Positioned> {
  return (failures$) =>
    failures$.pipe(
      tap((failure) => failures.push(failure)),
      map(({ record }) => record),
      delay(ms),
    );
}

/** How diagrams show attempts. */
const shown = { 1: 'a1', 2: 'a2', 3: 'a3', 4: 'a4', 5: 'a5', b: 'b1', B: 'b2', c: 'c1', C: 'c2', d: 'd1' };

function values<T, K>(): OperatorFunction<KafkaRecord<T, K>, T> {
  return map(({ value }) => value);
}

function noted(offset: number, failed: number, due: number, name = ''): Retry {
  return { offset, name, failed, due };
}

afterEach(() => {
  vi.restoreAllMocks();
});

describe('retryRecord', () => {
  // @diagram
  it(
    'tries again what fails, later each time; only its key waits',
    inVirtualTime(({ hot, expectObservable, expectSubscriptions }) => {
      // a and b have the same key.
      const { work, attempts$ } = failing({ a: 2 });
      const values$ = hot('--a--b--c--------|', withKeys(source().lane(), '112'));
      const subs = '       ^----------------!';
      const attempts = '   --1----2c-------3b';
      const result = '     ---------C-------A(B|)';

      expectObservable(attempts$).toBe(attempts, shown);
      expectObservable(values$.pipe(retryRecord(work, { delayMs: 4, jitter: 0 }), values())).toBe(result);
      expectSubscriptions(values$.subscriptions).toBe(subs);
    }),
  );

  it(
    'lets what waits take no place of `concurrency`',
    inVirtualTime(({ hot, expectObservable }) => {
      const { work, attempts$ } = failing({ a: 1, b: 1 });
      const values$ = hot('(abc)-------|', recordsOf(source().lane()));
      const attempts = '   1bc--2B';
      const result = '     ---C--AB----|';

      expectObservable(attempts$).toBe(attempts, shown);
      expectObservable(values$.pipe(retryRecord(work, { ...exactly, concurrency: 1, delayMs: 4 }), values())).toBe(result);
    }),
  );

  it.each([
    ['partition', '----C-AB--|'],
    ['none', '     ---BC-A---|'],
  ] as const)('holds up those behind it where the order is %s', (order, result) => {
    inVirtualTime(({ hot, expectObservable }) => {
      const kafka = source();
      const records = { ...withKeys(kafka.lane(), '12'), c: recordAt(kafka.lane({ partition: 1 }), 0, 'c') };
      const values$ = hot('-abc------|', records);
      expectObservable(values$.pipe(retryRecord(failing({ a: 1 }).work, { ...exactly, order, delayMs: 3 }), values())).toBe(result);
    })();
  });

  it(
    'waits twice as long each time, and never longer than it may',
    inVirtualTime(({ hot, expectObservable }) => {
      const { work, attempts$ } = failing({ a: 4 });
      const values$ = hot('a-', recordsOf(source().lane()));
      const attempts = '   1--2----3--------4----------5';
      const result = '     -----------------------------A';

      expectObservable(attempts$).toBe(attempts, shown);
      expectObservable(values$.pipe(retryRecord(work, { ...exactly, delayMs: 2, maxDelayMs: 10 }), values())).toBe(result);
    }),
  );

  it(
    'waits as long as a function says, which knows the attempt and its error',
    inVirtualTime(({ hot, expectObservable, flush }) => {
      const { work, attempts$ } = failing({ a: 2 });
      const asked: unknown[] = [];
      const delayMs = (attempt: number, error: unknown): number => {
        asked.push(attempt, (error as Error).message);
        return attempt === 1 ? 70_000 : 3;
      };
      const values$ = hot('a-', recordsOf(source().lane()));
      const attempts = '   1 70000ms 2---3';
      const result = '     70006ms        A';

      expectObservable(attempts$).toBe(attempts, shown);
      expectObservable(values$.pipe(retryRecord(work, { ...exactly, delayMs }), values())).toBe(result);
      flush();
      expect(asked).toEqual([1, 'declined a1', 2, 'declined a2']);
    }),
  );

  it.each([
    [1, '     ------A'],
    [undefined, '--------A'],
  ])('leaves a part of each delay to chance: %s', (jitter, result) => {
    vi.spyOn(Math, 'random').mockReturnValue(0.5);
    inVirtualTime(({ hot, expectObservable }) => {
      const values$ = hot('a-', recordsOf(source().lane()));
      const options = { delayMs: 8, ...(jitter !== undefined && { jitter }) };
      expectObservable(values$.pipe(retryRecord(failing({ a: 1 }).work, options), values())).toBe(result);
    })();
  });

  it(
    'ends with the error of the last attempt; the record stays unfinished, and what is known of it',
    inVirtualTime(({ hot, expectObservable, expectSubscriptions, flush }) => {
      const kafka = source();
      const lane = kafka.lane();
      const values$ = hot('-a-----', recordsOf(lane));
      const subs = '       ^----!';
      const result = '     -----#';
      const { work } = failing({ a: 9 });

      const worked$ = values$.pipe(emittedBy(kafka), retryRecord(work, { ...exactly, attempts: 2, delayMs: 2 }), commit());
      expectObservable(worked$).toBe(result, {}, new TypeError('declined a2'));
      expectSubscriptions(values$.subscriptions).toBe(subs);
      flush();
      expect(lane.checkpoint()).toMatchObject({ frontier: 0, retries: [noted(0, 1, 4)] });
    }),
  );

  it(
    'does not try again what `retryIf` says is of no use',
    inVirtualTime(({ hot, expectObservable, flush }) => {
      const lane = source().lane();
      const values$ = hot('-a---', recordsOf(lane));
      const result = '     --#';
      const retryIf = (error: unknown): boolean => !(error instanceof TypeError);
      const { work } = failing({ a: 9 });

      expectObservable(values$.pipe(retryRecord(work, { retryIf }))).toBe(result, {}, new TypeError('declined a1'));
      flush();
      expect(lane.checkpoint().retries).toBeUndefined();
    }),
  );

  it(
    'hands what has failed for good to onError, and says how often it was tried; its key goes on meanwhile',
    inVirtualTime(({ hot, expectObservable, flush }) => {
      const kafka = source();
      const failures: Failure<Text>[] = [];
      const values$ = hot('-ab--------|', withKeys(kafka.lane(), '11'));
      const result = '     ------B----|';
      const onDisk = '     --n---w-2';

      const worked$ = values$.pipe(
        emittedBy(kafka),
        retryRecord(failing({ a: 9 }).work, { ...exactly, attempts: 2, delayMs: 2, onError: passedOnAfter(3, failures) }),
        commit(),
        values(),
      );
      expectObservable(worked$).toBe(result);
      expectObservable(kafka.onDisk$).toBe(onDisk, { n: '0', w: '0 [1,2)', 2: '2' });
      flush();
      expect(failures.map(({ record, error, attempts }) => [record.value, (error as Error).message, attempts])).toEqual([
        ['a', 'declined a2', 2],
      ]);
      expect(kafka.writes.map(([checkpoint]) => checkpoint?.retries)).toEqual([[noted(0, 1, 4)], [noted(0, 1, 4)], undefined]);
    }),
  );

  it(
    'tells a dead letter how many attempts were made',
    inVirtualTime(({ hot, expectObservable, flush }) => {
      const letters: DeadLetter[] = [];
      const read = { ...recordAt(source().lane(), 0, 'a'), headers: [['dead-letter.attempt', Buffer.from('4')]] as const };
      const values$ = hot('a|', { a: read });
      const result = '     ------|';

      expectObservable(
        values$.pipe(
          retryRecord(failing({ a: 9 }).work, {
            ...exactly,
            attempts: 3,
            delayMs: 1,
            onError: deadLetter(tap((letter) => letters.push(letter))),
          }),
        ),
      ).toBe(result);
      flush();
      expect(new Map(letters[0]?.headers).get('dead-letter.attempt')?.toString()).toBe('7');
    }),
  );

  it(
    'begins no attempt before it is on disk that the last one has failed',
    inVirtualTime(({ cold, hot, expectObservable, flush }) => {
      const kafka = source({ write: () => cold<never>('-----|') });
      const { work, attempts$ } = failing({ a: 1 });
      const values$ = hot('-a--|', recordsOf(kafka.lane()));
      const attempts = '   -1-----2';
      const onDisk = '     -------n-----1';
      const result = '     --------A----|';

      const worked$ = values$.pipe(emittedBy(kafka), retryRecord(work, { ...exactly, delayMs: 2 }), commit(), values());
      expectObservable(attempts$).toBe(attempts, shown);
      expectObservable(kafka.onDisk$).toBe(onDisk, { n: '0', 1: '1' });
      expectObservable(worked$).toBe(result);
      flush();
      expect(kafka.writes.map(([checkpoint]) => checkpoint?.retries)).toEqual([[noted(0, 1, 4)], undefined]);
    }),
  );

  it(
    'does not wait for writes that are seldom',
    inVirtualTime(({ hot, expectObservable }) => {
      const kafka = source();
      const { work, attempts$ } = failing({ b: 1 });
      const values$ = hot('-a-b----------|', recordsOf(kafka.lane()));
      const attempts = '   -1-b----B';
      const onDisk = '     --------1----------2';
      const result = '     --A------B---------|';

      const worked$ = values$.pipe(emittedBy(kafka), retryRecord(work, { ...exactly, delayMs: 4 }), commit({ everyMs: 10 }), values());
      expectObservable(attempts$).toBe(attempts, shown);
      expectObservable(kafka.onDisk$).toBe(onDisk);
      expectObservable(worked$).toBe(result);
    }),
  );

  it(
    'makes no attempt after a write has failed',
    inVirtualTime(({ cold, hot, expectObservable }) => {
      const kafka = source({ write: () => cold<never>('-----#') });
      const { work, attempts$ } = failing({ a: 1 });
      const values$ = hot('-a-', recordsOf(kafka.lane()));
      const attempts = '   -1';

      expectObservable(attempts$).toBe(attempts, shown);
      expectObservable(values$.pipe(emittedBy(kafka), retryRecord(work, { ...exactly, delayMs: 2 }))).toBe('-');
    }),
  );

  it(
    'goes on counting where an earlier assignment stopped, and waits for the rest of the delay',
    inVirtualTime(({ hot, expectObservable }) => {
      const retries = [noted(0, 2, 6), noted(1, 1, 0), noted(2, 1, 1e15), noted(3, 7, 1, 'another')];
      const { work, attempts$ } = failing({ a: 3 });
      const values$ = hot('-(abcd)-', withKeys(source().lane({ retries }), '1234'));
      const attempts = '   -(Bd)-3----C-----4';
      const result = '     --(BD)------C-----A';

      expectObservable(attempts$).toBe(attempts, shown);
      expectObservable(values$.pipe(retryRecord(work, { ...exactly, delayMs: 100, maxDelayMs: 10 }), values())).toBe(result);
    }),
  );

  it(
    'counts each `retryRecord` of a pipeline for itself',
    inVirtualTime(({ hot, expectObservable, flush }) => {
      const kafka = source();
      const lane = kafka.lane({ retries: [noted(0, 1, 0, 'check'), noted(0, 2, 0, 'charge')] });
      const [check, charge] = [failing({ a: 2 }), failing({ A: 3 })];
      const values$ = hot('a-', recordsOf(lane));
      const checks = '     2--3';
      const charges = '    ----y--z';
      const result = '     --------A';

      const worked$ = values$.pipe(
        emittedBy(kafka),
        retryRecord(check.work, { ...exactly, delayMs: 1, name: 'check' }),
        retryRecord(charge.work, { ...exactly, delayMs: () => 2, name: 'charge' }),
        commit(),
        values(),
      );
      expectObservable(check.attempts$).toBe(checks, shown);
      expectObservable(charge.attempts$).toBe(charges, { y: 'A3', z: 'A4' });
      expectObservable(worked$).toBe(result);
      flush();
      expect(kafka.writes.map(([checkpoint]) => checkpoint?.retries?.map(({ name, failed }) => [name, failed]))).toEqual([
        [
          ['charge', 2],
          ['check', 2],
        ],
        [
          ['check', 2],
          ['charge', 3],
        ],
        undefined,
      ]);
    }),
  );

  it(
    'finishes a record when what all of its attempts gave is finished',
    inVirtualTime(({ hot, expectObservable }) => {
      const kafka = source();
      const values$ = hot('-a-------|', recordsOf(kafka.lane()));
      const result = '     ------q--(p|)';
      const onDisk = '     -n-------1';

      const worked$ = values$.pipe(
        emittedBy(kafka),
        retryRecord(halfAtFirst, { ...exactly, delayMs: 4 }),
        processRecord((record: Text) => (record.value === 'a1' ? timer(8).pipe(map(() => record.value)) : of(record.value))),
        commit(),
        values(),
      );
      expectObservable(worked$).toBe(result, { p: 'a1', q: 'a2' });
      expectObservable(kafka.onDisk$).toBe(onDisk, { n: '0', 1: '1' });
    }),
  );

  it(
    'is never, empty, done and failed when its source is',
    inVirtualTime(({ hot, expectObservable, expectSubscriptions }) => {
      const { work } = failing({ a: 1 });
      const done$ = hot('   a|', recordsOf(source().lane()));
      const failing$ = hot('a-b-#', recordsOf(source().lane()), new Error('broker'));
      const options = { ...exactly, delayMs: 9 };
      expectObservable(NEVER.pipe(retryRecord(work))).toBe('-');
      expectObservable(EMPTY.pipe(retryRecord(work))).toBe('|');
      expectObservable(done$.pipe(retryRecord(work, options), values())).toBe('-----------(A|)');
      expectObservable(failing$.pipe(retryRecord(work, options), values())).toBe('---B#', undefined, new Error('broker'));
      expectObservable(hot('a|', recordsOf(source().lane())).pipe(retryRecord(() => NEVER))).toBe('-');
      expectSubscriptions(failing$.subscriptions).toBe('^---!');
    }),
  );

  it(
    'makes no attempt after it is unsubscribed, and keeps nothing then',
    inVirtualTime(({ hot, expectObservable, expectSubscriptions, flush }) => {
      const kafka = source();
      const lane = kafka.lane();
      const { work, attempts$ } = failing({ a: 9 });
      const values$ = hot('-a--', recordsOf(lane));
      const unsub = '      ----!';
      const attempts = '   -1';
      at(3, () => {
        expect(kafka.checkpointer.shut).toBe(true);
      });

      expectObservable(attempts$).toBe(attempts, shown);
      expectObservable(values$.pipe(emittedBy(kafka), retryRecord(work, { ...exactly, delayMs: 3 })), unsub).toBe('-');
      expectSubscriptions(values$.subscriptions).toBe('^---!');
      flush();
      expect([lane.records, kafka.checkpointer.shut]).toEqual([1, false]);
    }),
  );

  it('leaves no timer behind, on the scheduler that it is given', () => {
    const scheduler = new VirtualTimeScheduler();
    const waiting = of(recordAt(source().lane(), 0, 'a'))
      .pipe(retryRecord(() => throwError(() => new Error('as planned')), { scheduler }))
      .subscribe({ error: expect.unreachable });
    expect(scheduler.actions).toHaveLength(1);
    waiting.unsubscribe();
    expect(scheduler.actions).toHaveLength(0);
  });

  it(
    'starts afresh with every subscription',
    inVirtualTime(({ cold, expectObservable, expectSubscriptions }) => {
      const used = { twice: retryRecord(failing({ a: 1 }).work, { ...exactly, delayMs: 2 }) };
      const [one, another] = [source(), source()];
      const values$ = cold('-a|', recordsOf(one.lane()));
      const others$ = cold('-a|', recordsOf(another.lane()));
      expectObservable(values$.pipe(used.twice, values())).toBe('-----(A|)');
      expectObservable(others$.pipe(used.twice, values()), '--^').toBe('-------(A|)');
      expectSubscriptions(values$.subscriptions).toBe('^-!');
      expectSubscriptions(others$.subscriptions).toBe('--^-!');
    }),
  );

  it(
    'tries many again that fail at once, without a deep stack',
    inVirtualTime(({ expectObservable }) => {
      const kafka = source({ maxRecords: 200 });
      const lane = kafka.lane();
      const many$ = range(0, 200).pipe(
        map((offset) => recordAt(lane, offset, 'a')),
        emittedBy(kafka),
        retryRecord(
          (_record, { attempt }) => {
            if (attempt < 3) throw new Error('not yet');
            return [attempt];
          },
          { jitter: 0, delayMs: 0, order: 'partition' },
        ),
        commit(),
        count(),
      );
      expectObservable(many$).toBe('(n|)', { n: 200 });
    }),
  );

  it(
    'keeps the order of a key when its downstream brings the next record about',
    inVirtualTime(({ expectObservable }) => {
      const records = Object.values(withKeys(source().lane(), '111'));
      const source$ = new Subject<Text>();
      const { work, attempts$ } = failing({ a: 1, c: 1 });
      at(1, () => {
        source$.next(records.shift() as Text);
      });
      const bringing$ = source$.pipe(
        retryRecord(work, { ...exactly, delayMs: 2 }),
        values(),
        tap(() => {
          const next = records.shift();
          if (next !== undefined) source$.next(next);
        }),
      );
      expectObservable(attempts$).toBe('-1--2bc--C', shown);
      expectObservable(bringing$).toBe('-----AB---C');
    }),
  );

  it(
    'ends inside of an emission, and makes no attempt then',
    inVirtualTime(({ hot, expectObservable }) => {
      const { work, attempts$ } = failing({ a: 1 });
      expectObservable(attempts$).toBe('1b', shown);
      expectObservable(hot('ab-', recordsOf(source().lane())).pipe(retryRecord(work, { ...exactly, delayMs: 5 }), values(), take(1))).toBe(
        '--(B|)',
      );
    }),
  );

  it.each<[string, RetryRecordOptions<Text>, Error]>([
    [
      '`retryIf`',
      {
        retryIf: () => {
          throw new RangeError('as planned');
        },
      },
      new RangeError('as planned'),
    ],
    [
      '`delayMs`',
      {
        delayMs: () => {
          throw new RangeError('as planned');
        },
      },
      new RangeError('as planned'),
    ],
    ['a delay that is none', { delayMs: () => NaN }, new OptionError('retryRecord: what `delayMs` gives must be a number from 0 up.')],
  ])('errors with what %s throws', (_what, options, error) => {
    inVirtualTime(({ hot, expectObservable, expectSubscriptions }) => {
      const values$ = hot('-a--|', recordsOf(source().lane()));
      expectObservable(values$.pipe(retryRecord(failing({ a: 1 }).work, options))).toBe('--#', {}, error);
      expectSubscriptions(values$.subscriptions).toBe('^-!');
    })();
  });

  it('refuses what is no function, and options that it does not know', () => {
    const { work } = failing({});
    expect(() => retryRecord(undefined as never)).toThrow(OptionError);
    const wrong: [object, RegExp][] = [
      [{ attempts: 0 }, /`attempts`/],
      [{ attempts: 0.5 }, /`attempts`.*1 at least/],
      [{ delayMs: -1 }, /`delayMs`/],
      [{ delayMs: '1s' }, /`delayMs`/],
      [{ maxDelayMs: -1 }, /`maxDelayMs`/],
      [{ jitter: 1.5 }, /`jitter`.*from 0 to 1/],
      [{ name: 'x'.repeat(101) }, /`name`.*100/],
      [{ retryIf: true }, /`retryIf`/],
      [{ order: 'keys' }, /`order`/],
      [{ attempt: 3 }, /did you mean `attempts`/],
    ];
    for (const [options, complaint] of wrong) expect(() => retryRecord(work, options), JSON.stringify(options)).toThrow(complaint);
  });
});

describe('retryRecord, when a partition is given up', () => {
  it(
    'waits no longer: what waits is released, and nothing behind it overtakes it',
    inVirtualTime(({ hot, expectObservable, flush }) => {
      const kafka = source();
      const lane = kafka.lane();
      // a and b have the same key; c is under way, and d comes late.
      const { work, attempts$ } = failing({ a: 1 });
      const records = withKeys(lane, '1121');
      const values$ = hot('abc-d----|', records);
      const attempts = '   1-c------';
      const result = '     ---C-----|';
      at(3, () => {
        lane.stop();
        kafka.checkpointer.letGo();
      });

      const worked$ = values$.pipe(emittedBy(kafka), retryRecord(work, { ...exactly, delayMs: 90 }), commit(), values());
      expectObservable(attempts$).toBe(attempts, shown);
      expectObservable(worked$).toBe(result);
      flush();
      expect([lane.records, kafka.late]).toEqual([0, []]);
      expect(lane.checkpoint()).toMatchObject({ frontier: 0, runs: [2, 3], retries: [noted(0, 1, 91)] });
    }),
  );

  it(
    'does not begin to wait',
    inVirtualTime(({ hot, expectObservable, flush }) => {
      const kafka = source();
      const lane = kafka.lane();
      const values$ = hot('a|', recordsOf(lane));
      const result = '     -|';
      at(0, () => {
        lane.stop();
      });
      expectObservable(values$.pipe(emittedBy(kafka), retryRecord(failing({ a: 1 }).work, { ...exactly, delayMs: 90 }), commit())).toBe(
        result,
      );
      flush();
      expect([lane.records, lane.checkpoint().retries]).toEqual([0, [noted(0, 1, 91)]]);
    }),
  );

  it(
    'releases a record as a whole, also if it has given something',
    inVirtualTime(({ hot, expectObservable, flush }) => {
      const kafka = source();
      const lane = kafka.lane();
      at(3, () => {
        lane.stop();
        kafka.checkpointer.letGo();
      });
      const values$ = hot('-a---|', recordsOf(lane));
      const result = '     -h---|';
      expectObservable(values$.pipe(emittedBy(kafka), retryRecord(halfAtFirst, { ...exactly, delayMs: 90 }), commit(), values())).toBe(
        result,
        {
          h: 'a1',
        },
      );
      flush();
      expect([lane.records, lane.checkpoint().frontier]).toEqual([0, 0]);
    }),
  );

  it(
    'lets go what is lost, so that it does not hold up its key in the next assignment',
    inVirtualTime(({ hot, expectObservable, flush }) => {
      const kafka = source();
      const lost = kafka.lane();
      const { work, attempts$ } = failing({ a: 1 });
      const { a } = withKeys(lost, '1') as { a: Text };
      const { b } = withKeys(kafka.lane({ epoch: 2 }), '11') as { b: Text };
      const values$ = hot('a--b-|', { a, b });
      const attempts = '   1--b';
      const result = '     ----B|';
      at(2, () => {
        lost.fence();
        kafka.checkpointer.letGo();
      });
      expectObservable(attempts$).toBe(attempts, shown);
      expectObservable(values$.pipe(emittedBy(kafka), retryRecord(work, { ...exactly, delayMs: 90 }), values())).toBe(result);
      flush();
      expect(kafka.late).toEqual([]);
    }),
  );

  it(
    'keeps what waits in partitions that stay',
    inVirtualTime(({ hot, expectObservable }) => {
      const kafka = source();
      const [lane, other] = [kafka.lane(), kafka.lane({ partition: 1 })];
      const values$ = hot('(ab)----|', { a: recordAt(lane, 0, 'a'), b: recordAt(other, 0, 'b') });
      const result = '     -------A|';
      at(3, () => {
        other.stop();
        kafka.checkpointer.letGo();
      });
      const { work } = failing({ a: 1, b: 1 });
      expectObservable(values$.pipe(emittedBy(kafka), retryRecord(work, { ...exactly, delayMs: 5 }), values())).toBe(result);
    }),
  );
});
