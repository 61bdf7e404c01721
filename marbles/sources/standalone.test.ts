import type { Observable } from 'rxjs';
import {
  NEVER,
  ReplaySubject,
  Subject,
  concatMap,
  defer,
  delay,
  delayWhen,
  from,
  lastValueFrom,
  map,
  mergeMap,
  of,
  take,
  tap,
  throwError,
} from 'rxjs';
import type { RunHelpers } from 'rxjs/testing';
import { afterEach, beforeEach, describe, expect, it, vi } from 'vitest';
import { OptionError, UnknownTopicError } from '../../src/errors.js';
import type { KafkaEvent } from '../../src/events.js';
import { memoryOffsets } from '../../src/offsets/memory.js';
import type { Checkpoint } from '../../src/offsets/store.js';
import { commit } from '../../src/operators/commit.js';
import type { TopicPartition } from '../../src/position.js';
import { LANE } from '../../src/position.js';
import type { KafkaRecord } from '../../src/record.js';
import { groupSource } from '../../src/sources/groupSource.js';
import type { Share, WorkerSlot } from '../../src/sources/share.js';
import { shareOf } from '../../src/sources/share.js';
import type { SourceOptions } from '../../src/sources/sourceOptions.js';
import { resolveSourceOptions } from '../../src/sources/sourceOptions.js';
import { Standalone } from '../../src/sources/standalone.js';
import { FakeFetches } from '../support/fetches.js';
import { Brokers, TOPIC } from '../support/member.js';
import { at, inVirtualTime } from '../support/virtualTime.js';

const EVERY_MS = 4;
const away = new Error('away');

/** A member that is not let go would look for ever. */
function inTime(test: (time: RunHelpers) => void): () => void {
  return inVirtualTime(test, 100);
}

interface Settings {
  readonly share?: Share;
  /** When the source answers. Default: at once. */
  readonly answer$?: Observable<unknown>;
  /** How many partitions there are at each look. */
  readonly partitions$: Observable<number>;
}

/** A member without a group, from the start to `untilMs`: what it asks its source, what has failed, and the answers that are given. */
function lifetime(untilMs: number, { share = shareOf(TOPIC, undefined), answer$ = of(undefined), partitions$ }: Settings) {
  const asked$ = new ReplaySubject<string>(Infinity);
  const failed$ = new ReplaySubject<unknown>(Infinity);
  const fetches = new FakeFetches(new Brokers(...Array<number>(9).fill(0)), { answers: 'at once' });
  fetches.partitionsOf = () => partitions$.pipe(map((count) => [...Array(count).keys()]));
  const named = (partitions: readonly TopicPartition[]): string => partitions.map(({ partition }) => partition).join('');
  const fail = (error: unknown): void => {
    failed$.next(error);
  };
  const answer = (how: () => void): void => {
    void answer$.pipe(take(1)).forEach(how);
  };
  const member: Standalone = new Standalone(
    fetches,
    {
      onAssigned: (partitions) => {
        asked$.next(`+${named(partitions)}`);
        answer(() => {
          member.assign(partitions.map((partition) => ({ ...partition, offset: 0 })));
        });
      },
      onRevoked: (partitions) => {
        asked$.next(`-${named(partitions)}`);
        answer(() => {
          member.unassign(partitions);
        });
      },
      onFatal: () => undefined,
    },
    { share, discoverEveryMs: EVERY_MS, onError: fail },
  );
  at(0, () => {
    member.connect().subscribe({ error: fail });
  });
  at(untilMs, () => {
    void member.close();
  });
  return { asked$, failed$, fetches };
}

/** The latest value, whenever it is asked for. */
function latest<T>(values$: Observable<T>): Observable<T> {
  const value$ = new ReplaySubject<T>(1);
  values$.subscribe(value$);
  return value$.pipe(take(1));
}

const counts = { 1: 1, 2: 2, 3: 3, 4: 4, 5: 5, 7: 7 };

