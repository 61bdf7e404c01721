import fc from 'fast-check';
import { describe, expect, it } from 'vitest';
import { Demand } from '../../src/sources/demand.js';

function demand(maxRecords: number, maxBytes: number): { credits: Demand; reliefs: () => number } {
  let reliefs = 0;
  const credits = new Demand({
    maxRecords,
    maxBytes,
    onRelief: () => {
      reliefs += 1;
    },
  });
  return { credits, reliefs: () => reliefs };
}

describe('Demand', () => {
  it('lets out as many records as there are credits', () => {
    const { credits } = demand(2, 100);
    expect(credits.free).toBe(2);
    credits.take(10);
    expect([credits.free, credits.admits(10)]).toEqual([1, true]);
    credits.take(10);
    expect([credits.free, credits.admits(10)]).toEqual([0, false]);
  });

  it('lets out as many bytes as there are credits', () => {
    const { credits } = demand(10, 100);
    credits.take(60);
    expect([credits.admits(40), credits.admits(41)]).toEqual([true, false]);
    credits.take(40);
    expect([credits.free, credits.admits(0)]).toEqual([0, true]);
  });

  it('lets a record that is larger than all bytes out alone', () => {
    const { credits } = demand(10, 100);
    expect(credits.admits(500)).toBe(true);
    credits.take(500);
    expect([credits.free, credits.admits(1)]).toEqual([0, false]);
    credits.give(1, 500);
    credits.take(1);
    expect(credits.admits(500)).toBe(false);
  });

  it('says when credits have come back, and says nothing when none have', () => {
    const { credits, reliefs } = demand(2, 100);
    credits.take(10);
    credits.give(0, 0);
    expect(reliefs()).toBe(0);
    credits.give(1, 10);
    expect([reliefs(), credits.free, credits.records, credits.bytes]).toEqual([1, 2, 0, 0]);
  });

  it('never lets out more than its records and bytes, a record that is larger than all of them apart', () => {
    const sizes = fc.array(fc.oneof(fc.nat(30), fc.nat(150)), { minLength: 1, maxLength: 80 });
    fc.assert(
      fc.property(
        fc.integer({ min: 1, max: 8 }),
        fc.integer({ min: 1, max: 100 }),
        sizes,
        fc.infiniteStream(fc.nat(3)),
        (max, maxBytes, all, rest) => {
          const { credits } = demand(max, maxBytes);
          const out: number[] = [];
          for (const size of all) {
            while (!credits.admits(size)) {
              expect(out.length).toBeGreaterThan(0);
              const [back = 0] = out.splice(rest.next().value % out.length, 1);
              credits.give(1, back);
            }
            credits.take(size);
            out.push(size);
            const bytes = out.reduce((sum, each) => sum + each, 0);
            expect([credits.records, credits.bytes]).toEqual([out.length, bytes]);
            expect(out.length).toBeLessThanOrEqual(max);
            expect(bytes <= maxBytes || out.length === 1).toBe(true);
            expect(credits.free > 0).toBe(out.length < max && bytes < maxBytes);
          }
        },
      ),
    );
  });
});
