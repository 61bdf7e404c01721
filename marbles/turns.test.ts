import fc from 'fast-check';
import { describe, expect, it } from 'vitest';
import type { PartitionLane } from '../src/sources/lane.js';
import { source } from './support/source.js';
import type { Turn } from '../src/turns.js';
import { Turns } from '../src/turns.js';
import type { Numbered } from './support/workshop.js';
import { Workshop, keyed, lanes } from './support/workshop.js';

describe('turns', () => {
  it('by key: records of one key go one after the other, by the bytes of the key; those without one do not wait', () => {
    const [lane] = lanes(1) as [PartitionLane];
    const workshop = new Workshop({ concurrency: 64, order: 'key', ms: () => 1 });
    const view = new Uint8Array(Buffer.from('xay').buffer).subarray(0, 0);
    for (const [offset, key] of ['a', 'a', 'b', null, null, '', '', Buffer.from([0xff]), Buffer.from([0xfe]), 'a'].entries()) {
      workshop.turns.add(keyed(lane, offset, key));
    }
    workshop.turns.add({ ...keyed(lane, 10, null), key: view as Buffer });
    expect(workshop.offsets).toEqual(['0/0', '0/2', '0/3', '0/4', '0/5', '0/7', '0/8']);
    workshop.step();
    expect(workshop.offsets.at(-1)).toBe('0/1');
    workshop.workAll();
    expect([workshop.turns.size, workshop.turns.keys]).toEqual([0, 0]);
  });

  it('by partition: one at a time in each; without order: as many as there are places', () => {
    for (const [order, running] of [
      ['partition', ['0/0', '1/0']],
      ['none', ['0/0', '0/1', '0/2', '1/0', '1/1']],
    ] as const) {
      const [one, two] = lanes(2) as [PartitionLane, PartitionLane];
      const workshop = new Workshop({ concurrency: 5, order, ms: () => 1 });
      for (const offset of [0, 1, 2]) workshop.turns.add(keyed(one, offset, 'a'));
      for (const offset of [0, 1, 2]) workshop.turns.add(keyed(two, offset, 'a'));
      expect(workshop.offsets).toEqual(running);
      workshop.workAll();
      expect([workshop.turns.size, workshop.turns.keys]).toEqual([0, 0]);
    }
  });

  it('keep some places for partitions that have nothing under way', () => {
    const [one, two] = lanes(2) as [PartitionLane, PartitionLane];
    const workshop = new Workshop({ concurrency: 16, order: 'none', ms: ({ partition }) => (partition === 0 ? 100 : 1) });
    workshop.turns.add(keyed(two, 0, null));
    workshop.step();
    for (let offset = 0; offset < 100; offset += 1) workshop.turns.add(keyed(one, offset, null));
    expect(workshop.running.size).toBe(15);
    workshop.turns.add(keyed(two, 1, null));
    workshop.turns.add(keyed(two, 2, null));
    expect(workshop.offsets.filter((name) => name.startsWith('1/'))).toEqual(['1/1']);
    workshop.step();
    expect([workshop.now, workshop.offsets.at(-1)]).toEqual([2, '1/2']);
    workshop.workAll();
    expect(workshop.turns.size).toBe(0);
  });

  it('that are paused take no place, come back to where they were, and keep the order of their key', () => {
    const turn = fc.record({ partition: fc.nat(2), key: fc.constantFrom('a', 'b', null), pauses: fc.nat(2) });
    fc.assert(
      fc.property(
        fc.array(turn, { maxLength: 60 }),
        fc.integer({ min: 1, max: 5 }),
        fc.infiniteStream(fc.nat()),
        (records, concurrency, chance) => {
          const all = lanes(3);
          const running: Turn<Numbered>[] = [];
          const paused: Turn<Numbered>[] = [];
          const ended: number[] = [];
          let most = 0;
          const turns = new Turns<Numbered>({
            concurrency,
            order: 'key',
            start: (started) => {
              running.push(started);
              most = Math.max(most, running.length);
            },
          });
          for (const [offset, { partition, key }] of records.entries()) turns.add(keyed(all[partition] as PartitionLane, offset, key));
          const pauses = records.map((record) => record.pauses);
          while (turns.size > 0) {
            const at = (chance.next().value ?? 0) % (running.length + paused.length);
            const back = paused[at - running.length];
            if (back === undefined) {
              const [next] = running.splice(at, 1) as [Turn<Numbered>];
              const { offset } = next.record;
              if ((pauses[offset] as number) > 0) {
                pauses[offset] = (pauses[offset] as number) - 1;
                paused.push(next);
                turns.pause(next);
              } else {
                ended.push(offset);
                turns.end(next);
              }
            } else {
              paused.splice(paused.indexOf(back), 1);
              turns.resume(back);
            }
            // A place is free only if nobody could take it.
            const waiting = turns.size - running.length - paused.length;
            if (running.length === 0 && paused.length === 0) expect(waiting).toBe(0);
          }
          expect([ended.length, turns.keys, most <= concurrency]).toEqual([records.length, 0, true]);
          for (const [i, first] of ended.entries()) {
            for (const later of ended.slice(i + 1)) {
              const [one, two] = [records[first], records[later]];
              const isOfKey = one?.key !== null && one?.key === two?.key && one?.partition === two?.partition;
              if (isOfKey) expect(first).toBeLessThan(later);
            }
          }
        },
      ),
    );
  });

  it('do not come for records of a partition that was lost while they waited', () => {
    const [lane, other] = lanes(2) as [PartitionLane, PartitionLane];
    const workshop = new Workshop({ concurrency: 8, order: 'key', ms: () => 1 });
    for (const offset of [0, 1, 2]) workshop.turns.add(keyed(lane, offset, 'a'));
    workshop.turns.add(keyed(other, 0, 'a'));
    lane.fence();
    workshop.step();
    expect(workshop.offsets).toEqual(['1/0']);
    workshop.workAll();
    expect([workshop.turns.size, workshop.turns.keys]).toEqual([0, 0]);
  });

  it('keep the order of a key when its partition comes back while older work goes on', () => {
    const kafka = source();
    const before = kafka.lane({ epoch: 1 });
    const after = kafka.lane({ epoch: 2 });
    const workshop = new Workshop({ concurrency: 8, order: 'key', ms: () => 1 });
    workshop.turns.add(keyed(before, 0, 'a'));
    before.fence();
    workshop.turns.add(keyed(after, 0, 'a'));
    expect(workshop.running.size).toBe(1);
    workshop.step();
    expect(workshop.running.size).toBe(1);
    workshop.workAll();
    expect(workshop.turns.size).toBe(0);
  });
});
