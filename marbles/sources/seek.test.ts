import type { Observable } from 'rxjs';
import { Subject, defer, delay, from, ignoreElements, map, mergeMap, of, take, takeUntil, tap, throwError } from 'rxjs';
import { afterEach, beforeEach, describe, expect, it, vi } from 'vitest';
import { BrokerError, NotAssignedError, OffsetOutOfRangeError, OptionError, StoreFailedError } from '../../src/errors.js';
import type { KafkaEvent } from '../../src/events.js';
import { memoryOffsets } from '../../src/offsets/memory.js';
import type { Checkpoint, OffsetStore } from '../../src/offsets/store.js';
import { commit } from '../../src/operators/commit.js';
import type { Position } from '../../src/position.js';
import type { KafkaRecord } from '../../src/record.js';
import { groupSource } from '../../src/sources/groupSource.js';
import type { SourceOptions } from '../../src/sources/sourceOptions.js';
import { resolveSourceOptions } from '../../src/sources/sourceOptions.js';
import { Brokers, FakeMember, TOPIC } from '../support/member.js';

const GROUP = 'billing';
const RECORD = { timestamp: 0, key: null, value: null, headers: [] };
const at = (partition: number, offset: number) => ({ topic: TOPIC, partition, offset });
const where = ({ partition, offset }: KafkaRecord): string => `${partition}/${offset}`;

function places(partition: number, from: number, to: number): string[] {
  return Array.from({ length: to - from }, (_, i) => `${partition}/${from + i}`);
}

/** A source whose members join a group without a broker, not subscribed to yet. */
function scene(brokers: Brokers, options: SourceOptions = {}, offsets = memoryOffsets()) {
  const members: FakeMember[] = [];
  const events: KafkaEvent[] = [];
  const source$ = groupSource({
    group: GROUP,
    offsets: () => offsets,
    mirror: true,
    onStateStale: () => undefined,
    source: resolveSourceOptions('fromTopic', { drainTimeoutMs: 100, ...options }),
    member: (listener) => {
      const member = new FakeMember(brokers, listener);
      members.push(member);
      return member;
    },
    emit: (event) => {
      events.push(event);
    },
    register: () => () => undefined,
  });
  return {
    brokers,
    members,
    source$,
    ofType: <T extends KafkaEvent['type']>(type: T) =>
      events.filter((event): event is Extract<KafkaEvent, { type: T }> => event.type === type),
    /** What is remembered: the frontier of each partition. */
    stored: (): number[] => {
      const [checkpoints] = [...(offsets.list(GROUP) as Iterable<readonly Checkpoint[]>)];
      return (checkpoints ?? []).map(({ frontier }) => frontier);
    },
  };
}

/** Subscribes, joins, and gets these partitions. */
async function run({ members }: { readonly members: readonly FakeMember[] }, stream$: Observable<KafkaRecord>, ...partitions: number[]) {
  const result = { seen: [] as string[], error: undefined as unknown };
  const subscription = stream$.subscribe({
    next: (record) => result.seen.push(where(record)),
    error: (error: unknown) => {
      result.error = error;
    },
  });
  await pass(0);
  const member = members.at(-1) as FakeMember;
  if (partitions.length > 0) member.give(...partitions);
  await pass(200);
  return Object.assign(result, {
    member,
    stop: () => {
      subscription.unsubscribe();
    },
  });
}

function pass(ms: number): Promise<unknown> {
  return vi.advanceTimersByTimeAsync(ms);
}

/** How a promise stands: fake time has to go on for it to be settled. */
function outcome<T>(promise: Promise<T>): { value: T | undefined; error: unknown } {
  const settled: { value: T | undefined; error: unknown } = { value: undefined, error: undefined };
  promise.then(
    (value) => {
      settled.value = value;
    },
    (error: unknown) => {
      settled.error = error;
    },
  );
  return settled;
}

/** A store that does not reset before it is told to. */
function slow(offsets: OffsetStore, open$: Observable<unknown>): OffsetStore {
  return {
    claim: offsets.claim.bind(offsets),
    write: offsets.write.bind(offsets),
    reset: (group, checkpoints) =>
      open$.pipe(
        take(1),
        mergeMap(() => from(offsets.reset(group, checkpoints))),
      ),
    list: offsets.list.bind(offsets),
    state: offsets.state.bind(offsets),
    close: () => offsets.close(),
    [Symbol.asyncDispose]: () => offsets.close(),
  };
}

