import type { Expression } from 'typescript';
import { TestText } from './testText.js';

/** What a test draws and asserts: the marbles that go into an operator, and those that are expected of it. */
export interface Block {
  readonly title: string;
  /** The operators in between, as they are called. */
  readonly calls: readonly string[];
  /** What is not seen in marbles. */
  readonly notes: readonly string[];
  readonly inputs: readonly Line[];
  readonly outputs: readonly Line[];
  readonly spans: readonly Spans[];
}

/** A line of marbles. */
export interface Line {
  readonly name: string;
  readonly marbles: string;
  /** What a marble stands for, where that is not its letter. */
  readonly values: ReadonlyMap<string, string>;
}

/** From when to when something else was under way, each time in marbles. */
export interface Spans {
  readonly name: string;
  readonly marbles: readonly string[];
}

/**
 * The marble block of the test that is tagged.
 *
 * Only what runs is in it: what goes by `hot` or `cold` into what is observed, and what is expected in `toBe`.
 */
export function blockOf(code: string): Block {
  const test = new TestText(code);
  const observed = test.expectations('expectObservable');
  const subscribed = test
    .expectations('expectSubscriptions')
    .map((one) => ({ ...one, source: one.actual.getText().replace(/\.subscriptions$/, '') }));
  const sources = new Set(observed.flatMap(({ actual }) => test.sourcesOf(actual)));
  const line = (name: string, marbles?: Expression, values?: Expression): Line => {
    return { name: words(name), marbles: test.marbles(marbles), values: test.values(values) };
  };
  return {
    title: test.title,
    calls: [...new Set(observed.flatMap(({ actual }) => test.operatorsOf(actual)))],
    notes: test.notes,
    inputs: [...sources].map((name) => line(name, ...(test.source(name) ?? []))),
    outputs: observed.map(({ marbles: [marbles], values }) => line(marbles?.getText() ?? '', marbles, values)),
    spans: subscribed
      .filter(({ source }) => !sources.has(source))
      .map(({ source, marbles }) => ({ name: words(source), marbles: marbles.map((one) => test.marbles(one)) })),
  };
}

/** A name as it is read: `onDisk` is `on disk`. */
function words(name: string): string {
  return name.replace(/\$$/, '').replace(/[A-Z]/g, (letter) => ` ${letter.toLowerCase()}`);
}
