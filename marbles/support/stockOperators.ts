import type { Observable } from 'rxjs';
import {
  EMPTY,
  bufferCount,
  bufferTime,
  catchError,
  combineLatest,
  concatMap,
  debounceTime,
  delay,
  distinctUntilChanged,
  exhaustMap,
  filter,
  groupBy,
  interval,
  map,
  merge,
  mergeMap,
  of,
  retry,
  scan,
  share,
  startWith,
  switchMap,
  take,
  takeUntil,
  tap,
  throttleTime,
  timeout,
  toArray,
  window,
  withLatestFrom,
  zip,
} from 'rxjs';
import { commit } from '../../src/operators/commit.js';
import { filterValue } from '../../src/operators/filterValue.js';
import type { Positioned } from '../../src/position.js';
import type { KafkaRecord } from '../../src/record.js';

/** What an operator is tried on. */
export interface Trial {
  /** Six records, two milliseconds apart. */
  readonly records$: Observable<KafkaRecord<number>>;
  /** Another topic. */
  readonly others$: Observable<KafkaRecord<number>>;
  /** Something else that emits now and then, first when two records have come. */
  readonly rates$: Observable<number>;
  /** Ends what it is meant to end, when four records have come. */
  readonly stop$: Observable<unknown>;
  /** Work that takes its time, the first record's longest. */
  readonly work: (record: KafkaRecord<number>) => Observable<KafkaRecord<number>>;
  /** Fails at the second record, once. */
  readonly mayFail: (record: KafkaRecord<number>) => KafkaRecord<number>;
}

type Committable = Positioned | readonly Positioned[];

/** What is said of an operator that stands between a source and `commit()`, and how to find out whether it is so. */
export interface StockOperator {
  readonly name: string;
  /** What its values are: records with their position, or something that holds them. */
  readonly position: string;
  /** In what order the records of a partition reach `commit()`. */
  readonly order: string;
  /** Whether every record is finished in the end. */
  readonly credit: string;
  readonly whatToDo: string;
  /** The operator alone. */
  readonly alone: (trial: Trial) => Observable<unknown>;
  /** The operator as it stands above `commit()`. */
  readonly above: (trial: Trial) => Observable<Committable>;
  /** What to do instead, down to `commit()`: then every record is finished. */
  readonly instead?: (trial: Trial) => Observable<Committable>;
}

const KEPT = 'kept';
const ARRAYS = 'kept, in arrays';
const TUPLES = 'beside other values';
const INNER = 'kept, in inner Observables';
const CHANGED = 'changed';
const BACK = 'comes back';
const STAYS = 'stays out';
const AGAIN = 'comes again';

/** Where the operator alone is what stands above `commit()`. */
function plain(
  name: string,
  rest: Pick<StockOperator, 'position' | 'order' | 'credit' | 'whatToDo' | 'instead'>,
  above: (trial: Trial) => Observable<Committable>,
): StockOperator {
  return { name, alone: above, above, ...rest };
}

const NOTHING = { order: KEPT, credit: BACK, whatToDo: 'nothing' } as const;

