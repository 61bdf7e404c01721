import { describe, expect, it } from 'vitest';
import type { Fold } from '../kill/fold.js';
import { NOTHING_YET, add } from '../kill/fold.js';
import { idOf, parseId, valueOf } from '../kill/recordId.js';
import type { Dump } from '../kill/verify.js';
import type { Step, StormEvidence } from './judge.js';
import { judge, judgementLine } from './judge.js';
import { stepOf } from './stormLog.js';

const numbers = [0, 1, 2, 3];
const id = (n: number): string => idOf(valueOf('k0', n));

/** Steps as they stand in a log, but for the names of records, which are their numbers. */
function steps(...lines: readonly string[]): Step[] {
  return lines.map((line) => {
    const [, beginning = '', number = ''] = /^([SED] .*) (\d+)$/.exec(line) ?? [];
    return stepOf(beginning === '' ? line : `${beginning} ${number} ${id(Number(number))}`);
  });
}

function dump(frontier: number, finished: readonly number[]): Dump {
  const fold = finished.map((n) => parseId(id(n))).reduce<Fold>(add, NOTHING_YET);
  return { checkpoints: [{ partition: 0, frontier, runs: [] }], state: finished.length === 0 ? [] : [['k0', fold]] };
}

const evidence = (log: readonly string[], dumps: Readonly<Record<string, Dump>> = {}): StormEvidence => ({
  sent: new Set(numbers.map(id)),
  acked: new Map(numbers.map((offset) => [id(offset), { partition: 0, offset }])),
  dumps: new Map(Object.entries(dumps)),
  steps: steps(...log),
});

/** Member 1 of store a works on two records and hands over in peace; member 2 of store b does the rest. */
const first = ['G 1.1 a 0', 'S 1.1 a 1 0 0', 'S 1.1 a 1 0 1', 'E 1.1 a 1 0 0', 'E 1.1 a 1 0 1', 'D 1.1 a 1 0 0', 'D 1.1 a 1 0 1', 'M 0 2'];
const second = [
  'G 2.1 b 0',
  'S 2.1 b 1 0 2',
  'S 2.1 b 1 0 3',
  'E 2.1 b 1 0 3',
  'E 2.1 b 1 0 2',
  'D 2.1 b 1 0 2',
  'D 2.1 b 1 0 3',
  'T 2.1 b 0',
];
const clean = [...first, 'T 1.1 a 0', ...second, 'Q 2', 'X 2 0'];

describe('the judge of a storm', () => {
  it.each([
    ['a clean run', clean],
    ['a kill', [...first.slice(0, 4), 'K 1', 'G 2.1 b 0', ...numbers.flatMap((n) => [`S 2.1 b 1 0 ${n}`, `E 2.1 b 1 0 ${n}`])]],
    ['a zombie that is late to hear of it', [...first, 'Z 1', ...second, 'C 1', 'T 1.1 a 0']],
    ['a zombie that goes on with what it had read', [...first, 'Z 1', ...second, 'C 1', 'S 1.1 a 1 0 2', 'T 1.1 a 0']],
    ['a process that is asked to end before it is loaded', [...clean, 'Q 3', 'X 3 SIGTERM']],
  ])('has nothing to say of %s', (_what, log) => {
    expect(judge(evidence(log)).broken).toEqual([]);
    expect(judgementLine(judge(evidence(log)))).toMatch(/^records 4; .* kept$/);
  });

  it.each<[string, RegExp, StormEvidence]>([
    ['a lost record', /1 times: records were lost/, evidence(clean.filter((line) => line !== 'E 2.1 b 1 0 2'))],
    ['two owners', /was given to 2.1 while 1.1 had it/, evidence([...first, ...second])],
    [
      'two owners after a zombie has heard of it',
      /was given to 1.1 while 2.1 had it/,
      evidence([...first, 'Z 1', 'G 2.1 b 0', 'C 1', 'T 1.1 a 0', 'G 1.1 a 0']),
    ],
    ['emission without ownership', /did not have their partition/, evidence([...first, 'T 1.1 a 0', 'S 1.1 a 1 0 2', ...second])],
    ['emission out of order', /emitted out of order/, evidence(['G 1.1 a 0', 'S 1.1 a 1 0 1', 'S 1.1 a 1 0 0', ...clean.slice(1)])],
    [
      'a finished record again in the same store',
      /the same store remembers/,
      evidence([...first, 'T 1.1 a 0', 'G 1.2 a 0', 'S 1.2 a 2 0 1']),
    ],
    [
      'a late commit of a zombie',
      /an old epoch were remembered/,
      evidence([...first.slice(0, 6), 'G 1.2 a 0', 'S 1.2 a 2 0 1', 'D 1.1 a 1 0 1']),
    ],
    [
      'a late emission of a zombie',
      /an old epoch were emitted/,
      evidence([...first.slice(0, 2), 'G 1.2 a 0', 'S 1.2 a 2 0 1', 'S 1.1 a 1 0 1']),
    ],
    [
      'a record below a frontier that was handed over',
      /below a frontier that was handed over/,
      evidence([...first, 'T 1.1 a 0', 'G 2.1 b 0', 'S 2.1 b 1 0 1']),
    ],
    ['a mirror that leads', /past records that nobody had worked on/, evidence([...first, 'M 0 3'])],
    ['a mirror that goes back', /own offset went back/, evidence([...clean, 'M 0 1'])],
    ['a partition that is given up twice', /had given up/, evidence([...clean.slice(0, -2), 'T 2.1 b 0'])],
    ['a process that ends badly', /ended with 1/, evidence([...clean.slice(0, -1), 'X 2 1'])],
    ['a record that was never sent', /never sent/, { ...evidence(clean), sent: new Set([id(0)]) }],
    ['a record at another place', /at another place/, { ...evidence(clean), acked: new Map([[id(0), { partition: 0, offset: 3 }]]) }],
    [
      'offsets that are finished without work',
      /no work on them was ever done/,
      evidence(
        clean.filter((line) => !line.startsWith('E')),
        { a: dump(2, [0, 1]) },
      ),
    ],
    ['a word that was not kept', /said to be remembered/, evidence(clean, { a: dump(1, [0]) })],
    ['state that a late commit has changed', /keys of store a have a state/, evidence(clean, { a: dump(2, [0, 1, 1]) })],
  ])('finds %s', (_what, complaint, found) => {
    expect(judge(found).broken.join('\n')).toMatch(complaint);
  });

  it('asks for nothing of members whose stores know nothing of each other', () => {
    const again = evidence([...first, 'T 1.1 a 0', 'G 2.1 b 0', ...numbers.flatMap((n) => [`S 2.1 b 1 0 ${n}`, `E 2.1 b 1 0 ${n}`])]);
    expect(judge(again, { mirrored: false }).broken).toEqual([]);
    expect(judge(again, { mirrored: true }).belowHandedOver).toBe(2);
  });
});
