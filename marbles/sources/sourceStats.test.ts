import { NEVER, Subject, concatMap, delay, filter, from, lastValueFrom, map, mergeMap, of, take, tap } from 'rxjs';
import { afterEach, beforeEach, describe, expect, it, vi } from 'vitest';
import { LANE } from '../../src/position.js';
import type { KafkaEvent } from '../../src/events.js';
import { Kafka } from '../../src/kafka.js';
import { memoryOffsets } from '../../src/offsets/memory.js';
import type { OffsetStore } from '../../src/offsets/store.js';
import { commit } from '../../src/operators/commit.js';
import { release } from '../../src/operators/release.js';
import type { KafkaRecord } from '../../src/record.js';
import { groupSource } from '../../src/sources/groupSource.js';
import type { KafkaSource } from '../../src/sources/kafkaSource.js';
import type { SourceOptions } from '../../src/sources/sourceOptions.js';
import { resolveSourceOptions } from '../../src/sources/sourceOptions.js';
import type { PartitionStats, SourceStats } from '../../src/sources/sourceStats.js';
import { Brokers, FakeMember, TOPIC } from '../support/member.js';

const GROUP = 'billing';

/** A source whose members join a group without a broker, and all that its statistics said. */
function scene(brokers: Brokers, options: SourceOptions = {}, offsets: OffsetStore = memoryOffsets()) {
  const members: FakeMember[] = [];
  const kafka = new Kafka({ brokers: ['localhost:9092'] });
  const events: KafkaEvent[] = [];
  void kafka.events$.forEach((event) => events.push(event));
  const source$ = groupSource({
    group: GROUP,
    offsets: () => offsets,
    mirror: false,
    onStateStale: () => undefined,
    source: resolveSourceOptions('fromTopic', options),
    member: (listener) => {
      const member = new FakeMember(brokers, listener);
      members.push(member);
      return member;
    },
    emit: (event) => {
      kafka.emit(event);
    },
    register: (session) => kafka.register(session),
  });
  return { kafka, events, members, source$ };
}

function heard({ stats$ }: Pick<KafkaSource, 'stats$'>) {
  const samples: SourceStats[] = [];
  const state = { samples, completed: false, last: () => samples.at(-1) as SourceStats };
  stats$.subscribe({
    next: (stats) => samples.push(stats),
    complete: () => {
      state.completed = true;
    },
    error: () => expect.unreachable(),
  });
  return state;
}

function partition(stats: SourceStats, number = 0): PartitionStats {
  return stats.partitions.find((one) => one.partition === number) as PartitionStats;
}

/** What an earlier process has left. */
async function remember(offsets: OffsetStore, number: number, frontier: number, runs: readonly number[] = []): Promise<void> {
  const at = { topic: TOPIC, partition: number };
  const [claim] = await lastValueFrom(from(offsets.claim(GROUP, [at])), { defaultValue: [] });
  await lastValueFrom(from(offsets.write(GROUP, [{ ...at, epoch: claim?.epoch ?? 0, frontier, runs, metadata: '' }])), {
    defaultValue: [],
  });
}

const pass = (ms: number): Promise<unknown> => vi.advanceTimersByTimeAsync(ms);

async function member({ members }: { members: readonly FakeMember[] }, n = 0): Promise<FakeMember> {
  await pass(0);
  return members[n] as FakeMember;
}

/** Holds records until they are let go. */
function holding() {
  const done$ = new Subject<number>();
  return {
    work: mergeMap((record: KafkaRecord) =>
      done$.pipe(
        filter((offset) => offset === record.offset),
        take(1),
        map(() => record),
      ),
    ),
    finish: (...offsets: readonly number[]) => {
      for (const offset of offsets) done$.next(offset);
    },
  };
}

beforeEach(() => {
  vi.useFakeTimers();
});

afterEach(async () => {
  await vi.runOnlyPendingTimersAsync();
  vi.useRealTimers();
});