export const stockOperators: readonly StockOperator[] = [
  plain('`map`', { ...NOTHING, position: KEPT, whatToDo: 'spread the record: `map((r) => ({ ...r, value }))`, or `mapValue`' }, (t) =>
    t.records$.pipe(map((record) => ({ ...record, value: record.value + 1 }))),
  ),
  plain('`tap`', { ...NOTHING, position: KEPT }, (t) => t.records$.pipe(tap(() => undefined))),
  plain('`scan`', { ...NOTHING, position: KEPT, whatToDo: 'spread the newest record into what is accumulated' }, (t) =>
    t.records$.pipe(scan((sum: KafkaRecord<number>, record) => ({ ...record, value: sum.value + record.value }))),
  ),
  plain('`delay`', { ...NOTHING, position: KEPT }, (t) => t.records$.pipe(delay(3))),
  plain('`concatMap`', { ...NOTHING, position: KEPT, whatToDo: 'nothing: what waits in it is bounded by `maxInFlight`' }, (t) =>
    t.records$.pipe(concatMap(t.work)),
  ),
  plain(
    '`mergeMap`',
    { position: KEPT, order: CHANGED, credit: BACK, whatToDo: 'nothing; but never `commit({ ordered: true })` below it' },
    (t) => t.records$.pipe(mergeMap(t.work)),
  ),
  plain(
    '`switchMap`',
    {
      position: KEPT,
      order: KEPT,
      credit: STAYS,
      whatToDo: 'if only the newest matters, `commit({ ordered: true })`; else `concatMap`',
      instead: (t) => t.records$.pipe(switchMap(t.work), commit({ ordered: true })),
    },
    (t) => t.records$.pipe(switchMap(t.work)),
  ),
  plain(
    '`exhaustMap`',
    {
      position: KEPT,
      order: KEPT,
      credit: STAYS,
      whatToDo: '`concatMap`: what it passes over may be the last there is',
      instead: (t) => t.records$.pipe(concatMap(t.work), commit()),
    },
    (t) => t.records$.pipe(exhaustMap(t.work)),
  ),
  {
    name: '`groupBy`',
    position: INNER,
    order: CHANGED,
    credit: BACK,
    whatToDo: '`mergeMap((group) => group.pipe(…))`; in each group the order is kept',
    alone: (t) => t.records$.pipe(groupBy(({ value }) => value)),
    above: (t) =>
      t.records$.pipe(
        groupBy(({ value }) => value),
        mergeMap((group) => group.pipe(concatMap(t.work))),
      ),
  },
  plain(
    '`bufferCount`',
    { ...NOTHING, position: ARRAYS, whatToDo: '`commit()` takes arrays; no more than `maxInFlight`, or the source stalls' },
    (t) => t.records$.pipe(bufferCount(3)),
  ),
  plain('`bufferTime`', { ...NOTHING, position: ARRAYS, whatToDo: '`commit()` takes arrays, empty ones too' }, (t) =>
    t.records$.pipe(bufferTime(5)),
  ),
  plain(
    '`filter`',
    {
      position: KEPT,
      order: KEPT,
      credit: STAYS,
      whatToDo: '`filterValue`',
      instead: (t) =>
        t.records$.pipe(
          filterValue((value) => value !== 2),
          commit(),
        ),
    },
    (t) => t.records$.pipe(filter(({ value }) => value !== 2)),
  ),
  plain(
    '`distinctUntilChanged`',
    {
      position: KEPT,
      order: KEPT,
      credit: STAYS,
      whatToDo: '`commit({ ordered: true })`, and a `maxInFlight` above the longest run of equals',
      instead: (t) =>
        t.records$.pipe(
          distinctUntilChanged((a, b) => a.value === b.value),
          commit({ ordered: true }),
        ),
    },
    (t) => t.records$.pipe(distinctUntilChanged((a, b) => a.value === b.value)),
  ),
  plain(
    '`debounceTime`',
    {
      position: KEPT,
      order: KEPT,
      credit: STAYS,
      whatToDo: '`commit({ ordered: true })`',
      instead: (t) => t.records$.pipe(debounceTime(3), commit({ ordered: true })),
    },
    (t) => t.records$.pipe(debounceTime(3)),
  ),
  plain(
    '`throttleTime`',
    {
      position: KEPT,
      order: KEPT,
      credit: STAYS,
      whatToDo: '`{ leading: true, trailing: true }` and `commit({ ordered: true })`',
      instead: (t) => t.records$.pipe(throttleTime(3, undefined, { leading: true, trailing: true }), commit({ ordered: true })),
    },
    (t) => t.records$.pipe(throttleTime(3)),
  ),
  {
    name: '`withLatestFrom`',
    position: TUPLES,
    order: KEPT,
    credit: STAYS,
    whatToDo: 'project: `(r, rate) => ({ ...r, rate })`; `startWith` on the other, what comes before its first value is dropped',
    alone: (t) => t.records$.pipe(withLatestFrom(t.rates$)),
    above: (t) => t.records$.pipe(withLatestFrom(t.rates$, (record, rate) => ({ ...record, rate }))),
    instead: (t) =>
      t.records$.pipe(
        withLatestFrom(t.rates$.pipe(startWith(0)), (record, rate) => ({ ...record, rate })),
        commit(),
      ),
  },
  {
    name: '`combineLatest`',
    position: TUPLES,
    order: 'kept, with repeats',
    credit: STAYS,
    whatToDo: 'project, and `startWith` on the other; finishing a record twice changes nothing',
    alone: (t) => combineLatest([t.records$, t.rates$]),
    above: (t) => combineLatest([t.records$, t.rates$], (record, rate) => ({ ...record, rate })),
    instead: (t) => combineLatest([t.records$, t.rates$.pipe(startWith(0))], (record, rate) => ({ ...record, rate })).pipe(commit()),
  },
  plain('`merge`', { ...NOTHING, position: KEPT, whatToDo: 'nothing: one `commit()` serves several sources' }, (t) =>
    merge(t.records$, t.others$),
  ),
  {
    name: '`zip`',
    position: TUPLES,
    order: KEPT,
    credit: BACK,
    whatToDo: 'project; the source goes at the pace of the other',
    alone: (t) => zip(t.records$, t.rates$),
    above: (t) => zip(t.records$, t.rates$).pipe(map(([record, rate]) => ({ ...record, rate }))),
  },
  plain(
    '`share`',
    {
      ...NOTHING,
      position: KEPT,
      whatToDo: '`zip` its branches before the `commit()`: a record is finished when it arrives for the first time',
    },
    (t) => t.records$.pipe(share()),
  ),
  plain('`take`', { ...NOTHING, position: KEPT, whatToDo: 'nothing: what was not taken comes again' }, (t) => t.records$.pipe(take(3))),
  plain(
    '`takeUntil`',
    { ...NOTHING, position: KEPT, whatToDo: 'directly after the source: lower down, what is in flight comes again' },
    (t) => t.records$.pipe(takeUntil(t.stop$), concatMap(t.work)),
  ),
  plain(
    '`retry`',
    { ...NOTHING, position: KEPT, whatToDo: 'nothing: it begins at the oldest unfinished record, after `drainTimeoutMs` at most' },
    (t) => t.records$.pipe(map(t.mayFail), retry({ delay: 1 })),
  ),
  plain(
    '`catchError`',
    {
      position: KEPT,
      order: KEPT,
      credit: AGAIN,
      whatToDo: 'on the work of one record: `concatMap((r) => work(r).pipe(catchError(…)))`; else it is the end of the stream',
      instead: (t) =>
        t.records$.pipe(
          concatMap((record) =>
            of(record).pipe(
              map(t.mayFail),
              catchError(() => of(record)),
            ),
          ),
          commit(),
        ),
    },
    (t) =>
      t.records$.pipe(
        map(t.mayFail),
        catchError(() => EMPTY),
      ),
  ),
  plain('`timeout`', { ...NOTHING, position: KEPT, whatToDo: 'on the work of one record: here a quiet topic is an error' }, (t) =>
    t.records$.pipe(timeout(50)),
  ),
  {
    name: '`window`',
    position: INNER,
    order: KEPT,
    credit: BACK,
    whatToDo: '`mergeMap((window) => window.pipe(toArray()))`, for one',
    alone: (t) => t.records$.pipe(window(interval(5))),
    above: (t) =>
      t.records$.pipe(
        window(interval(5)),
        mergeMap((some) => some.pipe(toArray())),
      ),
  },
];
