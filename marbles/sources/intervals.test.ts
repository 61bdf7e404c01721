import fc from 'fast-check';
import { describe, expect, it } from 'vitest';
import { Intervals } from '../../src/sources/intervals.js';
import { offsetsIn, stretchesOf } from '../support/offsetSet.js';

const stretch = fc.tuple(fc.nat(60), fc.integer({ min: 1, max: 12 })).map(([from, length]) => [from, from + length] as const);

describe('Intervals', () => {
  it('is empty at first, and ends before every number', () => {
    const intervals = new Intervals();
    expect([intervals.isEmpty, intervals.end, intervals.flat]).toEqual([true, -Infinity, []]);
  });

  it.each([
    ['apart', [1, 2, 4, 5], [1, 2, 4, 5]],
    ['touching', [1, 2, 2, 3], [1, 3]],
    ['touching from below', [4, 6, 2, 4], [2, 6]],
    ['within', [1, 9, 3, 4], [1, 9]],
    ['around', [3, 4, 1, 9], [1, 9]],
    ['bridging two', [1, 3, 7, 9, 3, 7], [1, 9]],
    ['between two', [1, 2, 8, 9, 4, 5], [1, 2, 4, 5, 8, 9]],
  ])('joins stretches that overlap or touch, and no others: %s', (_, added, flat) => {
    const intervals = new Intervals();
    for (let i = 0; i < added.length; i += 2) intervals.add(added[i] as number, added[i + 1] as number);
    expect(intervals.flat).toEqual(flat);
  });

  it('holds what a set of single numbers would hold, whatever is added in whatever order', () => {
    fc.assert(
      fc.property(fc.array(stretch, { maxLength: 30 }), (added) => {
        const intervals = new Intervals();
        const model = new Set<number>();
        for (const [from, to] of added) {
          intervals.add(from, to);
          for (const offset of offsetsIn([from, to])) model.add(offset);
          expect(intervals.flat).toEqual(stretchesOf(model));
          for (let number = -1; number <= 75; number += 1) expect(intervals.has(number)).toBe(model.has(number));
        }
        expect(intervals.isEmpty).toBe(model.size === 0);
        expect(intervals.end).toBe(model.size === 0 ? -Infinity : Math.max(...model) + 1);
      }),
    );
  });
});