beforeEach(() => {
  vi.useFakeTimers();
});

afterEach(async () => {
  await vi.runOnlyPendingTimersAsync();
  vi.useRealTimers();
});

describe('seek', () => {
  it('back: what comes next begins there, and so does the next life, in the store and in the group', async () => {
    const s = scene(new Brokers(10));
    const first = await run(s, s.source$.pipe(commit()), 0);
    await pass(2_000);
    expect([first.seen, s.stored(), s.brokers.committed.get(0)]).toEqual([places(0, 0, 10), [10], 10]);

    const sought = outcome(s.source$.seek(at(0, 4)));
    await pass(300);
    expect(sought.value).toEqual([at(0, 4)]);
    expect(first.seen).toEqual([...places(0, 0, 10), ...places(0, 4, 10)]);
    expect(s.ofType('seek')).toEqual([{ type: 'seek', group: GROUP, partitions: [at(0, 4)] }]);
    first.stop();
    await pass(1_000);
    expect([s.stored(), s.brokers.committed.get(0)]).toEqual([[10], 10]);
  });

  it('forward: what lies between is not read', async () => {
    const s = scene(new Brokers(5));
    const { seen, stop } = await run(s, s.source$.pipe(commit()), 0);
    const sought = outcome(s.source$.seek({ to: 'latest' }));
    await pass(200);
    for (let n = 0; n < 3; n += 1) s.brokers.write(0, RECORD);
    await pass(200);
    expect(sought.value).toEqual([at(0, 5)]);
    expect(seen).toEqual(places(0, 0, 8));
    stop();
  });

  it('emits nothing from there before it is remembered', async () => {
    const open$ = new Subject<void>();
    const offsets = memoryOffsets();
    const s = scene(new Brokers(6), {}, slow(offsets, open$));
    const { seen, stop } = await run(s, s.source$.pipe(commit()), 0);
    const sought = outcome(s.source$.seek({ to: 'earliest' }));
    await pass(5_000);
    expect([seen, sought.value]).toEqual([places(0, 0, 6), undefined]);
    open$.next();
    await pass(300);
    expect([seen, sought.value]).toEqual([[...places(0, 0, 6), ...places(0, 0, 6)], [at(0, 0)]]);
    stop();
  });

  it('sets the group back before the store: it is never ahead', async () => {
    const open$ = new Subject<void>();
    const s = scene(new Brokers(6), {}, slow(memoryOffsets(), open$));
    const { stop } = await run(s, s.source$.pipe(commit()), 0);
    await pass(2_000);
    expect([s.stored(), s.brokers.committed.get(0)]).toEqual([[6], 6]);
    const sought = outcome(s.source$.seek(at(0, 2)));
    await pass(3_000);
    expect([s.stored(), s.brokers.committed.get(0), sought.value]).toEqual([[6], 2, undefined]);
    open$.next();
    await pass(300);
    expect(sought.value).toEqual([at(0, 2)]);
    stop();
  });

  it('fences what is in flight: it is late, counted, and gives its credit back', async () => {
    const done$ = new Subject<void>();
    let isSlow = true;
    const s = scene(new Brokers(8), { maxInFlight: 4 });
    const held$ = done$.pipe(take(1));
    const slow$ = s.source$.pipe(mergeMap((record) => (isSlow ? held$.pipe(map(() => record)) : of(record))));
    const { seen, stop } = await run(s, slow$.pipe(commit()), 0);
    isSlow = false;
    const sought = outcome(s.source$.seek(at(0, 1)));
    await pass(300);
    expect([sought.value, seen, s.stored()]).toEqual([[at(0, 1)], places(0, 1, 8), [8]]);
    done$.next();
    await pass(2_000);
    expect(seen).toEqual([...places(0, 1, 8), ...places(0, 0, 4)]);
    expect(s.ofType('late')).toMatchObject([{ completions: 4 }]);
    expect(s.stored()).toEqual([8]);
    stop();
  });

  it('of several partitions moves those that are meant; the last target counts', async () => {
    const s = scene(new Brokers(3, 3, 3));
    const { seen, stop } = await run(s, s.source$.pipe(commit()), 0, 1, 2);
    seen.length = 0;
    const sought = outcome(s.source$.seek([{ to: 'earliest' }, { topic: TOPIC, partition: 2, to: 'latest' }, at(1, 2)]));
    await pass(300);
    expect(sought.value).toEqual([at(0, 0), at(1, 2), at(2, 3)]);
    expect([...seen].sort()).toEqual([...places(0, 0, 3), '1/2']);
    stop();
  });

  it('goes on where it was if the group cannot be set back', async () => {
    const s = scene(new Brokers(6), { maxInFlight: 100 });
    const { seen, member, stop } = await run(s, s.source$.pipe(commit()), 0);
    await pass(2_000);
    const refusing$ = vi.spyOn(member, 'commit');
    refusing$.mockImplementation(() => throwError(() => new BrokerError('no right', { kafkaCode: 30 })));
    const sought = outcome(s.source$.seek(at(0, 2)));
    await pass(300);
    refusing$.mockRestore();
    expect(sought.error).toBeInstanceOf(BrokerError);
    expect([s.stored(), s.brokers.committed.get(0)]).toEqual([[6], 6]);
    s.brokers.write(0, RECORD);
    await pass(2_000);
    expect([seen, s.stored(), s.brokers.committed.get(0)]).toEqual([places(0, 0, 7), [7], 7]);
    expect(s.ofType('seek')).toEqual([]);
    stop();
  });

  it('waits until the group takes its offsets again', async () => {
    const s = scene(new Brokers(6));
    const { seen, member, stop } = await run(s, s.source$.pipe(commit()), 0);
    await pass(2_000);
    member.refusesCommit = true;
    const sought = outcome(s.source$.seek(at(0, 2)));
    await pass(1_000);
    expect([sought.value, seen]).toEqual([[at(0, 2)], [...places(0, 0, 6), ...places(0, 2, 6)]]);
    stop();
  });

  it('does not let the group follow what is finished while it is set back', async () => {
    const s = scene(new Brokers(6), { maxInFlight: 2 });
    const done$ = new Subject<void>();
    const held$ = done$.pipe(take(1));
    const { member, stop } = await run(s, s.source$.pipe(mergeMap((record) => held$.pipe(map(() => record)))).pipe(commit()), 0);
    done$.next();
    await pass(2_000);
    expect(s.brokers.committed.get(0)).toBe(2);
    // The group answers after a while, in which the next two are finished.
    const answer$ = new Subject<void>();
    const commits: (readonly Position[])[] = [];
    const waiting$ = vi.spyOn(member, 'commit');
    waiting$.mockImplementation((positions) => {
      commits.push(positions);
      return answer$.pipe(
        take(1),
        tap(() => s.brokers.committed.set(0, 1)),
        ignoreElements(),
      );
    });
    const sought = outcome(s.source$.seek(at(0, 1)));
    await pass(10);
    done$.next();
    await pass(3_000);
    expect([s.stored(), s.brokers.committed.get(0), commits]).toEqual([[4], 2, [[at(0, 1)]]]);
    answer$.next();
    waiting$.mockRestore();
    await pass(3_000);
    expect([sought.value, s.stored(), s.brokers.committed.get(0)]).toEqual([[at(0, 1)], [1], 1]);
    stop();
  });

  it('ends the stream if the store fails', async () => {
    const failure = new StoreFailedError('the disk is gone');
    const failing$ = defer(() => {
      throw failure;
    });
    const s = scene(new Brokers(6), {}, slow(memoryOffsets(), failing$));
    const result = await run(s, s.source$.pipe(commit()), 0);
    const sought = outcome(s.source$.seek(at(0, 2)));
    await pass(300);
    expect([sought.error, result.error]).toEqual([failure, failure]);
  });

  it('is done in its turn: several at a time, and while the pipeline holds up a rebalance', async () => {
    const s = scene(new Brokers(4, 4));
    const { seen, member, stop } = await run(s, s.source$.pipe(commit()), 0);
    const sought = [at(0, 3), at(0, 1), at(0, 2)].map((position) => outcome(s.source$.seek(position)));
    member.give(1);
    const both = outcome(s.source$.seek({ to: 'latest' }));
    await pass(1_000);
    expect(sought.map(({ value }) => value)).toEqual([[at(0, 3)], [at(0, 1)], [at(0, 2)]]);
    expect(both.value).toEqual([at(0, 4), at(1, 4)]);
    expect(seen.filter((place) => place.startsWith('0')).slice(0, 4)).toEqual(places(0, 0, 4));
    stop();
  });
});

