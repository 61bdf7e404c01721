import type { Observable } from 'rxjs';
import { NEVER, Subject, concatMap, delay, filter, finalize, map, merge, mergeMap, of, retry, take, takeUntil } from 'rxjs';
import { afterEach, beforeEach, describe, expect, it, vi } from 'vitest';
import { FencedError, OptionError, StalledError, UnknownTopicError } from '../../src/errors.js';
import type { KafkaEvent } from '../../src/events.js';
import type { KafkaOptions } from '../../src/kafka.js';
import { Kafka } from '../../src/kafka.js';
import type { Checkpoint, OffsetStore } from '../../src/offsets/store.js';
import { memoryOffsets } from '../../src/offsets/memory.js';
import { batch } from '../../src/operators/batch.js';
import { commit } from '../../src/operators/commit.js';
import { release } from '../../src/operators/release.js';
import type { KafkaRecord } from '../../src/record.js';
import { groupSource } from '../../src/sources/groupSource.js';
import { resolveSourceOptions } from '../../src/sources/sourceOptions.js';
import type { FromTopicOptions } from '../../src/sources/topic.js';
import type { MemberSettings } from '../support/member.js';
import { Brokers, FakeMember, TOPIC } from '../support/member.js';

const GROUP = 'billing';

/** A source as `fromTopic` makes it, whose members join a group without a broker. */
function scene(brokers: Brokers, { logger, ...settings }: Pick<KafkaOptions, 'logger'> & MemberSettings = {}) {
  const members: FakeMember[] = [];
  const kafka = new Kafka({ brokers: ['localhost:9092'], ...(logger === undefined ? {} : { logger }) });
  const events: KafkaEvent[] = [];
  void kafka.events$.forEach((event) => events.push(event));
  const offsets = memoryOffsets();
  return {
    brokers,
    kafka,
    events,
    members,
    records$: ({ group = GROUP, offsets: store = offsets, mirror = true, ...options }: Partial<FromTopicOptions> = {}) =>
      groupSource({
        group,
        offsets: () => store,
        mirror,
        onStateStale: () => undefined,
        source: resolveSourceOptions('fromTopic', options),
        member: (listener) => {
          const member = new FakeMember(brokers, listener, settings);
          members.push(member);
          return member;
        },
        emit: (event) => {
          kafka.emit(event);
        },
        register: (session) => kafka.register(session),
      }),
    ofType: <T extends KafkaEvent['type']>(type: T) =>
      events.filter((event): event is Extract<KafkaEvent, { type: T }> => event.type === type),
    /** What is remembered: the frontier of each partition, and the runs beyond it. */
    stored: () => {
      const [checkpoints] = [...(offsets.list(GROUP) as Iterable<readonly Checkpoint[]>)];
      return (checkpoints ?? []).map(({ partition, frontier, runs }) => [partition, frontier, ...runs]);
    },
  };
}

/** The member that joined as the n-th, once it is connected. */
async function member({ members }: { members: readonly FakeMember[] }, n = 0): Promise<FakeMember> {
  await pass(0);
  const found = members[n];
  if (found === undefined) throw new Error(`no member ${n} has joined`);
  return found;
}

function pass(ms: number): Promise<unknown> {
  return vi.advanceTimersByTimeAsync(ms);
}

const where = ({ partition, offset }: KafkaRecord): string => `${partition}/${offset}`;

/** Work that ends when it is told to. */
function holding() {
  const held: KafkaRecord[] = [];
  const done$ = new Subject<KafkaRecord>();
  return {
    held,
    work: mergeMap((record: KafkaRecord) => {
      held.push(record);
      return done$.pipe(
        filter((done) => done === record),
        take(1),
      );
    }),
    finish: (these: (record: KafkaRecord) => boolean = () => true) => {
      for (const record of held.filter(these)) {
        held.splice(held.indexOf(record), 1);
        done$.next(record);
      }
    },
  };
}

