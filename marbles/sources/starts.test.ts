import { EventEmitter } from 'node:events';
import { from, lastValueFrom } from 'rxjs';
import { afterEach, beforeEach, describe, expect, it, vi } from 'vitest';
import { BrokerError, NoStoredOffsetError, OffsetOutOfRangeError } from '../../src/errors.js';
import { Kafka } from '../../src/kafka.js';
import type { Checkpoint, Claim } from '../../src/offsets/store.js';
import * as rdkafka from '../../src/rdkafka.js';
import type { Gap, Retry, TopicPartition } from '../../src/position.js';
import type { Membership } from '../../src/sources/membership.js';
import { groupMember } from '../../src/sources/consumer.js';
import { OFFSET_BEGINNING, OFFSET_END } from '../../src/sources/fetcher.js';
import type { Start, StartsOptions } from '../../src/sources/starts.js';
import { starts } from '../../src/sources/starts.js';
import { Brokers, FakeMember, TOPIC } from '../support/member.js';

const client: { made?: StrictClient } = {};

type Rebalance = (error: { code: number }, partitions: readonly TopicPartition[]) => void;
type Marks = (error: Error | null, found: { lowOffset: number; highOffset: number } | undefined) => void;
type Times = (error: Error | null, offsets: readonly unknown[]) => void;

/** As much of node-rdkafka's consumer as a member asks, as strict as librdkafka: what is not assigned cannot be given back. */
class StrictClient extends EventEmitter {
  readonly rebalance: Rebalance;
  readonly assigned = new Set<number>();
  readonly answers: string[] = [];
  times: readonly unknown[] = [];
  /** With what questions for watermarks fail, before they have an answer. */
  refusals: number[] = [];

  constructor(settings: Record<string, unknown>) {
    super();
    this.rebalance = settings['rebalance_cb'] as Rebalance;
    client.made = this;
  }

  getClient(): object {
    return {};
  }

  rebalanceProtocol(): string {
    return 'COOPERATIVE';
  }

  incrementalAssign(partitions: readonly TopicPartition[]): void {
    for (const { partition } of partitions) {
      if (this.assigned.has(partition)) throw new Error(`${partition} is assigned already`);
      this.assigned.add(partition);
    }
    this.answers.push(`+${partitions.map(({ partition }) => partition).join()}`);
  }

  incrementalUnassign(partitions: readonly TopicPartition[]): void {
    for (const { partition } of partitions) if (!this.assigned.delete(partition)) throw new Error(`${partition} is not assigned`);
    this.answers.push(`-${partitions.map(({ partition }) => partition).join()}`);
  }

  resume(): void {
    // Nothing is paused.
  }

  /** Also asked only to wake a thread. */
  queryWatermarkOffsets(_topic: string, _partition: number, _timeoutMs: number, done: Marks): void {
    const code = this.refusals.shift();
    if (code === undefined) done(null, { lowOffset: 3, highOffset: 7 });
    else done(Object.assign(new Error('Broker: no'), { code }), undefined);
  }

  offsetsForTimes(_partitions: unknown, _timeoutMs: number, done: Times): void {
    done(null, this.times);
  }
}

function at(partition: number): TopicPartition {
  return { topic: TOPIC, partition };
}

function claim(checkpoint?: Partial<Checkpoint>): Claim {
  const whole = { ...at(0), epoch: 1, frontier: 0, runs: [], metadata: '', ...checkpoint };
  return { ...at(0), epoch: 2, checkpoint: checkpoint === undefined ? undefined : whole };
}

/** Where one partition starts, and what was said meanwhile. */
async function startOf(
  one: Claim,
  brokers: Brokers,
  policy: Partial<StartsOptions['policy']> = {},
  member: Partial<StartsOptions['member']> = {},
) {
  const fake = new FakeMember(brokers, { onAssigned: () => undefined, onRevoked: () => undefined, onFatal: () => undefined });
  const [gaps, errors]: [Gap[], unknown[]] = [[], []];
  const start$ = starts([one], {
    member: { watermarks: (...args) => fake.watermarks(...args), offsetAt: (...args) => fake.offsetAt(...args), ...member },
    policy: { from: 'earliest', onOutOfRange: 'fail', ...policy },
    onGap: (gap) => gaps.push(gap),
    onError: (error) => errors.push(error),
  });
  const [start] = await lastValueFrom(start$, { defaultValue: [] });
  return { ...(start as Start), gaps, errors };
}

