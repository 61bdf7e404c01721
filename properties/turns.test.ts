import { describe, expect, it } from 'vitest';
import { Workshop, keyed, lanes } from '../marbles/support/workshop.js';
import type { PartitionLane } from '../src/sources/lane.js';

const PARTITIONS = 8;
const KEYS = 100_000;
const ROUNDS = 2;
/** So many keys come, and then the same again: half of what there are places for, so that a key would be under way twice. */
const BLOCK = 32;

/** Every key of every partition comes twice; records of the first partition take `slowMs`, the others 1. */
function manyKeys(slowMs: number): { workshop: Workshop; outOfOrder: number; started: number } {
  const all = lanes(PARTITIONS);
  const round = new Uint8Array(KEYS);
  const busy = new Uint8Array(KEYS);
  let outOfOrder = 0;
  let started = 0;
  const workshop = new Workshop({
    concurrency: 64,
    order: 'key',
    ms: ({ partition }) => (partition === 0 ? slowMs : 1),
    onStart: ({ key, value }) => {
      const number = Number(key);
      started += 1;
      if (value !== round[number] || busy[number] === 1) outOfOrder += 1;
      round[number] = value + 1;
      busy[number] = 1;
    },
  });
  const end = workshop.turns.end.bind(workshop.turns);
  workshop.turns.end = (turn) => {
    busy[Number(turn.record.key)] = 0;
    end(turn);
  };
  for (let number = 0; number < ROUNDS * KEYS; number += 1) {
    const within = number % (ROUNDS * BLOCK);
    const key = (number - within) / ROUNDS + (within % BLOCK);
    const lane = all[key % PARTITIONS] as PartitionLane;
    workshop.turns.add({ ...keyed(lane, number, String(key)), value: Math.floor(within / BLOCK) });
  }
  workshop.workAll();
  return { workshop, outOfOrder, started };
}

describe('turns', () => {
  it('keep the order of 100,000 keys, and let no slow partition hold up the others', () => {
    const { workshop, outOfOrder, started } = manyKeys(100);
    expect([started, outOfOrder, workshop.most]).toEqual([ROUNDS * KEYS, 0, 64]);
    expect([workshop.turns.size, workshop.turns.keys]).toEqual([0, 0]);
    // An eighth of the places each, as if none of them was slow.
    const perPartition = (ROUNDS * KEYS) / PARTITIONS;
    for (let partition = 1; partition < PARTITIONS; partition += 1) {
      expect(workshop.doneAt.get(partition)).toBeLessThanOrEqual((1.01 * perPartition) / (64 / PARTITIONS));
    }
    expect(workshop.doneAt.get(0)).toBeGreaterThan((100 * perPartition) / 64);
  });
});
