import { tap } from 'rxjs';
import { afterEach, expect, inject, it, vi } from 'vitest';
import { addon } from '../src/addon.js';
import { Kafka, commit, drain, fromTopic, memoryOffsets } from '../src/index.js';
import { numberOf, numberedTopic, unique } from './support/numbered.js';

const brokers = inject('brokers');
const found = addon();

afterEach(() => {
  vi.restoreAllMocks();
});

it.runIf('addon' in found)(
  'a quick pipeline reads thousands at a time, and when it leaves in the middle the next one goes on there: nothing is lost, nothing comes twice',
  async () => {
    const records = 200_000;
    const { topic } = await numberedTopic(brokers, { records });
    const read = vi.spyOn((found as Extract<typeof found, { addon: unknown }>).addon, 'read');
    await using kafka = new Kafka({ brokers });
    const settings = { group: unique('large'), offsets: memoryOffsets(), maxInFlight: 16_384 };
    const seen = new Uint8Array(records);
    const expected = [0, 0, 0, 0];
    let [left, disordered] = [records, 0];
    async function readUntil(end: number): Promise<void> {
      const stop = new AbortController();
      await drain(
        fromTopic(kafka, topic, { ...settings, signal: stop.signal }).pipe(
          commit(),
          tap((record) => {
            const { partition, offset } = record;
            if (offset !== expected[partition]) disordered += 1;
            expected[partition] = offset + 1;
            const number = numberOf(record);
            seen[number] = (seen[number] ?? 0) + 1;
            left -= 1;
            if (left === end) stop.abort();
          }),
        ),
      );
    }

    await readUntil(records / 2);
    await readUntil(0);
    expect(disordered).toBe(0);
    expect(seen.every((times) => times === 1)).toBe(true);
    expect(Math.max(...read.mock.calls.map(([, most]) => most))).toBe(4_000);
  },
);
