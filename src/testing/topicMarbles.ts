import { deepStrictEqual } from 'node:assert';
import type { Observable } from 'rxjs';
import { catchError, map, throwError } from 'rxjs';
import type { RunHelpers } from 'rxjs/testing';
import { TestScheduler } from 'rxjs/testing';
import { KafkaRxError } from '../errors.js';
import { checkOptions } from '../options.js';
import type { Positioned } from '../position.js';
import { LANE } from '../position.js';
import { frameEnds } from './frames.js';
import { Machine } from './machine.js';
import type { MarbleTopic, MarbleTopicOptions, MarbleWorld } from './marbleTopic.js';
import { marbleTopic } from './marbleTopic.js';

export interface TopicMarblesOptions {
  /** Throws if the two differ. Default: `deepStrictEqual` of Node's assert; a test runner's own shows the difference in its own way. */
  readonly assertDeepEqual?: (actual: unknown, expected: unknown) => void;
}

/** What a test is given: RxJS's own `cold`, `hot`, `expectObservable` and so on, and these. */
export interface TopicMarbles extends RunHelpers {
  /** A topic: one line of letters for each partition, each letter a record that is written then. */
  readonly topic: (records: string | readonly string[], options?: MarbleTopicOptions) => MarbleTopic;
  /**
   * Like `expectObservable`, and shows a record, whatever has become of its value, as its letter, an array of records as their letters (`'ab'`), and an
   * error of kafka-rx as its `code`. Other values are shown as they are; `values` need not name letters that stand for themselves.
   *
   * `life` is a line of what happens to the subscription: `^` it is made, `!` it is unsubscribed from, `#` the process crashes, with everything in it that
   * is not on disk (though `finalize` runs), and `^` after that is the next process. Default `'^'`: subscribed to at once, and for ever. A test is one
   * process.
   */
  readonly expectRecords: (stream$: Observable<unknown>, life?: string) => ExpectedRecords;
}

export interface ExpectedRecords {
  readonly toBe: (marbles: string, values?: Readonly<Record<string, unknown>>, error?: unknown) => void;
}

/** A source that stands still says so after five minutes, by default. */
const LAST_FRAME = 6 * 60_000;

/**
 * Runs a test of a stream in virtual time: records, rebalances, crashes, errors and slow disks are written in marbles.
 *
 * What is under test is real: the sessions, lanes, credits, checkpoints and operators that run in production. Only the broker, the group and the disk
 * are not. One column is one millisecond; nothing sleeps, no native code is loaded, and a test takes milliseconds. It ends after six minutes of
 * virtual time, so that a source that stands still shows its `StalledError` first.
 *
 * Work has to be Observables for that: promises and `setTimeout` do not know virtual time. Give your pipeline its source and its work as arguments,
 * and the test gives it others. Retention, transactions and a second member of the group are not here: `embeddedKafka` and real brokers are for those.
 *
 * ```text
 * records    ab---c-      letters as they are written
 * assigned   ^--!--^      given, taken away; x: lost
 * life       ^---#--^     subscribed, crashed, and started again; !: unsubscribed
 * ```
 *
 * @throws what `assertDeepEqual` throws; {@link OptionError} for a wrong option, or a line that cannot be read.
 *
 * @example
 * Work takes three milliseconds, and a write two.
 * ```ts
 * topicMarbles(({ topic, cold, expectRecords, expectObservable }) => {
 *   const orders = topic('   a-b-----c', { writes: cold('--|') });
 *   const result = '         ---a-b-----c';
 *   const onDisk = '         -----a-b-----c';
 *   expectRecords(orders.records$.pipe(delay(3), commit())).toBe(result);
 *   expectObservable(orders.onDisk$).toBe(onDisk);
 * });
 * ```
 *
 * @example
 * The work of `a` takes longer than that of the others. After a crash it alone comes again.
 * ```ts
 * topicMarbles(({ topic, cold, expectRecords, expectObservable }) => {
 *   const orders = topic('   abc', { values: { a: 'slow' } });
 *   const life = '           ^-----#--^';
 *   const result = '         --bc 14ms a';
 *   const work = mergeMap((order: KafkaRecord) => {
 *     const charged$ = cold<never>(String(order.value) === 'slow' ? '9ms |' : '-|');
 *     return concat(charged$, of(order));
 *   });
 *   expectRecords(orders.records$.pipe(work, commit()), life).toBe(result);
 *   expectObservable(orders.onDisk$).toBe(result);
 * });
 * ```
 *
 * @example
 * At most two records are open. A partition that is taken away is finished first, and goes on where it was when it comes back.
 * ```ts
 * topicMarbles(({ topic, expectRecords, expectObservable }) => {
 *   const records = [' abc----', '-------x'];
 *   const assigned = ['^-!---^', '^-------'];
 *   const result = '  ---ab----cx';
 *   const open = '    12-10-12-10';
 *   const orders = topic(records, { assigned, maxInFlight: 2 });
 *   expectRecords(orders.records$.pipe(delay(3), commit())).toBe(result);
 *   expectObservable(orders.open$).toBe(open);
 * });
 * ```
 */
export function topicMarbles(test: (marbles: TopicMarbles) => void, options: TopicMarblesOptions = {}): void {
  checkOptions('topicMarbles', options, { assertDeepEqual: 'function' });
  const { assertDeepEqual = deepStrictEqual } = options;
  const scheduler = new TestScheduler(assertDeepEqual);
  scheduler.run((helpers) => {
    scheduler.maxFrames = LAST_FRAME;
    const world: MarbleWorld = {
      scheduler,
      machine: new Machine(scheduler),
      frameEnds$: frameEnds(scheduler),
      letters: new WeakMap(),
    };
    test({
      ...helpers,
      topic: (records, settings = {}) => marbleTopic(world, records, settings),
      expectRecords: (stream$, life = '^') => {
        const shown$ = stream$.pipe(
          map((value) => shown(value, world)),
          catchError((error: unknown) => throwError(() => (error instanceof KafkaRxError ? error.code : error))),
        );
        const expected = helpers.expectObservable(world.machine.living(shown$, life));
        return {
          toBe: (marbles, values, error) => {
            const themselves = Object.fromEntries(Array.from(marbles, (marble) => [marble, marble]));
            expected.toBe(marbles, { ...themselves, ...values }, error);
          },
        };
      },
    });
  });
}

/** A value as a diagram shows it. */
function shown(value: unknown, { letters }: MarbleWorld): unknown {
  const letterOf = ({ offset, [LANE]: lane }: Positioned): string => letters.get(lane.whole)?.(offset) ?? '?';
  if (isPositioned(value)) return letterOf(value);
  return Array.isArray(value) && value.length > 0 && value.every(isPositioned) ? value.map(letterOf).join('') : value;
}

function isPositioned(value: unknown): value is Positioned {
  return typeof value === 'object' && value !== null && LANE in value;
}
