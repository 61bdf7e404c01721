import { describe, expect, it } from 'vitest';
import { BrokerError, Kafka, groupOffsets } from '../../src/index.js';
import type { Checkpoint, GroupCommits, OffsetStore, Position } from '../../src/index.js';

const NOT_COORDINATOR = 16;
const GROUP = 'billing';

const at = (partition: number) => ({ topic: 'orders', partition });
const checkpoint = (partition: number, frontier: number): Checkpoint => ({ ...at(partition), epoch: 1, frontier, runs: [], metadata: '' });
const position = (partition: number, offset: number): Position => ({ ...at(partition), offset });
const moved = (): BrokerError => new BrokerError('the coordinator has moved', { kafkaCode: NOT_COORDINATOR, retriable: true });

/** A member of a group whose coordinator is another one at first, and what it was asked to commit. */
async function committing(meanwhile: (owned: Set<number>, claim: () => void) => void) {
  const kafka = new Kafka({ brokers: ['unused:9092'] });
  const owned = new Set([0, 1]);
  const asked: (readonly Position[])[] = [];
  const member: GroupCommits = {
    commit: (positions) => {
      asked.push(positions);
      if (asked.length > 1) return Promise.resolve();
      meanwhile(owned, () => void claim());
      return Promise.reject(moved());
    },
    committed: () => Promise.resolve([]),
    owns: ({ partition }) => owned.has(partition),
    givenBack: 0,
    addOffsets: () => Promise.reject(new Error('there is no transaction')),
  };
  const offsets = groupOffsets(kafka).forMember?.(member, kafka) as OffsetStore;
  const claim = (): Promise<unknown> => offsets.claim(GROUP, [at(0), at(1)]) as Promise<unknown>;
  await claim();
  return { offsets, owned, asked };
}

describe('the offsets of a group, where its coordinator moves', () => {
  it('are committed to the next one', async () => {
    const { offsets, asked } = await committing(() => undefined);
    expect(await (offsets.write(GROUP, [checkpoint(0, 5)]) as Promise<unknown>)).toEqual([]);
    expect(asked).toEqual([[position(0, 5)], [position(0, 5)]]);
  });

  it('are not committed for partitions that were taken away meanwhile: others may be further', async () => {
    const { offsets, asked } = await committing((owned) => owned.delete(0));
    expect(await (offsets.write(GROUP, [checkpoint(0, 5), checkpoint(1, 7)]) as Promise<unknown>)).toEqual([checkpoint(0, 5)]);
    expect(asked).toEqual([[position(0, 5), position(1, 7)], [position(1, 7)]]);
  });

  it('are not committed for an assignment that is over, although the partitions have come back', async () => {
    const { offsets, asked } = await committing((_, claim) => {
      claim();
    });
    expect(await (offsets.write(GROUP, [checkpoint(0, 5)]) as Promise<unknown>)).toEqual([checkpoint(0, 5)]);
    expect(asked).toHaveLength(1);
  });

  it('set a new start also before the partition is assigned', async () => {
    const { offsets, owned, asked } = await committing(() => undefined);
    owned.clear();
    expect(await (offsets.reset(GROUP, [checkpoint(0, 3)]) as Promise<unknown>)).toEqual([]);
    expect(asked).toHaveLength(2);
  });
});
