import { afterEach, beforeEach, describe, expect, it, vi } from 'vitest';
import { OffsetOutOfRangeError } from '../../src/errors.js';
import type { Gap } from '../../src/position.js';
import type { RangeGuardOptions } from '../../src/sources/rangeGuard.js';
import { RangeGuard } from '../../src/sources/rangeGuard.js';
import { Brokers, FakeMember, TOPIC } from '../support/member.js';
import { source } from '../support/source.js';

/** A partition is found to stand still at the second patrol that sees it do so. */
const TWO_PATROLS_MS = 10_000;

/** Partitions of which so much was read, under guard. */
function guarding(brokers: Brokers, tops: readonly number[], options: Partial<RangeGuardOptions> = {}) {
  const listener = { onAssigned: () => undefined, onRevoked: () => undefined, onFatal: () => undefined };
  const member = new FakeMember(brokers, listener);
  member.give(...tops.keys());
  member.assign(tops.map((offset, partition) => ({ topic: TOPIC, partition, offset })));
  const kafka = source();
  const lanes = tops.map((frontier, partition) => kafka.lane({ topic: TOPIC, partition, frontier }));
  const spies = { asked: vi.spyOn(member, 'watermarks'), refetched: vi.spyOn(member, 'refetch') };
  const [gaps, failures, errors]: [Gap[], unknown[], unknown[]] = [[], [], []];
  const guard = new RangeGuard({
    member,
    lanes: () => lanes,
    isStarved: () => false,
    waits: () => false,
    onOutOfRange: 'fail',
    onGap: (gap) => gaps.push(gap),
    onFailure: (error) => failures.push(error),
    onError: (error) => errors.push(error),
    ...options,
  });
  guard.start();
  /** Reads as the pump would; answers what it met in place of records. */
  const read = async (max: number): Promise<unknown[]> => {
    const met: unknown[] = [];
    member.reader.read(max, 0, (error, batch) => {
      if (error !== undefined) met.push(error.code);
      for (let row = 0; row < batch.length; row += 1) lanes[batch.partition(row)]?.passTo(batch.offset(row) + 1);
    });
    await vi.advanceTimersByTimeAsync(1);
    return met;
  };
  return { guard, member, lanes, ...spies, gaps, failures, errors, read, readAll: () => read(1_000) };
}

beforeEach(() => {
  vi.useFakeTimers();
});
afterEach(() => {
  vi.useRealTimers();
});

describe('a position that is no longer in the log, of which the client kept its word to itself', () => {
  /** Records of another partition came with the same read. */
  async function swallowed(onOutOfRange: 'fail' | 'earliest' | 'latest') {
    const brokers = new Brokers(1_000, 50);
    const scene = guarding(brokers, [0, 0], { onOutOfRange });
    scene.member.order.push([0, 100]);
    await scene.read(100);
    brokers.deleteBefore(0, 400);
    brokers.append(1, ...Array.from({ length: 20 }, (_, i) => 50 + i));
    expect(await scene.readAll()).toEqual([]);
    expect(scene.lanes.map(({ top }) => top)).toEqual([100, 70]);
    return scene;
  }

  it('is an error with its exact bounds', async () => {
    const { failures, gaps, guard } = await swallowed('fail');
    await vi.advanceTimersByTimeAsync(TWO_PATROLS_MS);
    expect(failures[0]).toBeInstanceOf(OffsetOutOfRangeError);
    expect(failures[0]).toMatchObject({ position: { topic: TOPIC, partition: 0, offset: 100 }, low: 400, high: 1_000 });
    expect([failures.length, gaps]).toEqual([1, []]);
    guard.stop();
  });

  it.each([
    ['earliest', 400],
    ['latest', 1_000],
  ] as const)('is passed over: %s', async (onOutOfRange, to) => {
    const { failures, gaps, lanes, member, readAll, guard } = await swallowed(onOutOfRange);
    await vi.advanceTimersByTimeAsync(TWO_PATROLS_MS);
    expect([failures, gaps]).toEqual([[], [{ topic: TOPIC, partition: 0, from: 100, to }]]);
    expect([lanes[0]?.top, member.position(0)]).toEqual([to, to]);
    await readAll();
    expect(lanes.map(({ top }) => top)).toEqual([1_000, 70]);
    await vi.advanceTimersByTimeAsync(6 * TWO_PATROLS_MS);
    expect(gaps).toHaveLength(1);
    guard.stop();
  });

  it('is judged at once where the client does say it', async () => {
    const brokers = new Brokers(1_000);
    const { guard, failures, readAll } = guarding(brokers, [100]);
    brokers.deleteBefore(0, 400);
    expect(await readAll()).toEqual([-140]);
    guard.check();
    await vi.advanceTimersByTimeAsync(1);
    expect(failures).toMatchObject([{ position: { offset: 100 }, low: 400 }]);
    guard.stop();
  });
});