describe('a source without a group', () => {
  it(
    'has all partitions, and takes new ones at the next look',
    inTime(({ hot, expectObservable }) => {
      const partitions = '4-----5';
      const asked = '     a-------b';
      const { asked$ } = lifetime(20, { partitions$: latest(hot(partitions, counts)) });
      expectObservable(asked$).toBe(asked, { a: '+0123', b: '+4' });
    }),
  );

  it(
    'has the partitions of its slot, also of those that come later',
    inTime(({ hot, expectObservable }) => {
      const partitions = '4-----5---7';
      const asked = '     a-----------b';
      const { asked$ } = lifetime(20, { share: shareOf(TOPIC, { slot: 1, of: 2 }), partitions$: latest(hot(partitions, counts)) });
      expectObservable(asked$).toBe(asked, { a: '+13', b: '+5' });
    }),
  );

  it(
    'may have none, and says so',
    inTime(({ hot, expectObservable }) => {
      const partitions = '2-----3';
      const asked = '     a-------b';
      const { asked$ } = lifetime(20, { share: shareOf(TOPIC, { slot: 2, of: 9 }), partitions$: latest(hot(partitions, counts)) });
      expectObservable(asked$).toBe(asked, { a: '+', b: '+2' });
    }),
  );

  it(
    'has what was chosen, and takes nothing that comes later',
    inTime(({ hot, expectObservable }) => {
      const partitions = '3-----5';
      const asked = '     a';
      const { asked$ } = lifetime(20, { share: shareOf({ [TOPIC]: [2, 0] }, undefined), partitions$: latest(hot(partitions, counts)) });
      expectObservable(asked$).toBe(asked, { a: '+02' });
    }),
  );

  it(
    'gives up what is gone, and takes it again when it is back',
    inTime(({ hot, expectObservable }) => {
      const partitions = '5-3------5';
      const asked = '     a---b-------c';
      const fetched = '   -n---o-------n';
      const { asked$, fetches } = lifetime(20, { partitions$: latest(hot(partitions, counts)) });
      expectObservable(asked$).toBe(asked, { a: '+01234', b: '-34', c: '+34' });
      const fetched$ = asked$.pipe(
        delay(1),
        map(() => [...fetches.owned].join('')),
      );
      expectObservable(fetched$).toBe(fetched, { n: '01234', o: '012' });
    }),
  );

  it(
    'asks one thing at a time: what has changed meanwhile is seen at the next look after the answer',
    inTime(({ hot, expectObservable }) => {
      const partitions = '2-3--5';
      const answer = '    -----------x------x';
      const asked = '     a-----------b------';
      const { asked$ } = lifetime(20, { answer$: hot(answer), partitions$: latest(hot(partitions, counts)) });
      expectObservable(asked$).toBe(asked, { a: '+01', b: '+234' });
    }),
  );

  it(
    'says that a look has failed, and looks again',
    inTime(({ cold, hot, expectObservable }) => {
      const looks = ' 1---x---3';
      const asked = ' a-------b';
      const failed = '----e';
      const partitions$ = latest(hot(looks, { 1: '1', x: undefined, 3: '3' })).pipe(
        mergeMap((look) => (look === undefined ? cold<number>('#', {}, away) : of(Number(look)))),
      );
      const { asked$, failed$ } = lifetime(11, { partitions$ });
      expectObservable(asked$).toBe(asked, { a: '+0', b: '+12' });
      expectObservable(failed$).toBe(failed, { e: away });
    }),
  );

  it(
    'does not look while it is looking',
    inTime(({ cold, expectObservable }) => {
      let looks = 0;
      const look = '    -----1|';
      const looked = '  x---x-------x---';
      const looks$ = new ReplaySubject<string>(Infinity);
      const partitions$ = defer(() => {
        looks$.next('x');
        return looks++ === 0 ? of(1) : cold<number>(look, counts);
      });
      lifetime(14, { partitions$ });
      expectObservable(looks$).toBe(looked);
    }),
  );

  it(
    'keeps what it has of a topic of which nothing is found: reading it will tell what has become of it',
    inTime(({ hot, expectObservable }) => {
      const partitions = '3--0-----4';
      const asked = '     a-----------b';
      const { asked$, failed$ } = lifetime(20, { partitions$: latest(hot(partitions, { ...counts, 0: 0 })) });
      expectObservable(asked$).toBe(asked, { a: '+012', b: '+3' });
      expectObservable(failed$).toBe('');
    }),
  );

  it(
    'begins with nothing when the topic is not there, or a partition that was chosen',
    inTime(({ expectObservable }) => {
      const failures = [
        lifetime(9, { partitions$: of(0) }),
        lifetime(9, { share: shareOf({ [TOPIC]: [1, 4] }, undefined), partitions$: of(4) }),
        lifetime(9, { partitions$: throwError(() => away) }),
      ];
      const errors = [
        new UnknownTopicError('orders does not exist on this cluster: create it first, or check the spelling.', { topics: [TOPIC] }),
        new OptionError('fromPartitions: orders has 4 partitions, and none is 4.'),
        away,
      ];
      failures.forEach(({ asked$, failed$ }, i) => {
        expectObservable(asked$).toBe('');
        expectObservable(failed$).toBe('e', { e: errors[i] });
      });
    }),
  );

  it(
    'takes nothing any more when it was closed while it looked',
    inTime(({ cold, expectObservable }) => {
      const { asked$, failed$ } = lifetime(3, { partitions$: cold('-----4|', counts) });
      const other = lifetime(7, { partitions$: cold('--4|', counts) });
      expectObservable(asked$).toBe('');
      expectObservable(failed$).toBe('');
      expectObservable(other.asked$).toBe('---a', { a: '+0123' });
    }),
  );
});

