import { describe, expect, it } from 'vitest';
import type { KafkaRecord } from '../src/record.js';
import type { PartitionLane } from '../src/sources/lane.js';
import type { Order, Turn } from '../src/turns.js';
import { Turns } from '../src/turns.js';
import { recordAt, source } from './support/source.js';

type Numbered = KafkaRecord<number>;

/** Work in a time of its own: of what ends at the same time, what began first ends first. */
class Workshop {
  readonly turns: Turns<Numbered>;
  readonly running = new Set<Turn<Numbered>>();
  now = 0;
  most = 0;
  /** When the last record of each partition was done. */
  readonly doneAt = new Map<number, number>();
  readonly #endings = new Map<number, Turn<Numbered>[]>();

  constructor(settings: { concurrency: number; order: Order; ms: (record: Numbered) => number; onStart?: (record: Numbered) => void }) {
    this.turns = new Turns({
      ...settings,
      start: (turn) => {
        settings.onStart?.(turn.record);
        this.running.add(turn);
        this.most = Math.max(this.most, this.running.size);
        const ends = this.now + settings.ms(turn.record);
        const endings = this.#endings.get(ends);
        if (endings === undefined) this.#endings.set(ends, [turn]);
        else endings.push(turn);
      },
    });
  }

  /** Ends what ends next. */
  step(): void {
    while (!this.#endings.has(this.now)) this.now += 1;
    const endings = this.#endings.get(this.now) as Turn<Numbered>[];
    const turn = endings.shift() as Turn<Numbered>;
    if (endings.length === 0) this.#endings.delete(this.now);
    this.running.delete(turn);
    this.doneAt.set(turn.record.partition, this.now);
    this.turns.end(turn);
  }

  workAll(): void {
    while (this.running.size > 0) this.step();
  }

  get offsets(): string[] {
    return [...this.running].map(({ record }) => `${record.partition}/${record.offset}`);
  }
}

function lanes(count: number): PartitionLane[] {
  const kafka = source();
  return Array.from({ length: count }, (_, partition) => kafka.lane({ partition }));
}

function keyed(lane: PartitionLane, offset: number, key: string | Buffer | null): Numbered {
  return { ...recordAt(lane, offset, offset), key: typeof key === 'string' ? Buffer.from(key) : key };
}

const PARTITIONS = 8;
const KEYS = 100_000;
const ROUNDS = 2;

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
    const key = number % KEYS;
    const lane = all[key % PARTITIONS] as PartitionLane;
    workshop.turns.add({ ...keyed(lane, number, String(key)), value: Math.floor(number / KEYS) });
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
