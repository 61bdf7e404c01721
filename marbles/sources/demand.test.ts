import fc from 'fast-check';
import { describe, expect, it } from 'vitest';
import { Demand } from '../../src/sources/demand.js';

function demand(maxRecords: number, maxBytes: number): { credits: Demand; told: string[] } {
  const told: string[] = [];
  const credits = new Demand({ maxRecords, maxBytes, onRelief: () => told.push('relief'), onFinish: () => told.push('finish') });
  return { credits, told };
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

  it('lets others go out for what is finished, until as much again waits for the disk', () => {
    const { credits } = demand(2, 100);
    for (let i = 0; i < 3; i += 1) {
      expect([credits.free, credits.admits(10)]).toEqual([2, true]);
      credits.take(10);
      if (i < 2) credits.finish(1, 10);
    }
    expect([credits.open, credits.openBytes, credits.records, credits.free]).toEqual([1, 10, 3, 1]);
    credits.finish(1, 10);
    credits.take(10);
    credits.finish(1, 10);
    expect([credits.open, credits.records, credits.free, credits.starved]).toEqual([0, 4, 0, true]);
    credits.remember(3, 30);
    expect([credits.records, credits.free, credits.starved]).toEqual([1, 2, false]);
  });

  it('counts the bytes that wait for the disk as well', () => {
    const { credits } = demand(10, 100);
    for (const bytes of [100, 90]) {
      credits.take(bytes);
      credits.finish(1, bytes);
    }
    expect([credits.openBytes, credits.admits(10), credits.admits(11)]).toEqual([0, true, false]);
    credits.remember(1, 100);
    expect(credits.admits(100)).toBe(true);
  });

  it('says when credits have come back, and says nothing when none have', () => {
    const { credits, told } = demand(2, 100);
    credits.take(10);
    credits.give(0, 0);
    credits.remember(0, 0);
    expect(told).toEqual([]);
    credits.give(1, 10);
    expect([told, credits.free, credits.records, credits.openBytes, credits.given]).toEqual([['relief'], 2, 0, 0, 1]);
  });

  it('says that a record is finished where none could go out before', () => {
    const { credits, told } = demand(2, 100);
    credits.take(10);
    credits.finish(1, 10);
    expect(told).toEqual([]);
    credits.take(10);
    credits.take(10);
    credits.finish(1, 10);
    expect(told).toEqual(['finish']);
    expect(credits.admits(200)).toBe(false);
    credits.finish(1, 10);
    expect([told, credits.given]).toEqual([['finish', 'finish'], 3]);
    credits.remember(3, 30);
    expect(told).toEqual(['finish', 'finish', 'relief']);
  });

  it('never lets out more than its records and bytes, nor more than twice that in all, a record that is larger than all of them apart', () => {
    const sizes = fc.array(fc.oneof(fc.nat(30), fc.nat(250)), { minLength: 1, maxLength: 80 });
    fc.assert(
      fc.property(
        fc.integer({ min: 1, max: 8 }),
        fc.integer({ min: 1, max: 100 }),
        sizes,
        fc.infiniteStream(fc.nat(3)),
        fc.infiniteStream(fc.nat(2)),
        (max, maxBytes, all, which, how) => {
          const { credits } = demand(max, maxBytes);
          const open: number[] = [];
          const finished: number[] = [];
          const oneOf = (list: number[]): number => list.splice(which.next().value % list.length, 1)[0] as number;
          const sum = (list: readonly number[]): number => list.reduce((total, each) => total + each, 0);
          for (const size of all) {
            while (!credits.admits(size)) {
              expect(open.length + finished.length).toBeGreaterThan(0);
              const what = how.next().value as number;
              if (finished.length > 0 && (what === 0 || open.length === 0)) credits.remember(1, oneOf(finished));
              else if (what === 1) credits.give(1, oneOf(open));
              else {
                const bytes = oneOf(open);
                credits.finish(1, bytes);
                finished.push(bytes);
              }
            }
            credits.take(size);
            open.push(size);
            const [records, bytes] = [open.length + finished.length, sum(open) + sum(finished)];
            expect([credits.open, credits.openBytes, credits.records]).toEqual([open.length, sum(open), records]);
            expect(open.length <= max && records <= 2 * max).toBe(true);
            expect(sum(open) <= maxBytes || open.length === 1).toBe(true);
            expect(bytes <= 2 * maxBytes || records === 1).toBe(true);
            expect(credits.free > 0).toBe(open.length < max && records < 2 * max && sum(open) < maxBytes && bytes < 2 * maxBytes);
          }
        },
      ),
    );
  });
});