/** A store in which others have taken over everything by the time that something is written; it answers when it is told to. */
function refusing(answer$: Observable<unknown> = of(undefined)): OffsetStore {
  const offsets = memoryOffsets();
  return {
    claim: (group, partitions) => offsets.claim(group, partitions),
    write: (_group, checkpoints) =>
      answer$.pipe(
        map(() => checkpoints),
        take(1),
      ),
    reset: (group, checkpoints) => offsets.reset(group, checkpoints),
    list: (group) => offsets.list(group),
    state: (name) => offsets.state(name),
    close: () => offsets.close(),
    [Symbol.asyncDispose]: () => offsets.close(),
  };
}

/** Subscribes, and keeps what arrived. */
function run(stream$: Observable<KafkaRecord>) {
  const result = { seen: [] as string[], error: undefined as unknown, completed: false };
  const subscription = stream$.subscribe({
    next: (record) => result.seen.push(where(record)),
    error: (error: unknown) => {
      result.error = error;
    },
    complete: () => {
      result.completed = true;
    },
  });
  return Object.assign(result, {
    stop: () => {
      subscription.unsubscribe();
    },
  });
}

const uncaught: unknown[] = [];
const onUncaught = (error: unknown): void => {
  uncaught.push(error);
};

beforeEach(() => {
  vi.useFakeTimers();
  uncaught.length = 0;
  process.on('uncaughtException', onUncaught);
  process.on('unhandledRejection', onUncaught);
});

afterEach(async () => {
  await vi.runOnlyPendingTimersAsync();
  vi.useRealTimers();
  process.off('uncaughtException', onUncaught);
  process.off('unhandledRejection', onUncaught);
});

