import { setImmediate as turn } from 'node:timers/promises';
import { setFlagsFromString } from 'node:v8';
import { runInNewContext } from 'node:vm';
import { assert, constantFrom, array, property } from 'fast-check';
import { describe, expect, it } from 'vitest';
import { Fifo } from '../src/fifo.js';

describe('a queue', () => {
  it('does what an array does', () => {
    assert(
      property(array(constantFrom('push', 'push', 'shift', 'peek', 'clear'), { maxLength: 5_000, size: 'max' }), (steps) => {
        const queue = new Fifo<number>();
        let model: number[] = [];
        steps.forEach((step, i) => {
          if (step === 'push') {
            queue.push(i);
            model.push(i);
          } else if (step === 'shift') expect(queue.shift()).toBe(model.shift());
          else if (step === 'peek') expect(queue.peek()).toBe(model[0]);
          else if (i % 100 === 0) {
            queue.clear();
            model = [];
          }
          expect(queue.length).toBe(model.length);
        });
      }),
      { numRuns: 30 },
    );
  });

  it('keeps its order where it never gets empty', () => {
    const queue = new Fifo<number>();
    queue.push(0);
    for (let i = 1; i <= 100_000; i += 1) {
      queue.push(i);
      expect(queue.shift()).toBe(i - 1);
    }
    expect(queue.length).toBe(1);
  });

  it('keeps nothing in memory that was taken out', async () => {
    setFlagsFromString('--expose-gc');
    const collect = runInNewContext('gc') as () => void;
    const queue = new Fifo<object>();
    const taken: WeakRef<object>[] = [];
    for (let i = 0; i < 100; i += 1) queue.push({ i });
    for (let i = 0; i < 99; i += 1) taken.push(new WeakRef(queue.shift() as object));
    await turn();
    collect();
    expect(taken.filter((item) => item.deref() !== undefined)).toEqual([]);
    expect(queue.length).toBe(1);
  });
});
