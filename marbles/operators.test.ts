import type { Observable, OperatorFunction } from 'rxjs';
import { EMPTY, NEVER, Subject, defer, ignoreElements, map, of, range, retry, take, takeUntil, tap, timer } from 'rxjs';
import { afterEach, beforeEach, describe, expect, it, vi } from 'vitest';
import { commit } from '../src/operators/commit.js';
import type { Positioned } from '../src/position.js';
import { LANE } from '../src/position.js';
import type { KafkaRecord } from '../src/record.js';
import * as producers from '../src/sinks/producer.js';
import type { PartitionLane } from '../src/sources/lane.js';
import { AcknowledgingProducer, operators } from './support/operators.js';
import { emittedBy, recordAt, source } from './support/source.js';
import { inVirtualTime } from './support/virtualTime.js';

const A = 'a'.charCodeAt(0);
const MANY = 20;

/** A topic whose records are letters, and what a subscription to it got. */
class Topic {
  readonly kafka = source({ write: () => timer(2).pipe(ignoreElements()) });
  /** One for each subscription. */
  readonly lanes: PartitionLane[] = [];
  /** How many records were emitted. */
  emitted = 0;

  /** `a` is at offset 0. */
  records(letters$: Observable<string>): Observable<KafkaRecord<Buffer>> {
    return defer(() => {
      const lane = this.kafka.lane({ epoch: this.lanes.length + 1 });
      this.lanes.push(lane);
      return letters$.pipe(
        tap(() => (this.emitted += 1)),
        map((letter) => recordAt(lane, letter.charCodeAt(0) - A, Buffer.from(letter))),
        emittedBy(this.kafka),
      );
    });
  }

  /** More of them than anybody asks for, all in the very call of `subscribe`. */
  flood(): Observable<KafkaRecord<Buffer>> {
    return this.records(range(0, MANY).pipe(map((offset) => String.fromCharCode(A + offset))));
  }

  /** How many records of the last subscription are neither finished nor released. */
  get open(): number {
    return this.lanes.at(-1)?.records ?? 0;
  }
}

/** The letters again, of records and of arrays of them, by where they say that they are from. */
function letters(): OperatorFunction<Positioned | readonly Positioned[], string> {
  const letterOf = ({ offset }: Positioned): string => String.fromCharCode(A + offset);
  return map((value) => (Array.isArray(value) ? (value as Positioned[]).map(letterOf).join('') : letterOf(value as Positioned)));
}

/** The diagram with its letters so much later. */
function late(diagram: string, ms: number): string {
  const line = diagram.trim();
  return Array.from(line, (now, column) => {
    const then = line[column - ms] ?? '-';
    if (now === '|' || now === '#') return now;
    return then === '|' || then === '#' ? '-' : then;
  }).join('');
}

/** What is heard of an Observable, one sign for each thing; `on` may bring more about, in the very call. */
function heard(values$: Observable<string>, on: (letter: string) => void = () => undefined): string[] {
  const signs: string[] = [];
  values$.subscribe({
    next: (letter) => {
      signs.push(letter);
      on(letter);
    },
    error: () => signs.push('#'),
    complete: () => signs.push('|'),
  });
  return signs;
}

beforeEach(() => {
  vi.spyOn(producers, 'ProducerClient').mockImplementation(function acknowledging() {
    return new AcknowledgingProducer() as never;
  });
});
afterEach(() => {
  vi.restoreAllMocks();
});