describe('a session', () => {
  it('tells how many records were finished after their partition was gone, once a second and when it leaves', async () => {
    const s = scene(new Brokers(5, 3));
    const { work, finish } = holding();
    const { stop } = run(s.records$({ drainTimeoutMs: 100 }).pipe(work, commit()));
    const m = await member(s);
    m.give(0, 1);
    await pass(200);
    m.take(0);
    await pass(300);
    const gone = ({ partition }: KafkaRecord) => partition === 0;
    finish((record) => gone(record) && record.offset < 2);
    finish((record) => gone(record) && record.offset === 2);
    expect(s.ofType('late')).toEqual([]);
    await pass(1_000);
    const partitions = [{ topic: TOPIC, partition: 0 }];
    expect(s.ofType('late')).toEqual([{ type: 'late', group: GROUP, partitions, completions: 3 }]);
    finish(gone);
    expect(s.stored()).toEqual([]);
    finish();
    stop();
    await pass(200);
    expect(s.ofType('late').map(({ completions }) => completions)).toEqual([3, 2]);
  });

  it('errors when another subscription has taken a partition over, and the group does not take it away', async () => {
    const s = scene(new Brokers(5));
    const result = run(s.records$({ offsets: refusing() }).pipe(commit()));
    const m = await member(s);
    m.give(0);
    await pass(5_000);
    expect(s.ofType('lost').map(({ partitions }) => partitions)).toEqual([[{ topic: TOPIC, partition: 0 }]]);
    expect(result.error).toBeUndefined();
    await pass(10_000);
    expect(result.error).toBeInstanceOf(FencedError);
  });

  it('does not dispute what the group has taken away before, or soon after, the store says that another one has it', async () => {
    const s = scene(new Brokers(5, 5));
    const held$ = new Subject<void>();
    const result = run(s.records$({ offsets: refusing(held$), drainTimeoutMs: 100 }).pipe(commit()));
    const m = await member(s);
    m.give(0, 1);
    await pass(200);
    m.take(0);
    await pass(1_000);
    expect(s.ofType('revoked')).toHaveLength(1);
    held$.next();
    await pass(1_000);
    expect(s.ofType('lost').map(({ partitions }) => partitions)).toEqual([[{ topic: TOPIC, partition: 1 }]]);
    m.take(1);
    await pass(60_000);
    expect(result.error).toBeUndefined();
  });

  it('that is left while it takes partitions never says that it has them', async () => {
    const s = scene(new Brokers(5));
    const { stop } = run(s.records$().pipe(commit()));
    const m = await member(s);
    m.give(0);
    stop();
    await pass(200);
    expect(s.ofType('assigned')).toEqual([]);
    expect(m.closed).toBe(true);
  });

  it('reads, commits, and leaves when it is unsubscribed from', async () => {
    const s = scene(new Brokers(5, 3));
    const { seen, stop } = run(s.records$().pipe(commit()));
    const m = await member(s);
    m.give(0, 1);
    await pass(200);
    expect(seen).toEqual(['0/0', '0/1', '0/2', '0/3', '0/4', '1/0', '1/1', '1/2']);
    expect(s.stored()).toEqual([
      [0, 5],
      [1, 3],
    ]);
    stop();
    await pass(500);
    expect([m.closed, m.asked]).toEqual([true, false]);
    expect(s.events.map(({ type }) => type)).toEqual(['assigned', 'revoked']);
  });

  it('emits records that found no credit only on the lanes that they were read for', async () => {
    const s = scene(new Brokers(105, 400));
    const { held, work, finish } = holding();
    // Thirty records are all that may be out; the rest of the batch waits, and records of partition 0 are among it.
    const { stop } = run(s.records$({ maxInFlightBytes: 300, drainTimeoutMs: 200 }).pipe(work, commit()));
    const m = await member(s);
    m.order.push([0, 5], [1, 400], [0, 100]);
    m.give(0, 1);
    await pass(500);
    const of0 = (): number[] => held.filter(({ partition }) => partition === 0).map(({ offset }) => offset);
    expect([held.length, of0(), m.position(0)]).toEqual([30, [0, 1, 2, 3, 4], 105]);

    m.take(0);
    await pass(400);
    expect([m.asked, m.position(0)]).toEqual([false, undefined]);
    m.give(0);
    await pass(100);
    expect(m.position(0)).toBe(0);
    const before = held.length;
    for (let turn = 0; turn < 40; turn += 1) {
      finish(({ partition }) => partition === 1);
      await pass(10);
    }
    // Nothing of it was finished in time, so it begins at the beginning.
    const again = of0().slice(5);
    expect(before).toBeGreaterThan(5);
    expect(again).toEqual(Array.from({ length: 30 }, (_, offset) => offset));
    stop();
  });

  it('has records that are kept back let go when their partition is taken away', async () => {
    const s = scene(new Brokers(3));
    const { stop } = run(
      s.records$({ drainTimeoutMs: 60_000 }).pipe(
        batch({ maxMs: Infinity }),
        commit(),
        mergeMap((records) => records),
      ),
    );
    const m = await member(s);
    m.give(0);
    await pass(500);
    expect([m.position(0), s.stored()]).toEqual([3, []]);
    m.take(0);
    await pass(500);
    expect([m.asked, s.stored()]).toEqual([false, [[0, 3]]]);
    stop();
  });

  // A revoke waits for the read that is in flight when it begins, not for one that is when it ends: if the partition comes back while that one
  // still holds records, they would open the new lane, which would pass over all before them. librdkafka asks with its reads; this does not.
  it('begins a partition anew only when no read from before is in flight', async () => {
    const s = scene(new Brokers(20), { readMs: () => 50, givesDuringReads: true });
    const { held, work, finish } = holding();
    const { stop } = run(s.records$({ maxInFlight: 2, mirror: false }).pipe(work, commit()));
    const m = await member(s);
    m.give(0);
    await pass(500);
    expect([held.map(where), m.position(0)]).toEqual([['0/0', '0/1'], 3]);
    m.take(0);
    // Until the next sip is under way.
    for (const before = m.reads.length; m.reads.length === before;) await pass(10);
    finish();
    await pass(0);
    expect([m.asked, s.stored()]).toEqual([false, [[0, 2]]]);
    m.give(0);
    await pass(2_000);
    stop();
    expect(held[0]?.offset).toBe(2);
  });
});

