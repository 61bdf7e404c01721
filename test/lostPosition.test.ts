import { beforeAll, describe, expect, it } from 'vitest';
import { typeErrors } from './examples/compile.js';

const PLAIN_WORDS =
  'The position of the record was lost above. Keep it with map((r) => ({ ...r, value: f(r.value) })), or with mapValue(f).';

const LOST = [
  'orders$.pipe(map((r) => r.value), commit());',
  'orders$.pipe(map((r) => String(r.value)), commit({ ordered: true, metadata: () => "x" }));',
  'orders$.pipe(map(({ offset, value }) => ({ offset, value })), commit());',
  'orders$.pipe(map((r) => r.value), bufferCount(10), commit());',
  'orders$.pipe(mergeMap((r) => charge(r)), commit());',
  'const values$ = orders$.pipe(map((r) => r.value));\nvalues$.pipe(commit());',
  "orders$.pipe(toTopic(kafka, 'out', ({ value }) => ({ value }), { result: (_, deliveries) => deliveries }), commit());",
  'orders$.pipe(map((r) => r.value), release());',
  'orders$.pipe(map((r) => r.value), gate(of(true)));',
  'orders$.pipe(map((r) => r.value), batch());',
  'const kept = commit<string>();',
];

const KEPT = [
  'orders$.pipe(map((r) => ({ ...r, value: String(r.value) })), commit());',
  'orders$.pipe(mapValue(String), gate(of(true)), batch(), commit());',
  'orders$.pipe(mergeMap(async (r) => ({ ...r, value: await charge(r) })), release());',
];

describe('a position that was lost', () => {
  let complaints: ReadonlyMap<string, readonly string[]>;
  beforeAll(() => {
    complaints = typeErrors([...LOST, ...KEPT].map((code) => ({ where: code, code: `${code}\n` })));
  });

  it.each(LOST)('is told in plain words by the compiler: %s', (code) => {
    expect(complaints.get(code)).toEqual([expect.stringContaining(PLAIN_WORDS)]);
  });

  it.each(KEPT)('is not what the compiler speaks of where it was kept: %s', (code) => {
    expect(complaints.get(code)).toEqual([]);
  });
});