describe('a patrol', () => {
  it('asks nothing about partitions that move, that are at their end, or that may emit nothing', async () => {
    const brokers = new Brokers(10, 1_000, 1_000);
    const { asked, lanes, readAll, guard } = guarding(brokers, [0, 0, 0]);
    await readAll();
    lanes[2]?.stop();
    for (let patrol = 0; patrol < 6; patrol += 1) {
      brokers.append(1, brokers.log(1).high);
      await readAll();
      brokers.append(2, brokers.log(2).high);
      await vi.advanceTimersByTimeAsync(TWO_PATROLS_MS / 2);
    }
    expect(asked).not.toHaveBeenCalled();
    guard.stop();
  });

  it('lets partitions stand still while there is no credit, and for as long afterwards', async () => {
    let starved = true;
    const brokers = new Brokers(1_000);
    const { asked, failures, guard } = guarding(brokers, [100], { isStarved: () => starved });
    brokers.deleteBefore(0, 400);
    await vi.advanceTimersByTimeAsync(6 * TWO_PATROLS_MS);
    starved = false;
    await vi.advanceTimersByTimeAsync(TWO_PATROLS_MS / 2);
    expect(asked).not.toHaveBeenCalled();
    await vi.advanceTimersByTimeAsync(TWO_PATROLS_MS / 2);
    expect(failures).toHaveLength(1);
    guard.stop();
  });

  it('fetches anew what stands still within its log, if single partitions can be', async () => {
    const { failures, gaps, refetched, member, guard } = guarding(new Brokers(1_000), [100]);
    await vi.advanceTimersByTimeAsync(TWO_PATROLS_MS);
    expect(refetched.mock.calls).toEqual([[{ topic: TOPIC, partition: 0, offset: 100 }]]);
    member.incremental = false;
    await vi.advanceTimersByTimeAsync(TWO_PATROLS_MS);
    expect([refetched.mock.calls.length, failures, gaps]).toEqual([1, [], []]);
    guard.stop();
  });

  it('fails where single partitions cannot be fetched anew, also if it may pass over', async () => {
    const brokers = new Brokers(1_000);
    const { member, failures, guard } = guarding(brokers, [100], { onOutOfRange: 'earliest' });
    member.incremental = false;
    brokers.deleteBefore(0, 400);
    await vi.advanceTimersByTimeAsync(TWO_PATROLS_MS);
    expect(failures[0]).toBeInstanceOf(OffsetOutOfRangeError);
    guard.stop();
  });

  it('fails where the log was cut off, also if it may pass over: behind its end another one has begun', async () => {
    const { failures, guard } = guarding(new Brokers(30), [100], { onOutOfRange: 'earliest' });
    await vi.advanceTimersByTimeAsync(TWO_PATROLS_MS);
    expect((failures[0] as Error).message).toContain('the topic was re-created or truncated');
    guard.stop();
  });

  it('takes an open transaction for what it is', async () => {
    const brokers = new Brokers(100);
    brokers.log(0).stable = 50;
    // Read as uncommitted before: the position lies beyond what may be read now.
    const { failures, gaps, asked, guard } = guarding(brokers, [70]);
    await vi.advanceTimersByTimeAsync(TWO_PATROLS_MS);
    expect(asked).toHaveBeenCalled();
    expect([failures, gaps]).toEqual([[], []]);
    guard.stop();
  });

  it('begins where the log does if nothing was seen of it', async () => {
    const brokers = new Brokers(1_000);
    brokers.deleteBefore(0, 400);
    const { failures, gaps, refetched, guard } = guarding(brokers, [0]);
    await vi.advanceTimersByTimeAsync(TWO_PATROLS_MS);
    expect([failures, gaps, refetched.mock.calls]).toEqual([[], [], [[{ topic: TOPIC, partition: 0, offset: 400 }]]]);
    guard.stop();
  });

  it('leaves alone what is taken away while it asks', async () => {
    const brokers = new Brokers(1_000);
    const { asked, lanes, failures, guard } = guarding(brokers, [100]);
    brokers.deleteBefore(0, 400);
    asked.mockImplementation(() => {
      lanes[0]?.stop();
      return Promise.resolve({ low: 400, high: 1_000 });
    });
    await vi.advanceTimersByTimeAsync(TWO_PATROLS_MS);
    expect(asked).toHaveBeenCalledOnce();
    expect(failures).toEqual([]);
    guard.stop();
  });

  it('leaves alone what was read meanwhile and waits: it is still to be emitted', async () => {
    const brokers = new Brokers(1_000);
    let waiting = false;
    const { asked, failures, guard } = guarding(brokers, [100], { waits: () => waiting });
    brokers.deleteBefore(0, 400);
    asked.mockImplementation(() => {
      waiting = true;
      return Promise.resolve({ low: 400, high: 1_000 });
    });
    await vi.advanceTimersByTimeAsync(TWO_PATROLS_MS);
    expect(asked).toHaveBeenCalledOnce();
    expect(failures).toEqual([]);
    guard.stop();
  });

  it('goes on after a look-up that failed, and ends when it is stopped', async () => {
    const brokers = new Brokers(1_000);
    const { asked, errors, failures, guard } = guarding(brokers, [100]);
    brokers.deleteBefore(0, 400);
    asked.mockRejectedValueOnce(new Error('no broker'));
    await vi.advanceTimersByTimeAsync(TWO_PATROLS_MS);
    expect([errors, failures]).toEqual([[new Error('no broker')], []]);
    await vi.advanceTimersByTimeAsync(TWO_PATROLS_MS / 2);
    expect(failures).toHaveLength(1);
    guard.stop();
    await vi.advanceTimersByTimeAsync(6 * TWO_PATROLS_MS);
    expect(failures).toHaveLength(1);
  });
});
