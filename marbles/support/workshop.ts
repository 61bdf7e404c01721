import type { KafkaRecord } from '../../src/record.js';
import type { PartitionLane } from '../../src/sources/lane.js';
import type { Order, Turn } from '../../src/turns.js';
import { Turns } from '../../src/turns.js';
import { recordAt, source } from './source.js';

export type Numbered = KafkaRecord<number>;

/** Work in a time of its own: of what ends at the same time, what began first ends first. */
export class Workshop {
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

export function lanes(count: number): PartitionLane[] {
  const kafka = source();
  return Array.from({ length: count }, (_, partition) => kafka.lane({ partition }));
}

export function keyed(lane: PartitionLane, offset: number, key: string | Buffer | null): Numbered {
  return { ...recordAt(lane, offset, offset), key: typeof key === 'string' ? Buffer.from(key) : key };
}