describe('a drought', () => {
  it('pauses only when nothing went out of the backlog for 64 sips, also what is given meanwhile, and resumes', async () => {
    const s = scene(new Brokers(100, 100));
    const { held, work, finish } = holding();
    const { stop } = run(s.records$({ maxInFlight: 10 }).pipe(work, commit()));
    const m = await member(s);
    m.give(0);
    await pass(15_000);
    expect([m.pauses, held.length]).toEqual([0, 10]);
    await pass(3_000);
    expect([m.pauses, m.resumes, [...m.paused]]).toEqual([1, 0, [0]]);
    const read = m.position(0) as number;
    // Ten are out, and each sip brought one.
    expect(read).toBeLessThanOrEqual(10 + 64);

    m.give(1);
    await pass(60_000);
    expect([m.position(0), m.position(1)]).toEqual([read, 0]);
    expect([...m.paused]).toEqual([0, 1]);

    for (let turn = 0; turn < 20; turn += 1) {
      finish();
      await pass(10);
    }
    expect([m.resumes, m.paused.size]).toEqual([1, 0]);
    expect(m.position(1)).toBeGreaterThan(0);
    stop();
  });

  it('is none where bytes trickle back, however often a batch finds no credit', async () => {
    const s = scene(new Brokers(20_000));
    const { seen, stop } = run(
      s.records$({ maxInFlightBytes: 300 }).pipe(
        mergeMap((record) => of(record).pipe(delay(10))),
        commit(),
      ),
    );
    const m = await member(s);
    m.give(0);
    await pass(3_000);
    expect([m.pauses, seen.length > 3_000]).toEqual([0, true]);
    stop();
  });

  it('ends with a StalledError, but never where `stallAfterMs` is Infinity', { timeout: 20_000 }, async () => {
    const [impatient, patient] = [scene(new Brokers(100)), scene(new Brokers(100))];
    const first = run(
      impatient.records$({ maxInFlight: 10, stallAfterMs: 2_000 }).pipe(
        mergeMap(() => NEVER),
        commit(),
      ),
    );
    const second = run(
      patient.records$({ maxInFlight: 10, stallAfterMs: Infinity }).pipe(
        mergeMap(() => NEVER),
        commit(),
      ),
    );
    for (const s of [impatient, patient]) (await member(s)).give(0);
    await pass(3_000);
    expect(first.error).toBeInstanceOf(StalledError);
    expect(first.error).toMatchObject({ positions: [{ topic: TOPIC, partition: 0, offset: 0 }], open: 10 });
    await pass(600_000);
    expect(second.error).toBeUndefined();
    second.stop();
  });
});

