import { readFileSync } from 'node:fs';
import type { Observable } from 'rxjs';
import {
  bufferCount,
  concatMap,
  delay,
  filter,
  groupBy,
  isObservable,
  map,
  merge,
  mergeMap,
  of,
  share,
  takeUntil,
  tap,
  timeout,
  zip,
} from 'rxjs';
import { describe, expect, it } from 'vitest';
import { commit } from '../src/operators/commit.js';
import type { Positioned } from '../src/position.js';
import { LANE } from '../src/position.js';
import type { KafkaRecord } from '../src/record.js';
import type { MarbleTopic } from '../src/testing/marbleTopic.js';
import type { TopicMarbles } from '../src/testing/topicMarbles.js';
import { topicMarbles } from '../src/testing/topicMarbles.js';
import type { StockOperator, Trial } from './support/stockOperators.js';
import { stockOperators } from './support/stockOperators.js';

const ORDERS = 'a-b-c-d-e-f';
const PRICES = '-x---y';
const VALUES = { a: '1', b: '2', c: '2', d: '3', e: '3', f: '1', x: '1', y: '2' };
const LIFE = '^ 200ms !';

/** What a stream did with the records of its sources. */
interface Outcome {
  /** What it emitted. */
  readonly values: readonly unknown[];
  /** Whether it has ended by itself. */
  readonly ended: boolean;
  /** The letters of the records that its sources emitted, and of those that are not on disk in the end. */
  readonly emitted: string;
  readonly unfinished: string;
}

/** Runs a stream in virtual time. */
function outcomeOf(stream: (trial: Trial) => Observable<unknown>): Outcome {
  const values: unknown[] = [];
  const emitted = new Set<string>();
  const onDisk = new Set<string>();
  let ended = false;
  const end = (): void => {
    ended = true;
  };
  topicMarbles(
    (marbles) => {
      function source(records: string, name: string): Observable<KafkaRecord<number>> {
        const { records$, onDisk$ } = marbles.topic(records, { values: VALUES, name, drainTimeoutMs: 5 });
        const letters = records.replaceAll('-', '');
        // An expectation that expects nothing is subscribed to all the same.
        marbles.expectObservable(onDisk$.pipe(tap((letter) => onDisk.add(letter))));
        return records$.pipe(
          tap(({ offset }) => emitted.add(letters.charAt(offset))),
          map((record) => ({ ...record, value: Number(record.value) })),
        );
      }
      const stream$ = stream(trial(marbles, source(ORDERS, 'orders'), source(PRICES, 'prices')));
      marbles.expectRecords(stream$.pipe(tap({ next: (value) => values.push(value), error: end, complete: end })), LIFE);
    },
    { assertDeepEqual: () => undefined },
  );
  return { values, ended, emitted: [...emitted].join(''), unfinished: [...emitted].filter((letter) => !onDisk.has(letter)).join('') };
}

function trial({ cold }: TopicMarbles, records$: Observable<KafkaRecord<number>>, others$: Observable<KafkaRecord<number>>): Trial {
  let failures = 0;
  return {
    records$,
    others$,
    rates$: cold('---1---2---3---4---5---6').pipe(map((rate) => Number(rate))),
    stop$: cold('-------x'),
    work: (record) => of(record).pipe(delay(record.offset === 0 ? 5 : 1)),
    mayFail: (record) => {
      if (record.offset === 1 && failures++ === 0) throw new Error('as planned');
      return record;
    },
  };
}

/** What the table says of an operator, as it turns out to be. */
function found({ name, alone, above, whatToDo }: StockOperator): Record<string, string> {
  const arrived: unknown[] = [];
  const outcome = outcomeOf((t) =>
    above(t).pipe(
      tap((value) => arrived.push(value)),
      commit(),
    ),
  );
  return {
    name,
    position: positionIn(outcomeOf(alone).values),
    order: orderOf(arrived.flat().filter(isPositioned)),
    credit: outcome.unfinished === '' ? 'comes back' : outcome.ended ? 'comes again' : 'stays out',
    whatToDo,
  };
}

function positionIn(values: readonly unknown[]): string {
  const kinds = new Set(values.map(kindOf));
  kinds.delete('nothing');
  return kinds.size === 1 ? [...kinds].join() : `sometimes ${[...kinds].join(', sometimes ')}`;
}

function kindOf(value: unknown): string {
  if (isObservable(value)) return 'kept, in inner Observables';
  if (!Array.isArray(value)) return isPositioned(value) ? 'kept' : 'lost';
  if (value.length === 0) return 'nothing';
  if (value.every(isPositioned)) return 'kept, in arrays';
  return value.some(isPositioned) ? 'beside other values' : 'lost';
}

/** In which order the records of each topic came; all have one partition. */
function orderOf(records: readonly Positioned[]): string {
  const last = new Map<unknown, number>();
  let order = 'kept';
  for (const {
    offset,
    [LANE]: { topic },
  } of records) {
    const before = last.get(topic) ?? -1;
    last.set(topic, offset);
    if (offset < before) return 'changed';
    if (offset === before) order = 'kept, with repeats';
  }
  return order;
}

function isPositioned(value: unknown): value is Positioned {
  return typeof value === 'object' && value !== null && LANE in value;
}

