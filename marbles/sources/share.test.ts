import { describe, expect, it } from 'vitest';
import { OptionError } from '../../src/errors.js';
import type { TopicPartition } from '../../src/position.js';
import type { WorkerSlot } from '../../src/sources/share.js';
import { shareOf } from '../../src/sources/share.js';

const partitionsOf = (topic: string, count: number): TopicPartition[] =>
  Array.from({ length: count }, (_, partition) => ({ topic, partition }));

describe('a share of the partitions', () => {
  it('is all of a topic, without a worker', () => {
    const share = shareOf('orders', undefined);
    expect(share.topics).toEqual(['orders']);
    expect(partitionsOf('orders', 5).filter((partition) => share.has(partition))).toHaveLength(5);
  });

  it.each([
    [1, 3],
    [3, 13],
    [4, 13],
    [5, 4],
    [13, 13],
  ])('is that of one of %i workers: each of %i partitions has exactly one', (of, count) => {
    const owners = partitionsOf('orders', count).map((partition) =>
      Array.from({ length: of }, (_, slot) => slot).filter((slot) => shareOf('orders', { slot, of }).has(partition)),
    );
    expect(owners).toEqual(Array.from({ length: count }, (_, partition) => [partition % of]));
  });

  it('is what was chosen, by topic', () => {
    const share = shareOf({ orders: [0, 2], invoices: [1] }, undefined);
    const all = [...partitionsOf('orders', 3), ...partitionsOf('invoices', 3)];
    expect(share.topics).toEqual(['orders', 'invoices']);
    expect(all.filter((partition) => share.has(partition))).toEqual([
      { topic: 'orders', partition: 0 },
      { topic: 'orders', partition: 2 },
      { topic: 'invoices', partition: 1 },
    ]);
    expect(() => {
      share.check(all);
    }).not.toThrow();
    expect(() => {
      share.check(all.slice(0, 2));
    }).toThrow(new OptionError('fromPartitions: orders has 2 partitions, and none is 2.'));
  });

  const worker = (slot: unknown, of: unknown): WorkerSlot => ({ slot, of }) as WorkerSlot;
  it.each<[string, Parameters<typeof shareOf>, RegExp]>([
    ['a name that is none', ['or ders', undefined], /"or ders" is no name of a topic/],
    [
      'a pattern',
      [/orders/ as never, undefined],
      /the second argument is a topic, or an object with an array of partitions for each topic/,
    ],
    ['a list of topics', [['orders'] as never, undefined], /the second argument is a topic, or an object/],
    ['nothing at all', [null as never, undefined], /the second argument is a topic, or an object/],
    ['no topics', [{}, undefined], /the second argument is a topic, or an object/],
    ['a name among others', [{ 'orders': [1], '': [2] }, undefined], /"" is no name of a topic/],
    ['no partitions', [{ orders: [] }, undefined], /of orders the list of partitions is empty: name at least one/],
    ['no list of them', [{ orders: 3 as never }, undefined], /of orders the list of partitions must be an array/],
    ['one of them twice', [{ orders: [3, 3] }, undefined], /must be whole numbers from 0 up, each of them once/],
    ['half a partition', [{ orders: [0.5] }, undefined], /must be whole numbers from 0 up/],
    ['partitions and a worker', [{ orders: [0] }, worker(0, 1)], /by number or by `worker`, and here are both/],
    ['half a slot', ['orders', worker(0.5, 2)], /`slot` must be a whole number from 0 up and below `of`, .* these are 0.5 and 2/],
    ['a slot that there is not', ['orders', worker(4, 4)], /`slot` must be a whole number from 0 up and below `of`, .* these are 4 and 4/],
    ['a slot below 0', ['orders', worker(-1, 4)], /`slot` must be a number from 0 up/],
    ['half a worker', ['orders', worker(0, 1.5)], /these are 0 and 1.5/],
    ['no worker', ['orders', worker(0, 0)], /`of` must be a number above 0/],
    ['a slot as text', ['orders', worker('1', 4)], /`slot` must be a number from 0 up/],
    ['a slot of nothing', ['orders', { slot: 1 } as never], /the option `of` is missing/],
    ['a misspelt word', ['orders', { slot: 1, off: 4 } as never], /unknown option `off`: did you mean `of`\?/],
  ])('is not %s', (_what, [topic, slot], message) => {
    expect(() => shareOf(topic, slot)).toThrow(OptionError);
    expect(() => shareOf(topic, slot)).toThrow(message);
  });
});