describe('leaving', () => {
  it('is hurried by a new subscription: `retry` above `commit` goes on after `drainTimeoutMs`', async () => {
    const s = scene(new Brokers(100));
    let failures = 0;
    function work(record: KafkaRecord): Observable<KafkaRecord> {
      if (record.offset === 50 && failures++ === 0) throw new RangeError('once');
      return of(record).pipe(delay(1));
    }
    const { seen, stop } = run(s.records$({ drainTimeoutMs: 500 }).pipe(concatMap(work), retry({ delay: 100 }), commit()));
    (await member(s)).give(0);
    await pass(400);
    expect(failures).toBe(1);
    // The first member still has records out that nobody will finish, and a commit() that waits for them.
    expect([s.members.length, s.members[0]?.closed]).toEqual([2, false]);
    await pass(1_000);
    expect(s.members[0]?.closed).toBe(true);
    s.members[1]?.give(0);
    await pass(1_000);
    expect(new Set(seen).size).toBe(100);
    expect(s.stored()).toEqual([[0, 100]]);
    stop();
  });

  it('ends when nothing was finished for `stallAfterMs`, and says so; what is only slow may take its time', async () => {
    const brokers = new Brokers(10);
    const s = scene(brokers);
    const stop$ = new Subject<void>();
    // One commit() below two sources: that the first has ended is no reason for it to go. Record 9 is dropped without a word.
    const both$ = merge(s.records$({ stallAfterMs: 2_000 }).pipe(takeUntil(stop$)), s.records$({ group: 'other' }));
    const { stop } = run(
      both$.pipe(
        concatMap((record) => of(record).pipe(delay(1_500))),
        filter(({ offset }) => offset !== 9),
        commit(),
      ),
    );
    const m = await member(s);
    m.give(0);
    await pass(2_000);
    stop$.next();
    await pass(12_000);
    expect([m.closed, s.stored()]).toEqual([false, [[0, 9]]]);
    await pass(5_000);
    expect(m.closed).toBe(true);
    expect(s.ofType('notice').map(({ message }) => message)).toEqual([
      expect.stringContaining('nothing was finished for 2000 ms: it leaves'),
    ]);
    expect(s.ofType('revoked')).toMatchObject([{ unfinished: 1 }]);
    stop();
  });

  it('waits as long as it is told to, Infinity too', async () => {
    for (const drainTimeoutMs of [2 ** 31, Infinity]) {
      const s = scene(new Brokers(10));
      const { work, finish } = holding();
      const { stop } = run(s.records$({ drainTimeoutMs, stallAfterMs: 2 ** 40 }).pipe(work, commit({ everyMs: 2 ** 31 })));
      const m = await member(s);
      m.give(0);
      await pass(200);
      m.take(0);
      await pass(60_000);
      expect([m.asked, s.stored()]).toEqual([true, []]);
      finish();
      await pass(200);
      expect([m.asked, s.stored()]).toEqual([false, [[0, 10]]]);
      stop();
      await pass(1_000);
    }
  });

  it('answers what the group gives and takes meanwhile, and starts nothing of it', async () => {
    const s = scene(new Brokers(10, 10));
    const stop = new AbortController();
    const { held, work, finish } = holding();
    const result = run(s.records$({ signal: stop.signal, drainTimeoutMs: 500 }).pipe(work, commit()));
    const m = await member(s);
    m.give(0);
    await pass(200);
    // From now on the source knows that there is somebody who finishes records.
    finish(({ offset }) => offset === 0);
    stop.abort();
    await pass(200);
    m.give(1);
    await pass(200);
    expect([m.asked, m.position(1)]).toEqual([false, undefined]);
    m.take(1);
    await pass(2_000);
    expect(m.asked).toBe(false);
    m.give(1);
    await pass(200);
    m.take(0, 1);
    await pass(400);
    expect([m.asked, m.closed, held.length]).toEqual([true, false, 9]);
    finish();
    await pass(500);
    expect([m.closed, result.completed, result.error]).toEqual([true, true, undefined]);
    expect(s.stored()).toEqual([[0, 10]]);
    expect(s.ofType('error')).toEqual([]);
  });

  it('answers also when an answer before has failed', async () => {
    const s = scene(new Brokers(10, 10, 10));
    const { work, finish } = holding();
    // The failure ends this subscription; the work below goes on, so the member stays for it.
    const result = run(s.records$({ drainTimeoutMs: 100 }).pipe(retry({ delay: 60_000 }), work, commit()));
    const m = await member(s);
    m.give(0, 1);
    await pass(200);
    finish(({ offset }) => offset === 0);
    m.refusesAnswer = true;
    m.take(0);
    await pass(400);
    // The fake still waits for the answer, as the client would; the group gives up, and asks the next question.
    expect([m.asked, m.closed, result.error]).toEqual([true, false, undefined]);
    m.forget();
    m.give(2);
    await pass(400);
    expect(m.asked).toBe(false);
    m.take(2);
    await pass(400);
    expect(m.asked).toBe(false);
    finish();
    await pass(1_000);
    expect(m.closed).toBe(true);
    result.stop();
  });
});

describe('a value that has lost its position', () => {
  it.each([
    ['commit', commit<KafkaRecord>()],
    ['release', release<KafkaRecord>()],
  ])('errors the stream at %s', async (operator, by) => {
    const s = scene(new Brokers(10));
    const bare$ = s.records$({ drainTimeoutMs: 100 }).pipe(map(({ offset }) => ({ offset }) as KafkaRecord));
    const result = run(by(bare$));
    const m = await member(s);
    m.give(0);
    await pass(1_000);
    expect(result.error).toBeInstanceOf(OptionError);
    expect((result.error as Error).message).toContain(`${operator}: a value has lost the position of its record`);
    expect([result.seen, s.stored(), m.closed, uncaught]).toEqual([[], [], true, []]);
  });
});