describe('the statistics of a source', () => {
  it('are those of its partitions, of its credits and of its commits', async () => {
    const s = scene(new Brokers(10, 4), { maxInFlight: 6, statsEveryMs: 500 });
    const stats = heard(s.source$);
    const { work, finish } = holding();
    const done = s.source$.pipe(work, commit()).subscribe();
    expect(stats.samples).toEqual([]);
    await pass(500);
    expect(stats.last()).toMatchObject({ name: GROUP, at: Date.now(), state: 'starting', partitions: [], totals: { creditsFree: 6 } });
    (await member(s)).give(0, 1);
    await pass(1_000);
    finish(1, 2, 4);
    await pass(500);
    expect(stats.last()).toMatchObject({ state: 'running', rdkafkaStats: undefined });
    const [one, two] = [partition(stats.last()), partition(stats.last(), 1)];
    // Of six credits three came back, and were used again.
    expect(one).toMatchObject({ topic: TOPIC, epoch: 1, frontier: 0, end: 10, kafkaLogSize: 10, committedLag: 10, oldestOpen: 0 });
    expect(one).toMatchObject({ position: 9, waitingKafka: 1, deliveredLag: 1, waitingLocal: 6, holes: 3, runs: 2, repeats: 0, misses: 0 });
    expect(one.oldestOpenAgeMs).toBe(1_000);
    expect(two).toMatchObject({ position: 0, waitingKafka: 4, waitingLocal: 0, oldestOpen: undefined, oldestOpenAgeMs: 0 });
    expect(stats.last().totals).toMatchObject({
      ...{ waitingKafka: 5, waitingLocal: 6, kafkaLogSize: 14, committedLag: 14, deliveredLag: 5, holes: 3, runs: 2 },
      ...{ emitted: 9, finished: 3, creditsFree: 0, creditsMax: 6, lateCompletions: 0 },
    });
    expect(stats.last().totals.bufferedBytes).toBeGreaterThanOrEqual(60);
    finish(0, 3, 5, 6, 7, 8);
    await pass(1_000);
    expect(partition(stats.last())).toMatchObject({ frontier: 9, position: 10, committedLag: 1, holes: 1, runs: 0, waitingLocal: 1 });
    done.unsubscribe();
    await pass(10_000);
  });

  it('tell how long commits take: the last, the longest and the mean of those since the sample before', async () => {
    const latencies = [30, 70, 20];
    const inner = memoryOffsets();
    const slow: OffsetStore = {
      ...inner,
      claim: (group, partitions) => inner.claim(group, partitions),
      write: (group, checkpoints) =>
        of(undefined).pipe(
          delay(latencies.shift() ?? 0),
          concatMap(() => inner.write(group, checkpoints)),
        ),
    };
    const s = scene(new Brokers(3), { statsEveryMs: 1_000 }, slow);
    const stats = heard(s.source$);
    const { work, finish } = holding();
    s.source$.pipe(work, commit()).subscribe();
    (await member(s)).give(0);
    await pass(300);
    for (const offset of [0, 1]) {
      finish(offset);
      await pass(200);
    }
    await pass(300);
    expect(stats.last().totals).toMatchObject({ commits: 2, commitLatencyMs: { last: 70, max: 70, mean: 50 } });
    finish(2);
    await pass(1_000);
    expect(stats.last().totals).toMatchObject({ commits: 3, commitLatencyMs: { last: 20, max: 20, mean: 20 } });
    await pass(1_000);
    expect(stats.last().totals).toMatchObject({ commits: 3, commitLatencyMs: { last: 20, max: 0, mean: 0 } });
    // On disk, not only finished.
    expect(partition(stats.last())).toMatchObject({ frontier: 3, committedLag: 0 });
  });

  it('take what is finished for good, and not what is about to be written', async () => {
    const inner = memoryOffsets();
    const held = { ...inner, claim: inner.claim.bind(inner), write: () => NEVER, close: () => Promise.resolve() } as unknown as OffsetStore;
    const s = scene(new Brokers(3), {}, held);
    const stats = heard(s.source$);
    s.source$.pipe(commit()).subscribe();
    (await member(s)).give(0);
    await pass(2_000);
    expect(partition(stats.last())).toMatchObject({ position: 3, waitingLocal: 0, frontier: 0, committedLag: 3, holes: 1 });
    expect(stats.last().totals).toMatchObject({ finished: 3, commits: 0 });
  });

  it('count records again that were emitted before: after a rebalance, and below what the store has as finished', async () => {
    const offsets = memoryOffsets();
    const brokers = new Brokers(10);
    const s = scene(brokers, { drainTimeoutMs: 100 }, offsets);
    const stats = heard(s.source$);
    const { work, finish } = holding();
    const done = s.source$.pipe(work, commit()).subscribe();
    const m = await member(s);
    m.give(0);
    await pass(300);
    finish(0, 1, 5);
    await pass(100);
    m.take(0);
    await pass(300);
    m.give(0);
    await pass(1_300);
    // 2, 3, 4 and 6 to 9.
    expect(partition(stats.last())).toMatchObject({ repeats: 7, epoch: 2, frontier: 2, runs: 1 });
    expect(stats.last().totals).toMatchObject({ repeats: 7, emitted: 17, finished: 3 });
    brokers.append(0, 10, 11);
    await pass(1_000);
    expect(partition(stats.last())).toMatchObject({ repeats: 7, position: 12 });
    done.unsubscribe();
    await pass(1_000);
    // Another process: it knows what is finished, and no more.
    const t = scene(brokers, {}, offsets);
    const again = heard(t.source$);
    t.source$.pipe(commit()).subscribe();
    (await member(t)).give(0);
    await pass(1_500);
    expect(partition(again.last())).toMatchObject({ repeats: 3, position: 12, committedLag: 0 });
  });

  it('count offsets that hold no record any more, but not those before a first start, nor those that were finished', async () => {
    const offsets = memoryOffsets();
    await remember(offsets, 1, 2, [4, 6, 8, 9]);
    const brokers = new Brokers(0, 0);
    brokers.append(0, 5, 6, 9, 10);
    brokers.deleteBefore(0, 5);
    // 2, 3, 6 and 7 are gone, and so are 4, 5 and 8, but those were finished.
    brokers.append(1, 9, 12);
    const s = scene(brokers, {}, offsets);
    const stats = heard(s.source$);
    s.source$.pipe(commit()).subscribe();
    (await member(s)).give(0, 1);
    await pass(2_000);
    expect(partition(stats.last())).toMatchObject({ misses: 2, position: 11, kafkaLogSize: 6 });
    expect(partition(stats.last(), 1)).toMatchObject({ misses: 4 + 2, position: 13 });
    expect(stats.last().totals).toMatchObject({ misses: 8, repeats: 0 });
  });

  it('count what was passed over because it is out of range', async () => {
    const offsets = memoryOffsets();
    await remember(offsets, 0, 2);
    const brokers = new Brokers(10);
    brokers.deleteBefore(0, 6);
    const s = scene(brokers, { onOutOfRange: 'earliest' }, offsets);
    const stats = heard(s.source$);
    s.source$.pipe(commit()).subscribe();
    (await member(s)).give(0);
    await pass(2_000);
    expect(partition(stats.last())).toMatchObject({ misses: 4, position: 10 });
  });

  it('count late completions, and say so while a rebalance is under way, and while it ends', async () => {
    const s = scene(new Brokers(3), { drainTimeoutMs: 2_500 });
    const stats = heard(s.source$);
    const { work, finish } = holding();
    const done = s.source$.pipe(work, commit()).subscribe();
    const m = await member(s);
    m.give(0);
    await pass(1_000);
    m.take(0);
    await pass(1_100);
    expect(stats.last().state).toBe('rebalancing');
    await pass(3_000);
    expect(stats.last()).toMatchObject({ state: 'running', partitions: [] });
    finish(0, 1);
    await pass(1_000);
    expect(stats.last().totals).toMatchObject({ lateCompletions: 2, emitted: 3, finished: 0, waitingLocal: 0 });
    done.unsubscribe();
    await pass(5_000);
    expect(stats.last().state).toBe('stopping');
  });

  it('say that fetching is paused, and see the log grow meanwhile', async () => {
    const brokers = new Brokers(10);
    const s = scene(brokers, { maxInFlight: 2 });
    const stats = heard(s.source$);
    const done = s.source$.pipe(delay(1e9), commit()).subscribe();
    (await member(s)).give(0);
    await pass(20_000);
    expect(stats.last()).toMatchObject({ state: 'paused', totals: { creditsFree: 0, waitingLocal: 2 } });
    expect(partition(stats.last()).oldestOpenAgeMs).toBeGreaterThanOrEqual(18_000);
    brokers.append(0, 10, 11, 12);
    await pass(7_000);
    expect(partition(stats.last())).toMatchObject({ end: 13, waitingKafka: 11 });
    done.unsubscribe();
  });

  it('are not sampled while nobody listens, end with the subscription, and have its last word', async () => {
    const brokers = new Brokers(5);
    const s = scene(brokers);
    const done = s.source$.pipe(commit()).subscribe();
    const m = await member(s);
    const asked = vi.spyOn(m, 'lastKnownEnd');
    m.give(0);
    await pass(3_000);
    expect(asked).not.toHaveBeenCalled();
    const listening = s.kafka.stats$.subscribe();
    await pass(3_000);
    expect(asked).toHaveBeenCalled();
    listening.unsubscribe();
    asked.mockClear();
    await pass(3_000);
    expect(asked).not.toHaveBeenCalled();
    const [own, all] = [heard(s.source$), heard(s.kafka)];
    await pass(100);
    done.unsubscribe();
    await pass(900);
    expect(own.samples).toMatchObject([{ state: 'stopping', partitions: [{ position: 5, frontier: 5 }] }]);
    expect(all.samples).toEqual(own.samples);
    await s.kafka.close();
    expect(all.completed).toBe(true);
    expect(heard(s.kafka).completed).toBe(true);
  });

  it('of all sources that are open come through the Kafka, later ones too', async () => {
    const s = scene(new Brokers(2));
    const names = new Set<string>();
    void s.kafka.stats$.forEach(({ partitions }) => names.add(partitions.map((one) => one.partition).join()));
    s.source$.pipe(commit()).subscribe();
    const first = await member(s);
    first.give(0);
    await pass(1_500);
    expect([...names]).toEqual(['0']);
  });

  it('go to `onStats`, which may throw: that is an event, and changes nothing', async () => {
    const seen: number[] = [];
    const samples: SourceStats[] = [];
    const s = scene(new Brokers(3), {
      statsEveryMs: 200,
      onStats: (stats) => {
        samples.push(stats);
        throw new RangeError('no chart');
      },
    });
    const done = s.source$
      .pipe(
        release(),
        tap(({ offset }) => seen.push(offset)),
      )
      .subscribe();
    (await member(s)).give(0);
    await pass(1_000);
    expect(seen).toEqual([0, 1, 2]);
    expect(samples.length).toBeGreaterThan(3);
    const errors = s.events.filter((event) => event.type === 'error');
    expect(errors).toHaveLength(samples.length);
    expect(errors[0]).toMatchObject({ client: `consumer of ${GROUP}`, error: { message: 'no chart' } });
    done.unsubscribe();
    await pass(10_000);
    const { length } = samples;
    await pass(10_000);
    expect(samples).toHaveLength(length);
    expect(samples.at(-1)).toMatchObject({ state: 'stopping', totals: { finished: 3, emitted: 3 } });
  });

  it('cost a record nothing that is kept: a lane has no time for each', async () => {
    const s = scene(new Brokers(1));
    const records: KafkaRecord[] = [];
    void s.source$.pipe(commit()).forEach((record) => records.push(record));
    heard(s.source$);
    (await member(s)).give(0);
    await pass(2_000);
    expect(Reflect.ownKeys(records[0] as KafkaRecord)).toEqual([
      'topic',
      'partition',
      'offset',
      'timestamp',
      'key',
      'value',
      'headers',
      LANE,
    ]);
  });
});