describe('a group that was set back to its beginning', () => {
  it('is begun there by another store, wherever else that would begin', async () => {
    const s = scene(new Brokers(6), { from: 'latest' });
    s.brokers.committed.set(0, 0);
    const { seen, stop } = await run(s, s.source$.pipe(commit()), 0);
    expect(seen).toEqual(places(0, 0, 6));
    expect(s.ofType('stale')).toEqual([]);
    stop();
  });
});

describe('a store that is set back because its topic was created anew', () => {
  it('has the group set back before it: the next life does not take its old offset for that of others', async () => {
    const offsets = memoryOffsets();
    const before = scene(new Brokers(6), {}, offsets);
    (await run(before, before.source$.pipe(commit()), 0)).stop();
    await pass(1_000);
    const s = scene(new Brokers(3), { onOutOfRange: 'earliest' }, offsets);
    s.brokers.committed.set(0, 6);
    const { seen, stop } = await run(s, s.source$, 0);
    await pass(500);
    expect([seen, s.stored(), s.brokers.committed.get(0)]).toEqual([places(0, 0, 3), [0], 0]);
    stop();
  });
});

describe('a seek and a rebalance', () => {
  it('of the same partition: what was remembered holds for whoever has it next, and nothing comes meanwhile', async () => {
    const open$ = new Subject<void>();
    const s = scene(new Brokers(6), {}, slow(memoryOffsets(), open$));
    const { seen, member, stop } = await run(s, s.source$.pipe(commit()), 0);
    const sought = outcome(s.source$.seek(at(0, 2)));
    await pass(300);
    member.take(0);
    await pass(300);
    expect(member.asked).toBe(true);
    open$.next();
    await pass(300);
    expect([sought.value, member.asked, seen]).toEqual([[at(0, 2)], false, places(0, 0, 6)]);
    member.give(0);
    await pass(300);
    expect(seen).toEqual([...places(0, 0, 6), ...places(0, 2, 6)]);
    stop();
  });

  it('that takes the partition away while the group is being set back: rejected, and the store is as it was', async () => {
    const s = scene(new Brokers(6));
    const { member, stop } = await run(s, s.source$.pipe(commit()), 0);
    await pass(2_000);
    const answer$ = new Subject<void>();
    const waiting$ = vi.spyOn(member, 'commit');
    waiting$.mockImplementation(() => answer$.pipe(take(1), ignoreElements()));
    const sought = outcome(s.source$.seek(at(0, 2)));
    await pass(10);
    member.take(0);
    answer$.next();
    waiting$.mockRestore();
    await pass(300);
    expect(sought.error).toBeInstanceOf(NotAssignedError);
    expect([s.stored(), s.brokers.committed.get(0), member.asked]).toEqual([[6], 6, false]);
    stop();
  });

  it('of another partition: the client is left alone while the group waits for its answer', async () => {
    const open$ = new Subject<void>();
    const s = scene(new Brokers(6, 6), {}, slow(memoryOffsets(), open$));
    const { seen, member, error, stop } = await run(s, s.source$.pipe(commit()), 0, 1);
    seen.length = 0;
    const sought = outcome(s.source$.seek(at(0, 2)));
    await pass(300);
    member.take(1);
    open$.next();
    await pass(300);
    expect([sought.value, seen, error]).toEqual([[at(0, 2)], places(0, 2, 6), undefined]);
    stop();
  });

  it('that takes the partition away before: rejected', async () => {
    const s = scene(new Brokers(6));
    const { member, stop } = await run(s, s.source$.pipe(commit()), 0);
    member.take(0);
    const sought = outcome(s.source$.seek(at(0, 2)));
    await pass(300);
    expect(sought.error).toBeInstanceOf(NotAssignedError);
    expect(sought.error).toMatchObject({ partitions: [{ topic: TOPIC, partition: 0 }] });
    stop();
  });
});