describe('what ends a stream, and what does not', () => {
  const unknownTopic = { code: 3, message: 'unknown topic or partition' };

  it('a topic that came with a pattern was deleted: an event', async () => {
    const s = scene(new Brokers(10));
    const result = run(s.records$().pipe(commit()));
    const m = await member(s);
    m.give(0);
    m.failNext(unknownTopic);
    await pass(500);
    expect(s.ofType('error')).toMatchObject([{ error: { code: 'BROKER', kafkaCode: 3 } }]);
    expect([result.error, result.seen.length]).toEqual([undefined, 10]);
    result.stop();
  });

  it('a topic that was named was deleted: an UnknownTopicError with the missing ones', async () => {
    const s = scene(new Brokers(10));
    const result = run(s.records$().pipe(commit()));
    const m = await member(s);
    m.give(0);
    s.brokers.missing = ['gone'];
    m.failNext(unknownTopic);
    await pass(500);
    expect(result.error).toBeInstanceOf(UnknownTopicError);
    expect(result.error).toMatchObject({ topics: ['gone'] });
  });

  it('another member with the same `group.instance.id`: a FencedError', async () => {
    const s = scene(new Brokers(10));
    const result = run(s.records$().pipe(commit()));
    const m = await member(s);
    m.give(0);
    await pass(200);
    m.die('Fatal error: _FENCED: Static consumer fenced by other consumer with same group.instance.id');
    await pass(500);
    expect(result.error).toBeInstanceOf(FencedError);
    expect(result.error).toMatchObject({ partitions: [{ topic: TOPIC, partition: 0 }] });
    expect(m.closed).toBe(true);
  });

  it('another member with the same `group.instance.id`, where the read is the first to say that the client gave up: a FencedError', async () => {
    const s = scene(new Brokers(10));
    const result = run(s.records$().pipe(commit()));
    const m = await member(s);
    m.give(0);
    await pass(200);
    m.failNext({ code: -150, message: 'Local: Fatal error' });
    for (const before = m.reads.length; m.reads.length === before && result.error === undefined;) await pass(1);
    m.die('Fatal error: _FENCED: Static consumer fenced by other consumer with same group.instance.id');
    await pass(500);
    expect(result.error).toBeInstanceOf(FencedError);
  });

  it('anything else that is fatal: a BrokerError', async () => {
    const s = scene(new Brokers(10));
    const result = run(s.records$().pipe(commit()));
    (await member(s)).die('the clock ran backwards');
    await pass(500);
    expect(result.error).toMatchObject({ code: 'BROKER', kafkaCode: -150 });
  });

  it('a logger that throws: nothing', async () => {
    const fails = (): never => {
      throw new Error('the disk of the log is full');
    };
    const s = scene(new Brokers(10), { logger: { debug: () => undefined, info: fails, warn: fails, error: fails } });
    const result = run(s.records$().pipe(commit()));
    const m = await member(s);
    m.give(0);
    m.failNext({ code: -195, message: 'transport' });
    await pass(500);
    expect([result.seen.length, result.error, uncaught]).toEqual([10, undefined, []]);
    expect(new Set(s.events.map(({ type }) => type))).toEqual(new Set(['assigned', 'error']));
    await closing(s.kafka);
    expect(m.closed).toBe(true);
  });

  it('a finalizer that throws does not keep `kafka.close()` from resolving', async () => {
    const s = scene(new Brokers(10));
    const failing$ = s.records$({ drainTimeoutMs: 100 }).pipe(
      finalize(() => {
        throw new RangeError('of the user');
      }),
    );
    const result = run(failing$);
    const m = await member(s);
    m.give(0);
    await pass(200);
    expect(await closing(s.kafka)).toBe('closed');
    expect([m.closed, result.seen.length]).toEqual([true, 10]);
    expect(s.ofType('error')).toHaveLength(1);
  });
});

/** How `close()` ends, in fake time. */
async function closing(kafka: Kafka): Promise<string> {
  let how = 'is not closed';
  void kafka.close().then(
    () => {
      how = 'closed';
    },
    (error: unknown) => {
      how = String(error);
    },
  );
  await pass(5_000);
  return how;
}