/** The whole source, on a log without a broker. */
function scene(brokers: Brokers, options: Partial<SourceOptions> & { readonly worker?: WorkerSlot } = {}) {
  const { worker, ...rest } = options;
  const events: KafkaEvent[] = [];
  const clients: FakeFetches[] = [];
  const offsets = memoryOffsets();
  const records$ = groupSource({
    group: 'billing',
    offsets: (member) => member.storeOf(offsets),
    mirror: false,
    onStateStale: () => undefined,
    source: resolveSourceOptions('fromPartitions', rest),
    member: (listener) => {
      const fetches = new FakeFetches(brokers);
      clients.push(fetches);
      return new Standalone(fetches, listener, { share: shareOf(TOPIC, worker), discoverEveryMs: 1_000, onError: () => undefined });
    },
    emit: (event) => events.push(event),
    register: () => () => undefined,
  });
  return {
    records$,
    events,
    clients,
    stored: async () =>
      (await lastValueFrom(from(offsets.list('billing')), { defaultValue: [] as readonly Checkpoint[] })).map(
        ({ partition, frontier, runs }) => [partition, frontier, ...runs],
      ),
  };
}

function run(stream$: Observable<KafkaRecord>) {
  const result = { seen: [] as string[], error: undefined as unknown };
  const subscription = stream$.subscribe({
    next: ({ partition, offset }) => result.seen.push(`${partition}/${offset}`),
    error: (error: unknown) => {
      result.error = error;
    },
  });
  return Object.assign(result, {
    stop: () => {
      subscription.unsubscribe();
    },
  });
}

const pass = (ms: number): Promise<unknown> => vi.advanceTimersByTimeAsync(ms);