describe('what cannot be sought', () => {
  it('is a NotAssignedError: before it is subscribed to, before it has partitions, one that it has not, and while it stops', async () => {
    const s = scene(new Brokers(3, 3), { drainTimeoutMs: 1_000 });
    const stop$ = new Subject<void>();
    await expect(s.source$.seek({ to: 'earliest' })).rejects.toThrow(NotAssignedError);
    const joining = await run(s, s.source$.pipe(takeUntil(stop$), delay(500), commit()));
    const early = outcome(s.source$.seek({ to: 'earliest' }));
    await pass(0);
    expect(early.error).toBeInstanceOf(NotAssignedError);
    joining.member.give(0);
    await pass(200);
    const some = outcome(s.source$.seek([at(0, 1), at(1, 1)]));
    await pass(200);
    expect(some.error).toMatchObject({ code: 'NOT_ASSIGNED', partitions: [{ topic: TOPIC, partition: 1 }] });
    expect(s.ofType('seek')).toEqual([]);
    stop$.next();
    const late = outcome(s.source$.seek(at(0, 1)));
    await pass(0);
    expect(late.error).toBeInstanceOf(NotAssignedError);
    await pass(2_000);
    const gone = outcome(s.source$.seek(at(0, 1)));
    await pass(0);
    expect(gone.error).toBeInstanceOf(NotAssignedError);
  });

  it('is answered also if the source leaves meanwhile', async () => {
    const s = scene(new Brokers(6), {}, slow(memoryOffsets(), new Subject()));
    const { stop } = await run(s, s.source$.pipe(commit()), 0);
    const sought = outcome(s.source$.seek(at(0, 2)));
    await pass(100);
    stop();
    await pass(1_000);
    expect(sought.error).toBeInstanceOf(NotAssignedError);
  });

  it('is an offset that the log does not hold, unless `onOutOfRange` says where to go', async () => {
    const s = scene(new Brokers(6));
    const { seen, stop } = await run(s, s.source$.pipe(commit()), 0);
    const sought = outcome(s.source$.seek(at(0, 7)));
    await pass(300);
    expect(sought.error).toBeInstanceOf(OffsetOutOfRangeError);
    s.brokers.write(0, RECORD);
    await pass(300);
    expect(seen).toEqual(places(0, 0, 7));
    stop();
    const lenient = scene(new Brokers(6), { onOutOfRange: 'earliest' });
    const again = await run(lenient, lenient.source$.pipe(commit()), 0);
    const moved = outcome(lenient.source$.seek(at(0, 7)));
    await pass(300);
    expect([moved.value, again.seen]).toEqual([[at(0, 0)], [...places(0, 0, 6), ...places(0, 0, 6)]]);
    again.stop();
  });

  it('is a partition of a group whose partitions come all together', async () => {
    const s = scene(new Brokers(6));
    const { member, stop } = await run(s, s.source$.pipe(commit()), 0);
    member.incremental = false;
    const sought = outcome(s.source$.seek(at(0, 2)));
    await pass(300);
    expect(sought.error).toBeInstanceOf(OptionError);
    stop();
  });

  it('is what is no target', async () => {
    const { source$ } = scene(new Brokers(1));
    const wrong: readonly [unknown, RegExp][] = [
      [[], /no position was given/],
      ['earliest', /a target is/],
      [{}, /either an `offset`, or a place `to`/],
      [{ to: 'middle' }, /`to` must be 'earliest'/],
      [{ to: -1 }, /`to` must be/],
      [{ to: 1, offset: 1 }, /either/],
      [{ offset: 1 }, /needs a `topic`/],
      [{ ...at(0, 1.5) }, /`offset` must be/],
      [{ topic: 'no good name', to: 1 }, /no name of a topic/],
      [{ partition: -1, to: 1 }, /`partition` must be/],
      [{ form: 'earliest', to: 1 }, /unknown option `form`/],
    ];
    for (const [target, message] of wrong) {
      const rejected = expect(source$.seek(target as never)).rejects;
      await rejected.toThrow(OptionError);
      await expect(source$.seek(target as never)).rejects.toThrow(message);
    }
  });
});

describe('several subscriptions of one source', () => {
  it('are members of their own: a partition is sought where it is', async () => {
    const s = scene(new Brokers(3, 3));
    const one = await run(s, s.source$.pipe(commit()), 0);
    const other = await run(s, s.source$.pipe(commit()), 1);
    const sought = outcome(s.source$.seek(at(1, 1)));
    await pass(300);
    expect([sought.value, one.seen, other.seen]).toEqual([[at(1, 1)], places(0, 0, 3), [...places(1, 0, 3), ...places(1, 1, 3)]]);
    const all = outcome(s.source$.seek({ to: 2 }));
    await pass(300);
    expect(all.value).toEqual([at(0, 2), at(1, 2)]);
    one.stop();
    await pass(1_000);
    const gone = outcome(s.source$.seek([at(0, 0), at(1, 0)]));
    await pass(300);
    expect(gone.error).toMatchObject({ code: 'NOT_ASSIGNED', partitions: [{ topic: TOPIC, partition: 0 }] });
    other.stop();
  });
});