describe('a partition of which nothing is remembered', () => {
  it('starts at the beginning, which need not be 0, and remembers nothing of that', async () => {
    expect(await startOf(claim(), new Brokers(100))).toMatchObject({
      checkpoint: { frontier: 0, epoch: 2 },
      fetchFrom: OFFSET_BEGINNING,
      chosen: false,
    });
  });

  it('starts at the end, or at a time, and remembers that', async () => {
    const latest = await startOf(claim(), new Brokers(100), { from: 'latest' });
    expect(latest).toMatchObject({ checkpoint: { frontier: 100 }, fetchFrom: 100, chosen: true });
    const from = { timestamp: 1_700_000_000_000 };
    const timed = await startOf(claim(), new Brokers(100), { from }, { offsetAt: () => Promise.resolve(42) });
    expect(timed).toMatchObject({ checkpoint: { frontier: 42 }, fetchFrom: 42, chosen: true });
    const late = await startOf(claim(), new Brokers(100), { from }, { offsetAt: () => Promise.resolve(OFFSET_END) });
    expect(late).toMatchObject({ checkpoint: { frontier: 100 }, fetchFrom: 100, chosen: true });
  });

  it('is an error where it may not be chosen, or where it could not be looked up', async () => {
    await expect(startOf(claim(), new Brokers(100), { from: 'fail' })).rejects.toThrow(NoStoredOffsetError);
    const failing = { watermarks: () => Promise.reject(new Error('no broker')), offsetAt: () => Promise.reject(new Error('no broker')) };
    await expect(startOf(claim(), new Brokers(100), { from: 'latest' }, failing)).rejects.toThrow('no broker');
    await expect(startOf(claim(), new Brokers(100), { from: { timestamp: 1 } }, failing)).rejects.toThrow('no broker');
  });
});

describe('a remembered position', () => {
  it('is where it goes on, with what was finished beyond it', async () => {
    const start = await startOf(claim({ frontier: 40, runs: [50, 60], metadata: 'm' }), new Brokers(100));
    expect(start).toMatchObject({ checkpoint: { frontier: 40, runs: [50, 60], epoch: 2, metadata: 'm' }, fetchFrom: 40, chosen: false });
    expect([start.gaps, start.errors]).toEqual([[], []]);
  });

  it('before the log is an error, or is moved to one of its ends with exact bounds', async () => {
    const brokers = new Brokers(100);
    brokers.deleteBefore(0, 55);
    const [gone, here] = [47, 62].map((offset) => ({ offset, name: '', failed: 2, due: 9 }));
    const behind = claim({ frontier: 40, runs: [50, 60, 70, 80], retries: [gone, here] as Retry[] });
    const failed = startOf(behind, brokers);
    await expect(failed).rejects.toThrow(OffsetOutOfRangeError);
    await expect(failed).rejects.toMatchObject({ position: { ...at(0), offset: 40 }, low: 55, high: 100 });
    expect(await startOf(behind, brokers, { onOutOfRange: 'earliest' })).toMatchObject({
      checkpoint: { frontier: 55, runs: [55, 60, 70, 80], retries: [here] },
      fetchFrom: 55,
      chosen: true,
      gaps: [{ ...at(0), from: 40, to: 55 }],
    });
    const latest = await startOf(behind, brokers, { onOutOfRange: 'latest' });
    expect(latest.checkpoint).not.toHaveProperty('retries');
    expect(latest).toMatchObject({
      checkpoint: { frontier: 100, runs: [] },
      gaps: [{ ...at(0), from: 40, to: 100 }],
    });
  });

  it.each([
    ['the frontier', { frontier: 140 }],
    ['what is finished beyond it', { frontier: 40, runs: [50, 140] }],
  ])('beyond the log (%s) is an error, or starts over in the new log without runs', async (_what, remembered) => {
    const brokers = new Brokers(100);
    await expect(startOf(claim(remembered), brokers)).rejects.toThrow('the topic was re-created or truncated');
    expect(await startOf(claim(remembered), brokers, { onOutOfRange: 'earliest' })).toMatchObject({
      checkpoint: { frontier: 0, runs: [] },
      fetchFrom: 0,
      chosen: true,
      gaps: [],
    });
  });

  // The end that readers of what is committed see is not the end of the log.
  it('beyond the records of an open transaction is no sign of another log', async () => {
    const brokers = new Brokers(100);
    brokers.log(0).stable = 50;
    // Read as uncommitted before.
    expect(await startOf(claim({ frontier: 70 }), brokers)).toMatchObject({ checkpoint: { frontier: 70 }, fetchFrom: 70, chosen: false });
  });

  it('is trusted where nobody can be asked', async () => {
    const start = await startOf(
      claim({ frontier: 40 }),
      new Brokers(100),
      {},
      { watermarks: () => Promise.reject(new Error('no broker')) },
    );
    expect(start).toMatchObject({ checkpoint: { frontier: 40 }, fetchFrom: 40, chosen: false, errors: [new Error('no broker')] });
  });
});

