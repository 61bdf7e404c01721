import { readFileSync, readdirSync } from 'node:fs';
import { fileURLToPath } from 'node:url';
import { describe, expect, it } from 'vitest';
import { blockOf } from '../diagrams/block.js';
import { draw } from '../diagrams/draw.js';
import { FOLDER, blocks, pictures } from '../diagrams/pictures.js';

const ROOT = fileURLToPath(new URL('..', import.meta.url));
const drawn = pictures(ROOT);

function textOf(path: string): string {
  return readFileSync(`${ROOT}/${path}`, 'utf8');
}

describe('the pictures of the operators', () => {
  it.each([...drawn])('%s is that of its test', (file, picture) => {
    expect(textOf(`${FOLDER}/${file}`), 'the picture is older than its test: run `npm run diagrams`').toBe(picture);
  });

  it('are one for each operator, and all in the README', () => {
    const operators = readdirSync(`${ROOT}/src/operators`).map((file) => file.replace('.ts', '.svg'));
    const shown = [...textOf('README.md').matchAll(/\(docs\/diagrams\/(\w+\.svg)\)/g)].map(([, file]) => file);
    for (const files of [operators, shown, readdirSync(`${ROOT}/${FOLDER}`)]) expect([...files].sort()).toEqual([...drawn.keys()].sort());
  });
});

describe('the diagrams in doc comments', () => {
  it.each([...blocks(ROOT)])('that of %s has the marbles of its test', (operator, { inputs, outputs }) => {
    const [, diagram = ''] = /^ \* ```text\n([^]*?)^ \* ```$/m.exec(textOf(`src/operators/${operator}.ts`)) ?? [];
    const rows = diagram.split('\n').map((row) => row.replace(/^ \* /, '').split(/ {2,}/));
    const lines = rows.flatMap(([name = '', marbles = '']) => (name === '' ? [] : [{ name, marbles }]));
    const above = lines.splice(0, inputs.length);
    expect(above.map(({ marbles }) => marbles)).toEqual(inputs.map(({ marbles }) => marbles.trim()));
    const tested = outputs.map(({ name, marbles }) => ({ name, marbles: marbles.trim() }));
    expect(lines).not.toEqual([]);
    expect(tested).toEqual(expect.arrayContaining(lines));
  });
});

/** A test as text, with a diagram of `take`. */
function testWith(lines: { before?: string; it?: string; values?: string; result?: string; expected?: string }): string {
  const { before = '// @diagram', it = 'it', values = "hot('-a-b-c|')", result = "'      -a-(b|)'", expected = 'toBe(result)' } = lines;
  return `
import { take } from '../../src/operators/take.js';
describe('take', () => {
  ${before}
  ${it}('ends', inVirtualTime(({ hot, expectObservable }) => {
    const other$ = hot('--|');
    const values$ = ${values};
    const result = ${result};
    const forgotten = '---';
    // Two are enough.
    const taken$ = values$.pipe(scaffold(), take(2));
    expectObservable(taken$).${expected};
    expect(values$).toBe(values$);
  }));
});`;
}

describe('a diagram', () => {
  it('is what a test passes to an operator, and what it expects, and nothing else', () => {
    const { title, calls, notes, inputs, outputs, spans } = blockOf(testWith({ expected: "toBe(result, { b: 'bee', c: records })" }));
    expect({ title, calls, notes, spans }).toEqual({ title: 'ends', calls: ['take(2)'], notes: ['Two are enough.'], spans: [] });
    expect(inputs).toEqual([{ name: 'values', marbles: '-a-b-c|', values: new Map() }]);
    expect(outputs).toEqual([{ name: 'result', marbles: '      -a-(b|)', values: new Map([['b', 'bee']]) }]);
  });

  it('is another when its test changes', () => {
    const picture = draw('take', blockOf(testWith({})));
    expect(draw('take', blockOf(testWith({})))).toBe(picture);
    for (const changed of [{ values: "hot('-a-b--c|')" }, { result: "'-a--(b|)'" }, { expected: "toBe(result, { a: 'A' })" }]) {
      expect(draw('take', blockOf(testWith(changed)))).not.toBe(picture);
    }
  });

  it('is that of the one test that is tagged, and runs', () => {
    const tagged = 'Write `// @diagram` above the one `it(…)`';
    expect(() => blockOf(testWith({ before: '' }))).toThrow(tagged);
    expect(() => blockOf(testWith({ it: 'it.skip' }))).toThrow(tagged);
    expect(() => blockOf(testWith({ before: "// @diagram\n  it('', run);\n  // @diagram" }))).toThrow(tagged);
    expect(() => blockOf(testWith({ result: 'lineOf(3)' }))).toThrow('A line of a diagram is a literal');
  });

  it('is refused where it has no room, or no end', () => {
    const named = (name: string): string => testWith({ expected: `toBe(result, { b: '${name}' })` });
    expect(draw('take', blockOf(named('two words')))).toContain('two words');
    const endless = testWith({}).replace('expect(values$)', "expectSubscriptions(other$.subscriptions).toBe('^--');\n    expect(values$)");
    expect(() => draw('take', blockOf(endless))).toThrow('Say with `!`');
    expect(() => draw('take', blockOf(named('so many words that they do not fit')))).toThrow('There is no room for "so many words');
  });
});