describe('the records of a source without a group', () => {
  beforeEach(() => {
    vi.useFakeTimers();
  });
  afterEach(async () => {
    await vi.runOnlyPendingTimersAsync();
    vi.useRealTimers();
  });

  it('are those of its slot, and are remembered', async () => {
    const { records$, stored, events } = scene(new Brokers(2, 2, 1, 1), { worker: { slot: 1, of: 2 } });
    const stream = run(records$.pipe(commit()));
    await pass(10);
    expect(stream.seen.sort()).toEqual(['1/0', '1/1', '3/0']);
    expect(await stored()).toEqual([
      [1, 2],
      [3, 1],
    ]);
    expect(events).toEqual([
      {
        type: 'assigned',
        group: 'billing',
        partitions: [
          { topic: TOPIC, partition: 1, offset: 0 },
          { topic: TOPIC, partition: 3, offset: 0 },
        ],
      },
    ]);
    stream.stop();
  });

  it('go on after a restart where it stopped, with what was never finished', async () => {
    const brokers = new Brokers(3);
    const { records$, stored } = scene(brokers, { drainTimeoutMs: 100 });
    const first = run(
      records$.pipe(
        mergeMap((record) => (record.offset === 1 ? NEVER : of(record))),
        commit(),
      ),
    );
    await pass(10);
    first.stop();
    await pass(500);
    expect(await stored()).toEqual([[0, 1, 2, 3]]);
    brokers.append(0, 3);
    const second = run(records$.pipe(commit()));
    await pass(500);
    expect(second.seen).toEqual(['0/1', '0/3']);
    second.stop();
  });

  it.each([
    ['earliest', ['0/0', '1/0', '1/1', '1/2', '1/3']],
    ['latest', ['1/3']],
  ] as const)('of a partition that is added later start where `from: %s` says', async (policy, expected) => {
    const brokers = new Brokers(1);
    const { records$ } = scene(brokers, { from: policy });
    const stream = run(records$.pipe(commit()));
    await pass(500);
    brokers.addPartition(3);
    await pass(1_000);
    brokers.append(1, 3);
    await pass(500);
    expect(stream.seen).toEqual(expected);
    stream.stop();
  });

  it('of a partition that is gone are finished first; it goes on where it was when it is back', async () => {
    const brokers = new Brokers(2, 2);
    const { records$, clients, events, stored } = scene(brokers);
    const done$ = new Subject<void>();
    const stream = run(records$.pipe(concatMap((record) => done$.pipe(take(1), map(() => record))), commit())); // prettier-ignore
    await pass(500);
    (clients[0] as FakeFetches).partitionsOf = () => [[0]];
    await pass(1_000);
    expect(events.some(({ type }) => type === 'revoked')).toBe(false);
    for (let i = 0; i < 4; i += 1) done$.next();
    await pass(200);
    expect(events.at(-1)).toEqual({ type: 'revoked', group: 'billing', partitions: [{ topic: TOPIC, partition: 1 }], unfinished: 0 });
    expect(await stored()).toEqual([
      [0, 2],
      [1, 2],
    ]);
    brokers.append(1, 2);
    (clients[0] as FakeFetches).partitionsOf = () => [[0, 1]];
    await pass(1_500);
    done$.next();
    expect(stream.seen.at(-1)).toBe('1/2');
    stream.stop();
  });

  it('are not fetched in a long drought', async () => {
    const { records$, clients } = scene(new Brokers(20), { maxInFlight: 5 });
    const done$ = new Subject<void>();
    const stream = run(records$.pipe(delayWhen(() => done$), commit())); // prettier-ignore
    await pass(17_000);
    const [client] = clients as [FakeFetches];
    expect([stream.seen.length, client.pauses, client.resumes, [...client.paused]]).toEqual([0, 1, 0, [0]]);
    const releasing = setInterval(() => {
      done$.next();
    }, 10);
    await pass(1_000);
    clearInterval(releasing);
    expect([stream.seen.length, client.pauses, client.resumes, [...client.paused]]).toEqual([20, 1, 1, []]);
    stream.stop();
  });

  it('end when the topic is gone, and not for a group that they are not of', async () => {
    const brokers = new Brokers(1);
    const { records$, clients } = scene(brokers);
    const stream = run(records$.pipe(commit()));
    await pass(10);
    (clients[0] as FakeFetches).failNext({ code: 30, message: 'group authorization failed' });
    await pass(500);
    expect(stream.error).toBeUndefined();
    brokers.missing = [TOPIC];
    (clients[0] as FakeFetches).failNext({ code: -188, message: 'unknown topic' });
    await pass(500);
    expect(stream.error).toBeInstanceOf(UnknownTopicError);
  });

  it('cannot be in a transaction', async () => {
    const { records$ } = scene(new Brokers(1));
    const stream = run(
      records$.pipe(
        tap((record) => {
          record[LANE].journal.commitThrough({ commit: () => Promise.resolve() });
        }),
      ),
    );
    await pass(10);
    expect(stream.error).toEqual(
      new OptionError(
        'toTransaction: the offsets of billing are not kept in Kafka, and only those can be in one transaction with records: ' +
          'read with fromTopic and groupOffsets(kafka), or write with toTopic() and commit().',
      ),
    );
  });
});
