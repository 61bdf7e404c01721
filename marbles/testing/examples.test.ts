import { readFileSync } from 'node:fs';
import * as rxjs from 'rxjs';
import ts from 'typescript';
import { describe, expect, it } from 'vitest';
import { commit } from '../../src/operators/commit.js';
import { topicMarbles } from '../../src/testing/topicMarbles.js';
import type { TopicMarbles } from '../../src/testing/topicMarbles.js';

function textOf(path: string): string {
  return readFileSync(new URL(`../../${path}`, import.meta.url), 'utf8').replace(/^ \* ?/gm, '');
}

const inDocs = [...textOf('src/testing/topicMarbles.ts').matchAll(/@example\n(.*)\n```ts\n([^]*?)\n```/g)];
const inReadme = [...textOf('README.md').matchAll(/(^)```ts\nimport(?:.*\n)*?\n(topicMarbles[^]*?)\n```/gm)];
const examples = [...inDocs, ...inReadme].map(([, title = '', code = '']) => ({ title: title === '' ? 'README' : title, code }));

/** Runs an example, and answers how many diagrams it has asserted. */
function run(code: string): number {
  let asserted = 0;
  const counting = (test: (marbles: TopicMarbles) => void): void => {
    const assertDeepEqual = (actual: unknown, expected: unknown): void => {
      asserted += 1;
      expect(actual).toEqual(expected);
    };
    topicMarbles(test, { assertDeepEqual });
  };
  const names = { ...rxjs, commit, topicMarbles: counting };
  const { outputText } = ts.transpileModule(code, { compilerOptions: { target: ts.ScriptTarget.ES2022 } });
  // eslint-disable-next-line @typescript-eslint/no-implied-eval
  const call = new Function(...Object.keys(names), outputText) as (...values: unknown[]) => void;
  call(...Object.values(names));
  return asserted;
}

describe('the examples of topicMarbles', () => {
  it('are three in its comment, and one in the README', () => {
    expect([inDocs.length, inReadme.length]).toEqual([3, 1]);
  });

  it.each(examples)('$title', ({ code }) => {
    expect(run(code)).toBe(2);
  });

  it.each(examples)('would notice a change of its diagrams: $title', ({ code }) => {
    expect(() => run(code.replace(/(result = ')/, '$1-'))).toThrow();
  });
});
