import fc from 'fast-check';
import { describe, expect, it } from 'vitest';
import { firstOffset, stepToNext } from '../../marbles/support/randomOffsets.js';
import { OpenOffsets } from '../../src/sources/openOffsets.js';

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

function visited(open: OpenOffsets): number[] {
  const offsets: number[] = [];
  open.forEach((offset) => offsets.push(offset));
  return offsets;
}

describe('OpenOffsets', () => {
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
