import { describe, expect, it } from 'vitest';
import type { Checkpoint } from '../../src/offsets/store.js';
import { Mirror } from '../../src/sources/mirror.js';
import { upToDate } from '../../src/sources/stale.js';

function at(frontier: number, partition = 0): Checkpoint {
  return { topic: 'orders', partition, epoch: 1, frontier, runs: [], metadata: '' };
}

/** A group that answers when it is told to. */
function group(current: (partition: number, epoch: number) => boolean = () => true) {
  const commits: string[] = [];
  const errors: unknown[] = [];
  let answer: { resolve: () => void; reject: (error: unknown) => void } | undefined;
  const mirror = new Mirror({
    commit: (positions) => {
      commits.push(positions.map(({ partition, offset }) => `${partition}:${offset}`).join(' '));
      return new Promise((resolve, reject) => {
        answer = { resolve, reject };
      });
    },
    onError: (error) => errors.push(error),
    isCurrent: ({ partition, epoch }) => current(partition, epoch),
  });
  const settle = async (how: 'resolve' | 'reject'): Promise<void> => {
    answer?.[how](how === 'reject' ? new Error('no coordinator') : undefined);
    for (let turn = 0; turn < 5; turn += 1) await Promise.resolve();
  };
  const flushed: string[] = [];
  const flush = async (): Promise<void> => {
    mirror.flush().subscribe({ complete: () => flushed.push(`after ${commits.length}`), error: () => undefined });
    for (let turn = 0; turn < 5; turn += 1) await Promise.resolve();
  };
  return { mirror, commits, errors, settle, flush, flushed };
}

describe('Mirror', () => {
  it('commits the last frontier of each partition, one commit at a time', async () => {
    const { mirror, commits, settle, flush, flushed } = group();
    mirror.note([at(1), at(5, 1)]);
    mirror.note([at(3)]);
    await flush();
    expect(commits).toEqual(['0:3 1:5']);
    mirror.note([at(4)]);
    await flush();
    expect(commits).toHaveLength(1);
    await settle('resolve');
    expect(commits).toEqual(['0:3 1:5', '0:4']);
    await settle('resolve');
    expect(flushed).toEqual(['after 1', 'after 2']);
    mirror.stop();
  });

  it('says what the group did not take, and commits it with the next ones, unless there is something newer', async () => {
    const { mirror, commits, errors, settle, flush } = group();
    mirror.note([at(3), at(5, 1)]);
    await flush();
    mirror.note([at(4)]);
    await settle('reject');
    expect(errors).toEqual([new Error('no coordinator')]);
    await flush();
    expect(commits).toEqual(['0:3 1:5', '0:4 1:5']);
    mirror.stop();
  });

  it('forgets what it knew of partitions that are no longer its own: others may have gone on from there', async () => {
    let lost = false;
    const { mirror, commits, settle, flush } = group((partition) => partition !== 0 || !lost);
    mirror.note([at(3), at(5, 1)]);
    await flush();
    lost = true;
    await settle('reject');
    await flush();
    expect(commits).toEqual(['0:3 1:5', '1:5']);
    mirror.stop();
  });

  it('has nothing to say of partitions of which nothing is finished', async () => {
    const { mirror, commits, flush, flushed } = group();
    mirror.note([at(0)]);
    await flush();
    expect([commits, flushed]).toEqual([[], ['after 0']]);
    mirror.stop();
  });
});

describe('upToDate', () => {
  const claim = (checkpoint: Checkpoint | undefined, partition = 0) => ({ topic: 'orders', partition, epoch: 2, checkpoint });

  it('trusts the store where the group is not further', () => {
    const claims = [claim({ ...at(7), runs: [9, 11] }), claim(undefined, 1), claim(at(0, 2), 2)];
    const committed = [{ topic: 'orders', partition: 0, offset: 7 }];
    expect(upToDate(claims, committed)).toEqual({ claims, stale: [] });
  });

  it('goes on at the frontier of the group where others have worked, and forgets what was finished beyond it here', () => {
    const claims = [claim({ ...at(7), runs: [9, 30], metadata: 'm' }), claim(undefined, 1)];
    const committed = [
      { topic: 'orders', partition: 0, offset: 20 },
      { topic: 'orders', partition: 1, offset: 4 },
      { topic: 'others', partition: 0, offset: 99 },
    ];
    const found = upToDate(claims, committed);
    expect(found.claims.map(({ checkpoint }) => checkpoint)).toEqual([
      { topic: 'orders', partition: 0, epoch: 2, frontier: 20, runs: [], metadata: 'm' },
      { topic: 'orders', partition: 1, epoch: 2, frontier: 4, runs: [], metadata: '' },
    ]);
    expect(found.stale).toEqual([
      { topic: 'orders', partition: 0, local: 7, committed: 20 },
      { topic: 'orders', partition: 1, local: undefined, committed: 4 },
    ]);
  });
});
