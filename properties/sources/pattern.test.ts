import fc from 'fast-check';
import { describe, expect, it } from 'vitest';
import { posixMatches } from '../../marbles/support/posix.js';
import { toPosix } from '../../src/sources/pattern.js';

describe('a pattern of topics', () => {
  it('means the same in the client whatever it is made of', () => {
    const atom = fc.constantFrom('a', 'b', '0', '-', '_', '\\.', '.', '\\d', '\\w', '[0-9]', '[ab]', '[^b]', '[a-]');
    const count = fc.constantFrom('', '', '', '*', '+', '?', '{1,2}', '{2}');
    const { pattern } = fc.letrec<{ pattern: string; branch: string; piece: string; whole: string }>((tie) => ({
      whole: tie('pattern'),
      pattern: fc.array(tie('branch'), { minLength: 1, maxLength: 3 }).map((branches) => branches.join('|')),
      branch: fc
        .tuple(fc.boolean(), fc.array(tie('piece'), { minLength: 1, maxLength: 4 }), fc.boolean())
        .map(([start, pieces, end]) => `${start ? '^' : ''}${pieces.join('')}${end ? '$' : ''}`),
      piece: fc
        .tuple(
          fc.oneof(
            { maxDepth: 2 },
            atom,
            tie('pattern').map((inner) => `(${inner})`),
            tie('pattern').map((inner) => `(?:${inner})`),
          ),
          count,
        )
        .map((parts) => parts.join('')),
    }));
    const name = fc.string({ unit: fc.constantFrom('a', 'b', '0', '-', '_', '.'), maxLength: 6 });
    fc.assert(
      fc.property(pattern, fc.array(name, { minLength: 1, maxLength: 8 }), (source, names) => {
        const here = new RegExp(source);
        const there = toPosix(here);
        for (const each of names) expect([each, posixMatches(there, each)]).toEqual([each, here.test(each)]);
      }),
      { numRuns: 500 },
    );
  });
});
