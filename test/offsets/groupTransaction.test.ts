import { describe, expect, it } from 'vitest';
import { BrokerError, Kafka, OptionError, groupOffsets } from '../../src/index.js';
import type { Checkpoint, GroupCommits, GroupTransaction, OffsetStore, Position } from '../../src/index.js';

const ILLEGAL_GENERATION = 22;
const UNKNOWN_MEMBER = 25;
const GROUP = 'billing';

/** A member of a group that commits through a transaction, and what it has asked of it. */
async function committing(answer: (tries: number) => Error | undefined = () => undefined) {
  const kafka = new Kafka({ brokers: ['unused:9092'] });
  const owned = new Set([0, 1]);
  const group = { givenBack: 0 };
  const asked: (readonly Position[])[] = [];
  const member: GroupCommits = {
    commit: () => Promise.reject(new Error('not through the transaction')),
    committed: () => Promise.resolve([]),
    owns: ({ partition }) => owned.has(partition),
    get givenBack() {
      return group.givenBack;
    },
    addOffsets: (since, add) => (since === group.givenBack ? add({}) : Promise.reject(passing())),
  };
  const store = groupOffsets(kafka);
  const offsets = store.forMember?.(member, kafka) as Required<OffsetStore>;
  const transaction: GroupTransaction = {
    commit: async (positions, enlisted) => {
      asked.push(positions);
      const error = answer(asked.length);
      if (error !== undefined) throw error;
      await enlisted.addOffsets(() => Promise.resolve());
    },
  };
  offsets.commitThrough(transaction);
  const claim = (): Promise<unknown> => offsets.claim(GROUP, [at(0), at(1)]) as Promise<unknown>;
  await claim();
  const write = (...checkpoints: Checkpoint[]) => offsets.write(GROUP, checkpoints) as Promise<readonly Checkpoint[]>;
  return { offsets, transaction, owned, group, asked, claim, write };
}

const at = (partition: number) => ({ topic: 'orders', partition });
const checkpoint = (partition: number, frontier: number, epoch = 1): Checkpoint => ({
  ...at(partition),
  epoch,
  frontier,
  runs: [],
  metadata: '',
});
const position = (partition: number, offset: number): Position => ({ ...at(partition), offset });
const passing = (): BrokerError => new BrokerError('a rebalance goes on', { kafkaCode: ILLEGAL_GENERATION, retriable: true });

describe('the offsets of a group, through a transaction', () => {
  it('are all in one, and only those that have moved', async () => {
    const { asked, write } = await committing();
    expect(await write(checkpoint(0, 5), checkpoint(1, 7))).toEqual([]);
    expect(await write(checkpoint(0, 5), checkpoint(1, 8))).toEqual([]);
    expect(asked).toEqual([[position(0, 5), position(1, 7)], [position(1, 8)]]);
  });

  it('are tried again after what passes, without those of partitions that were taken away meanwhile', async () => {
    const found = await committing((tries) => {
      if (tries > 1) return undefined;
      found.owned.delete(0);
      return passing();
    });
    expect(await found.write(checkpoint(0, 5), checkpoint(1, 7))).toEqual([checkpoint(0, 5)]);
    expect(found.asked).toEqual([[position(0, 5), position(1, 7)], [position(1, 7)]]);
  });

  it('are not tried again when the partitions have come back in a new assignment', async () => {
    const found = await committing((tries) => {
      if (tries > 1) return undefined;
      void found.claim();
      return passing();
    });
    expect(await found.write(checkpoint(0, 5))).toEqual([checkpoint(0, 5)]);
    expect(found.asked).toHaveLength(1);
  });

  it('are not added for partitions that were given back after the transaction began, and have come back', async () => {
    const found = await committing((tries) => {
      if (tries === 1) {
        found.group.givenBack += 1;
        void found.claim();
      }
      return undefined;
    });
    expect(await found.write(checkpoint(0, 5))).toEqual([checkpoint(0, 5)]);
    expect(found.asked).toHaveLength(1);
  });

  it('are refused as a whole when the group has put the member out, and fail with anything else that lasts', async () => {
    const out = await committing(() => new BrokerError('unknown member', { kafkaCode: UNKNOWN_MEMBER }));
    expect(await out.write(checkpoint(0, 5), checkpoint(1, 7))).toHaveLength(2);
    const failing = await committing(() => new BrokerError('not authorized', { kafkaCode: 30 }));
    await expect(failing.write(checkpoint(0, 5))).rejects.toThrow('not authorized');
  });

  it('are in no second one, and a deliberate new start is in none', async () => {
    const { offsets, transaction, asked } = await committing();
    offsets.commitThrough(transaction);
    expect(() => {
      offsets.commitThrough({ ...transaction });
    }).toThrow(OptionError);
    await expect(offsets.reset(GROUP, [checkpoint(0, 3)]) as Promise<unknown>).rejects.toThrow('not through the transaction');
    expect(asked).toEqual([]);
  });
});
