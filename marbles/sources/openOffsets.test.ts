import fc from 'fast-check';
import { describe, expect, it } from 'vitest';
import { OpenOffsets } from '../../src/sources/openOffsets.js';
import { firstOffset, stepToNext } from '../support/randomOffsets.js';

/** The smallest ring there is, so that what stays open is soon overtaken. */
const TINY_RING = 16;

type Step =
  | { readonly do: 'open'; readonly step: number; readonly bytes: number }
  | { readonly do: 'passTo'; readonly step: number }
  | { readonly do: 'close' | 'closeThrough'; readonly which: number };

const which = fc.nat(1_000);
const steps = fc.array(
  fc.oneof<fc.MaybeWeightedArbitrary<Step>[]>(
    { weight: 10, arbitrary: fc.record({ do: fc.constant('open' as const), step: stepToNext, bytes: fc.nat(100) }) },
    { weight: 1, arbitrary: fc.record({ do: fc.constant('passTo' as const), step: stepToNext }) },
    { weight: 7, arbitrary: fc.record({ do: fc.constant('close' as const), which }) },
    { weight: 1, arbitrary: fc.record({ do: fc.constant('closeThrough' as const), which }) },
  ),
  { maxLength: 150, size: 'max' },
);

function opened(...offsets: number[]): OpenOffsets {
  const open = new OpenOffsets({ start: 0, maxRing: TINY_RING });
  for (const offset of offsets) open.open(offset, offset);
  return open;
}

function visited(open: OpenOffsets): number[] {
  const offsets: number[] = [];
  open.forEach((offset) => offsets.push(offset));
  return offsets;
}

describe('OpenOffsets', () => {
  it('knows how many bytes a record holds until it is closed, once', () => {
    const open = opened(5, 9);
    expect([open.close(5), open.close(5)]).toEqual([5, -1]);
    expect([open.records, open.bytes]).toEqual([1, 9]);
  });

  it('tells a record without bytes from one that is not open', () => {
    const open = opened(0);
    expect([open.close(0), open.close(0), open.close(7), open.close(-1)]).toEqual([0, -1, -1, -1]);
  });

  it('keeps records that stay open while thousands pass by', () => {
    const open = opened(0, 3);
    for (let offset = 4; offset < 5_000; offset += 1) {
      open.open(offset, 1);
      open.close(offset);
    }
    expect(visited(open)).toEqual([0, 3]);
    expect([open.first, open.close(3), open.close(0), open.first]).toEqual([0, 3, 0, 5_000]);
  });

  it('keeps all of thousands of records that are open at once', () => {
    const open = new OpenOffsets({ start: 0, maxRing: 4_096 });
    const offsets = Array.from({ length: 5_000 }, (_, offset) => offset);
    for (const offset of offsets) open.open(offset, 1);
    expect(visited(open)).toEqual(offsets);
    expect(open.records).toBe(5_000);
  });

  it('goes over a gap that is longer than any memory at once', () => {
    const open = opened(0, 2 ** 52);
    expect(visited(open)).toEqual([0, 2 ** 52]);
    open.close(0);
    expect(open.first).toBe(2 ** 52);
    expect(open.top).toBe(2 ** 52 + 1);
  });

  it('is what a map of the open records would be, however small its ring', () => {
    fc.assert(
      fc.property(firstOffset, fc.constantFrom(TINY_RING, 64, 4_096), steps, (start, maxRing, walk) => {
        const open = new OpenOffsets({ start, maxRing });
        const model = new Map<number, number>();
        let top = start;
        const pick = (nth: number): number => [...model.keys(), top, top + 3, start - 1][nth % (model.size + 3)] as number;
        for (const step of walk) {
          if (step.do === 'open') {
            top += step.step - 1;
            open.open(top, step.bytes);
            model.set(top, step.bytes);
            top += 1;
          } else if (step.do === 'passTo') {
            top += step.step;
            open.passTo(top);
          } else if (step.do === 'close') {
            const offset = pick(step.which);
            expect(open.close(offset)).toBe(model.get(offset) ?? -1);
            model.delete(offset);
          } else {
            const through = pick(step.which);
            open.closeThrough(through);
            for (const offset of model.keys()) if (offset <= through) model.delete(offset);
          }
          const offsets = [...model.keys()];
          expect(open.records).toBe(model.size);
          expect(open.bytes).toBe([...model.values()].reduce((sum, bytes) => sum + bytes, 0));
          expect(open.top).toBe(top);
          // Looking compacts: half of the walks look seldom.
          if (maxRing === 64 && step.do !== 'closeThrough') continue;
          expect(open.first).toBe(offsets[0] ?? top);
          expect(visited(open)).toEqual(offsets);
        }
        expect(visited(open)).toEqual([...model.keys()]);
      }),
    );
  });
});