describe('the member of a group', () => {
  let member: Membership;
  let strict: StrictClient;
  const asked: string[] = [];
  const ASSIGN = { code: -175 };
  const REVOKE = { code: -174 };

  beforeEach(() => {
    vi.spyOn(rdkafka, 'rdkafka').mockReturnValue({ KafkaConsumer: StrictClient } as never);
    vi.spyOn(rdkafka, 'codeOf').mockReturnValue(-1);
    asked.length = 0;
    const listener = {
      onAssigned: () => asked.push('given'),
      onRevoked: () => asked.push('taken'),
      onFatal: (reason: string) => asked.push(reason),
    };
    const options = { group: 'g', topics: [TOPIC], readCommitted: true, fetchBufferBytes: 1_000, properties: {}, topicProperties: {} };
    member = groupMember(new Kafka({ brokers: ['localhost:9092'] }), options, listener);
    strict = client.made as StrictClient;
  });

  afterEach(() => {
    vi.restoreAllMocks();
  });

  it('takes the answer about a time, or rejects with what failed for that partition alone', async () => {
    strict.times = [{ ...at(0), offset: 42 }];
    expect(await member.offsetAt(at(0), 1)).toBe(42);
    strict.times = [{ ...at(0), offset: -1 }];
    expect(await member.offsetAt(at(0), 1)).toBe(OFFSET_END);
    strict.times = [Object.assign(new Error('Broker: Unknown topic or partition'), { code: 3 })];
    const failed = lastValueFrom(from(member.offsetAt(at(0), 1)), { defaultValue: undefined });
    await expect(failed).rejects.toThrow(BrokerError);
    await expect(failed).rejects.toThrow(`could not look up a time in ${TOPIC}/0: Broker: Unknown topic or partition`);
    strict.times = [];
    await expect(member.offsetAt(at(0), 1)).rejects.toThrow('there was no answer');
  });

  it('asks for the bounds of a log again while its leader changes, and for nothing else', async () => {
    strict.refusals = [6, 5];
    expect(await member.watermarks(at(0))).toEqual({ low: 3, high: 7 });
    strict.refusals = [6, 3];
    await expect(member.watermarks(at(0))).rejects.toThrow(`could not look up the offsets of ${TOPIC}/0: Broker: no (code 3)`);
    expect(strict.refusals).toEqual([]);
  });

  it('gives each of two questions the answer that is its own', () => {
    strict.rebalance(ASSIGN, []);
    strict.rebalance(ASSIGN, [at(1)]);
    member.assign([]);
    member.assign([{ ...at(1), offset: 0 }]);
    strict.rebalance(REVOKE, [at(1)]);
    strict.rebalance(ASSIGN, [at(0)]);
    member.unassign([at(1)]);
    member.assign([{ ...at(0), offset: 0 }]);
    expect(strict.answers).toEqual(['+', '+1', '-1', '+0']);
  });

  it('gives back only what was really assigned', () => {
    strict.rebalance(ASSIGN, [at(0), at(1)]);
    member.assign([{ ...at(0), offset: 0 }]);
    strict.rebalance(ASSIGN, [at(2)]);
    member.assign([]);
    strict.rebalance(REVOKE, [at(0), at(1), at(2)]);
    member.unassign([at(0), at(1), at(2)]);
    strict.rebalance(REVOKE, [at(1)]);
    member.unassign([at(1)]);
    expect(strict.answers).toEqual(['+0', '+', '-0', '-']);
    expect(asked).toEqual(['given', 'given', 'taken', 'taken']);
  });

  it('gives no answer where nothing is asked', () => {
    member.assign([{ ...at(0), offset: 0 }]);
    member.unassign([at(0)]);
    expect(strict.answers).toEqual([]);
  });

  it('hears the last words of its client', () => {
    strict.emit('event.log', { severity: 0, fac: 'FATAL', message: 'Fatal error: Local: Static consumer fenced' });
    expect(asked).toEqual(['Fatal error: Local: Static consumer fenced']);
  });
});
