import { setImmediate } from 'node:timers/promises';
import { setFlagsFromString } from 'node:v8';
import { runInNewContext } from 'node:vm';
import { range, Subject, tap } from 'rxjs';
import { describe, expect, inject, it } from 'vitest';
import { Kafka, toTopic } from '../../src/index.js';
import { collect } from './outcome.js';
import { created } from './topics.js';
import { contents } from './witness.js';

const brokers = inject('brokers');
const RECORDS = 20_000;
const WINDOW = 500;
describe('a full queue', () => {
  it('loses nothing of what it got at once, and keeps the order', async () => {
    await using kafka = new Kafka({ brokers });
    const topic = await created('full', 4);

    const passed = await collect(
      range(0, RECORDS).pipe(toTopic(kafka, topic, (n) => ({ partition: n % 4, value: `${n}` }), { properties: { 'queue.buffering.max.messages': 100 } })), // prettier-ignore
    );

    expect(passed).toEqual(numbers(0, 1));
    expect(byPartition(await contents(brokers, topic), 4)).toEqual([numbers(0, 4), numbers(1, 4), numbers(2, 4), numbers(3, 4)]);
  });

  it('lets no small record, which would still fit, overtake a large one', async () => {
    await using kafka = new Kafka({ brokers });
    const topic = await created('sizes', 4);
    const source$ = new Subject<number>();
    const sizes = [1, 6_000, 6_001, 2, 6_002, 3];
    const done = collect(
      source$.pipe(
        toTopic(kafka, topic, (size) => ({ partition: 0, value: 'x'.repeat(size) }), { properties: { 'queue.buffering.max.kbytes': 10 } }),
        tap((size) => {
          if (size !== 1) return;
          // Once it is connected, records go to the client as they come.
          for (const next of sizes.slice(1)) source$.next(next);
          source$.complete();
        }),
      ),
    );
    source$.next(1);

    expect(await done).toEqual(sizes);
    expect((await contents(brokers, topic)).map(({ value }) => value?.length)).toEqual(sizes);
  });

  it('that never gets empty keeps the order, and nothing of what was sent in memory', async () => {
    await using kafka = new Kafka({ brokers });
    const topic = await created('never-empty', 4);
    const source$ = new Subject<{ readonly n: number }>();
    const inputs: WeakRef<object>[] = [];
    const passed: number[] = [];
    const send = (n: number): void => {
      const input = { n };
      inputs.push(new WeakRef(input));
      source$.next(input);
    };
    let alive = Infinity;
    let counted: Promise<void> | undefined;

    await new Promise<void>((resolve, reject) => {
      source$
        .pipe(
          toTopic(kafka, topic, ({ n }) => ({ partition: n % 4, value: `${n}` }), {
            properties: { 'queue.buffering.max.messages': 50 },
            result: ({ n }) => n,
          }),
        )
        .subscribe({
          next: (n) => {
            passed.push(n);
            if (n + WINDOW < RECORDS) send(n + WINDOW);
            else source$.complete();
            if (n === RECORDS - 2 * WINDOW) {
              counted = setImmediate().then(() => {
                collectGarbage();
                alive = inputs.filter((input) => input.deref() !== undefined).length;
              });
            }
          },
          error: reject,
          complete: resolve,
        });
      for (let n = 0; n < WINDOW; n += 1) send(n);
    });
    await counted;

    expect(passed).toEqual(numbers(0, 1));
    expect(byPartition(await contents(brokers, topic), 4)).toEqual([numbers(0, 4), numbers(1, 4), numbers(2, 4), numbers(3, 4)]);
    expect(alive).toBeLessThan(10 * WINDOW);
  });
});

function numbers(first: number, step: number): number[] {
  return Array.from({ length: Math.ceil((RECORDS - first) / step) }, (_, i) => first + i * step);
}

function byPartition(records: Awaited<ReturnType<typeof contents>>, partitions: number): number[][] {
  return Array.from({ length: partitions }, (_, partition) => records.filter((record) => record.partition === partition).map(({ value }) => Number(value))); // prettier-ignore
}

function collectGarbage(): void {
  setFlagsFromString('--expose-gc');
  (runInNewContext('gc') as () => void)();
}
