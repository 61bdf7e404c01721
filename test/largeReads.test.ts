import { asyncScheduler, tap } from 'rxjs';
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
    const asked = (): number => read.mock.calls.at(-1)?.[1] ?? 0;
    // However slow the machine is, no batch takes long.
    vi.spyOn(asyncScheduler, 'now').mockReturnValue(0);
    await using kafka = new Kafka({ brokers });
    const settings = { group: unique('large'), offsets: memoryOffsets(), maxInFlight: 16_384 };
    const seen = new Uint8Array(records);
    const expected = [0, 0, 0, 0];
    let [left, disordered] = [records, 0];
    async function readUntil(isEnough: () => boolean): Promise<void> {
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
            if (isEnough()) stop.abort();
          }),
        ),
      );
    }

    await readUntil(() => left === 0 || (left < records / 2 && asked() > 1_000));
    expect(asked()).toBeGreaterThan(1_000);
    expect(left).toBeGreaterThan(0);
    await readUntil(() => left === 0);
    expect(disordered).toBe(0);
    expect(seen.every((times) => times === 1)).toBe(true);
  },
);