describe.each(operators)('$name', ({ passing, ms = 0, takesNoFunction = false, arrives = (thrown) => thrown, finishes = false }) => {
  const plain = () => passing((value) => value);

  it(
    'never: is silent, and subscribes to nothing before it is subscribed to',
    inVirtualTime(({ cold, expectObservable, expectSubscriptions }) => {
      const values$ = cold('-a-|');
      expectObservable(NEVER.pipe(plain())).toBe('-');
      void new Topic().records(values$).pipe(plain());
      expectSubscriptions(values$.subscriptions).toBe([]);
    }),
  );

  it(
    'empty: completes',
    inVirtualTime(({ cold, expectObservable }) => {
      expectObservable(EMPTY.pipe(plain())).toBe('|');
      expectObservable(new Topic().records(cold('--|')).pipe(plain())).toBe('--|');
    }),
  );

  it(
    'one: passes it on, and completes with its source; what is under way by then goes first',
    inVirtualTime(({ cold, expectObservable, flush }) => {
      expectObservable(new Topic().records(cold('-a---|')).pipe(plain(), letters())).toBe(late('-a---|', ms));
      const signs = heard(new Topic().records(of('a')).pipe(plain(), letters()));
      flush();
      expect(signs).toEqual(['a', '|']);
    }),
  );

  it(
    'many: passes each on in its order and with its position, so that a commit below finishes them all',
    inVirtualTime(({ hot, expectObservable, expectSubscriptions, flush }) => {
      const topic = new Topic();
      const values$ = hot('-a---b---c---|');
      const subs = '       ^------------!';
      const lanes: unknown[] = [];

      const passed$ = topic.records(values$).pipe(
        plain(),
        tap((value) => lanes.push(...[value].flat().map(({ [LANE]: lane }) => lane.whole))),
      );
      expectObservable(passed$.pipe(commit(), letters())).toBe(late('-a---b---c---|', ms));
      expectSubscriptions(values$.subscriptions).toBe(subs);
      flush();
      const [lane] = topic.lanes;
      expect(lanes).toEqual([lane, lane, lane]);
      expect([topic.open, topic.kafka.demand.records]).toEqual([0, 0]);
    }),
  );

  it(
    'error: passes it on at once, and nothing after it; what it stopped stays open',
    inVirtualTime(({ cold, expectObservable, expectSubscriptions, flush }) => {
      const error = new Error('broker');
      const [calm, hasty] = [new Topic(), new Topic()];
      const calm$ = cold('-a---#', undefined, error);
      const hasty$ = cold('-a#', undefined, error);

      expectObservable(calm.records(calm$).pipe(plain(), letters())).toBe(late('-a---#', ms), undefined, error);
      expectObservable(hasty.records(hasty$).pipe(plain(), letters())).toBe(ms === 0 ? '-a#' : '--#', undefined, error);
      expectSubscriptions(calm$.subscriptions).toBe('^----!');
      expectSubscriptions(hasty$.subscriptions).toBe('^-!');
      flush();
      expect([calm.open, hasty.open]).toEqual(finishes ? [0, 0] : [1, 1]);
    }),
  );

  it(
    'never-ending: keeps its source',
    inVirtualTime(({ cold, expectObservable, expectSubscriptions }) => {
      const values$ = cold('-a---b---');
      expectObservable(new Topic().records(values$).pipe(plain(), letters())).toBe(late('-a---b---', ms));
      expectSubscriptions(values$.subscriptions).toBe('^--------');
    }),
  );

  it(
    'early unsubscribe: leaves its source, passes nothing on any more, and finishes nothing that it did not pass on',
    inVirtualTime(({ cold, expectObservable, expectSubscriptions, flush }) => {
      const topic = new Topic();
      const values$ = cold('-a---b-c-d-');
      const unsub = '       ------!';
      const result = ms === 0 ? '-a---b' : '---a';
      expectObservable(topic.records(values$).pipe(plain(), letters()), unsub).toBe(result);
      expectSubscriptions(values$.subscriptions).toBe('^-----!');
      flush();
      expect([topic.emitted, topic.open]).toEqual([2, finishes ? 0 : 2]);
      // It is asked for nothing any more.
      topic.kafka.checkpointer.letGo();
      expect(topic.kafka.checkpointer.shut).toBe(false);
    }),
  );

  if (ms === 0)
    it('early unsubscribe: stops a source that emits while it is being subscribed to', () => {
      const topic = new Topic();
      expect(heard(topic.flood().pipe(plain(), letters(), take(2)))).toEqual(['a', 'b', '|']);
      expect(topic.emitted).toBe(2);
    });

  it.each([
    ['the next record', 'abcd|'],
    ['the end', 'a|'],
    ['an error', 'a#'],
  ] as const)('re-entrancy: its downstream may bring about %s', (what, expected) => {
    inVirtualTime(({ flush }) => {
      const letters$ = new Subject<string>();
      const signs = heard(new Topic().records(letters$).pipe(plain(), letters()), (letter) => {
        if (what === 'the end' || letter === 'd') letters$.complete();
        else if (what === 'an error') letters$.error(new Error('broker'));
        else letters$.next(String.fromCharCode(letter.charCodeAt(0) + 1));
      });
      letters$.next('a');
      flush();
      expect(signs.join('')).toBe(expected);
    })();
  });

  it(
    're-entrancy: its downstream may leave, and gets nothing after that',
    inVirtualTime(({ flush }) => {
      const letters$ = new Subject<string>();
      const left$ = new Subject<void>();
      const signs = heard(new Topic().records(letters$).pipe(plain(), letters(), takeUntil(left$)), () => {
        left$.next();
        letters$.next('b');
      });
      letters$.next('a');
      flush();
      expect(signs).toEqual(['a', '|']);
      expect(letters$.observed).toBe(false);
    }),
  );

  if (!takesNoFunction)
    it(
      'callback throws: errors with that, leaves its source, and the record stays open',
      inVirtualTime(({ cold, expectObservable, expectSubscriptions, flush }) => {
        const topic = new Topic();
        const error = new TypeError('no such field');
        const values$ = cold('-a---b---c---|');
        const subs = '        ^----!';

        expectObservable(topic.records(values$).pipe(passing(unless('b', error)), letters())).toBe(
          late('-a---#', ms),
          undefined,
          arrives(error),
        );
        expectSubscriptions(values$.subscriptions).toBe(subs);
        flush();
        expect(topic.open).toBe(finishes ? 1 : 2);
        expect(topic.lanes[0]?.checkpoint().frontier).toBe(finishes ? 1 : 0);
      }),
    );

  if (!takesNoFunction)
    it('callback throws: passes on and finishes nothing that comes while it fails', () => {
      const letters$ = new Subject<string>();
      const topic = new Topic();
      let failures = 0;
      topic
        .records(letters$)
        .pipe(passing(unless('b', new TypeError('no such field'))))
        .subscribe({
          error: () => {
            failures += 1;
            letters$.next('c');
          },
        });
      for (const letter of 'ab') letters$.next(letter);
      expect(failures).toBe(1);
      expect(topic.lanes[0]?.checkpoint()).toMatchObject({ frontier: finishes ? 1 : 0, runs: [] });
    });

  if (!takesNoFunction)
    it('callback throws: stops a source that emits while it is being subscribed to, and is called no more', () => {
      const topic = new Topic();
      const called: string[] = [];
      const watched = {
        by: passing((value) => {
          called.push(String(value));
          return unless('b', new TypeError('no such field'))(value);
        }),
      };
      expect(heard(topic.flood().pipe(watched.by, letters())).at(-1)).toBe('#');
      expect([called, topic.emitted]).toEqual([['a', 'b'], 2]);
    });

  it(
    'resubscription: the same operator serves two streams at once',
    inVirtualTime(({ cold, expectObservable }) => {
      const used = { twice: plain() };
      const values$ = cold('-a---b---|');
      const first = late('  -a---b---|', ms);
      const second = late(' ---a---b---|', ms);
      expectObservable(new Topic().records(values$).pipe(used.twice, letters())).toBe(first);
      expectObservable(new Topic().records(values$).pipe(used.twice, letters()), '--^').toBe(second);
    }),
  );

  it(
    'resubscription: begins afresh when it was left, and when its source has failed',
    inVirtualTime(({ cold, expectObservable, flush }) => {
      const used = { twice: plain() };
      const left = new Topic();
      const left$ = left.records(cold('-a---|')).pipe(used.twice, letters());
      expectObservable(left$, '--!').toBe(ms === 0 ? '-a' : '-');
      expectObservable(left$, '----^').toBe(late('-----a---|', ms));

      const failing = new Topic();
      const lives = [cold('-a-#'), cold('-b---|')];
      const failing$ = failing.records(defer(() => lives.shift() ?? EMPTY));
      expectObservable(failing$.pipe(used.twice, letters(), retry(1))).toBe(ms === 0 ? '-a--b---|' : '------b-|');
      flush();
      expect([left.lanes.length, failing.lanes.length]).toEqual([2, 2]);
    }),
  );
});

function unless(letter: string, error: Error) {
  return (value: Buffer): Buffer => {
    if (String(value) === letter) throw error;
    return value;
  };
}