/** The table of the README, row by row. */
function table(): string[][] {
  const text = readFileSync(new URL('../README.md', import.meta.url), 'utf8');
  const [, rows = ''] = /\n\| operator +\| position +\|.*\n\|[-| ]+\|\n((?:\|.*\n)+)/.exec(text) ?? [];
  return rows
    .trim()
    .split('\n')
    .map((row) =>
      row
        .slice(1, -1)
        .split('|')
        .map((cell) => cell.trim()),
    );
}

function said({ name, position, order, credit, whatToDo }: StockOperator): Record<string, string> {
  return { name, position, order, credit, whatToDo };
}

describe('an RxJS operator between a source and commit()', () => {
  it.each(stockOperators)('$name does what is said of it', (operator) => {
    expect(found(operator)).toEqual(said(operator));
  });

  it.each(stockOperators.filter(({ instead }) => instead !== undefined))(
    '$name leaves nothing open if one does what is said to do',
    (operator) => {
      const { instead = operator.above } = operator;
      expect(outcomeOf(instead)).toMatchObject({ emitted: 'abcdef', unfinished: '', ended: false });
    },
  );

  it('has what to do instead exactly where records are left open', () => {
    for (const { credit, instead } of stockOperators) expect(instead === undefined).toBe(credit === 'comes back');
  });

  it.each([
    'map tap scan delay concatMap mergeMap switchMap exhaustMap groupBy bufferCount bufferTime filter distinctUntilChanged'.split(' '),
    'debounceTime throttleTime withLatestFrom combineLatest merge zip share take takeUntil retry catchError timeout window'.split(' '),
  ])('is in the README: %s and so on', (...names) => {
    const rows = table();
    for (const name of names) expect(rows.map(([operator]) => operator)).toContain(`\`${name}\``);
  });

  it('is in the README as it is here', () => {
    expect(table()).toEqual(stockOperators.map((operator) => Object.values(found(operator))));
  });
});

describe('what the table warns of', () => {
  function stalls(of$: (orders: MarbleTopic) => Observable<unknown>): void {
    topicMarbles(({ topic, expectRecords }) => {
      const orders = topic('abcdef', { maxInFlight: 2, stallAfterMs: 1_000 });
      expectRecords(of$(orders)).toBe('1001ms #', {}, 'STALLED');
    });
  }

  it('bufferCount stalls with more than `maxInFlight`', () => {
    stalls(({ records$ }) => records$.pipe(bufferCount(3), commit()));
  });

  it('what drops a run as long as `maxInFlight` stalls with `ordered` too', () => {
    stalls(({ records$ }) =>
      records$.pipe(
        filter(({ offset }) => offset > 3),
        commit({ ordered: true }),
      ),
    );
  });

  it('a shared record is finished when one of its branches has brought it, or when all have that are zipped', () => {
    topicMarbles(({ topic, expectRecords, expectObservable }) => {
      const [either, both] = [topic('a-b'), topic('a-b')];
      const inEither = '        a-b--a-b';
      const onDiskEither = '    a-b';
      const inBoth = '          -----a-b';
      const onDiskBoth = '      -----a-b';
      const shared$ = either.records$.pipe(share());
      expectRecords(merge(shared$, shared$.pipe(delay(5))).pipe(commit())).toBe(inEither);
      expectObservable(either.onDisk$).toBe(onDiskEither);
      const other$ = both.records$.pipe(share());
      const zipped$ = zip(other$, other$.pipe(delay(5))).pipe(map(([record]) => record));
      expectRecords(zipped$.pipe(commit())).toBe(inBoth);
      expectObservable(both.onDisk$).toBe(onDiskBoth);
    });
  });

  it('groups keep their order, each for itself', () => {
    const arrived = new Map<unknown, number[]>();
    outcomeOf(({ records$, work }) =>
      records$.pipe(
        groupBy(({ value }) => value),
        mergeMap((group) => group.pipe(concatMap(work))),
        tap(({ value, offset }) => arrived.set(value, [...(arrived.get(value) ?? []), offset])),
        commit(),
      ),
    );
    expect([...arrived].sort()).toEqual([
      [1, [0, 5]],
      [2, [1, 2]],
      [3, [3, 4]],
    ]);
  });

  it('takeUntil below the work cuts it off', () => {
    const outcome = outcomeOf(({ records$, work, stop$ }) => records$.pipe(concatMap(work), takeUntil(stop$), commit()));
    expect(outcome).toMatchObject({ ended: true, emitted: 'abcd', unfinished: 'cd' });
  });

  it('timeout takes a quiet topic for an error', () => {
    expect(outcomeOf(({ records$ }) => records$.pipe(timeout(50), commit()))).toMatchObject({ ended: true, unfinished: '' });
  });

  it('mergeMap with `ordered` finishes what is still worked on: a crash would skip it', () => {
    topicMarbles(({ topic, expectRecords, expectObservable }) => {
      const orders = topic('    ab');
      const life = '            ^--#-^';
      const result = '          --b';
      const onDisk = '          --(ab)';
      const work = ({ offset }: KafkaRecord): number => (offset === 0 ? 5 : 1);
      const stream$ = orders.records$.pipe(
        mergeMap((record) => of(record).pipe(delay(work(record)))),
        commit({ ordered: true }),
      );
      expectRecords(stream$, life).toBe(result);
      expectObservable(orders.onDisk$).toBe(onDisk);
    });
  });
});
