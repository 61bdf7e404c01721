import { describe, expect, it } from 'vitest';
import { NOT_ASKED, sentences } from '../../bench/absent.js';
import { chart } from '../../bench/chart.js';
import { compared } from '../../bench/compared.js';
import { CONTENDERS, chosen, leftOut } from '../../bench/contenders.js';
import { median, percentile } from '../../bench/figures.js';
import type { Payload } from '../../bench/payload.js';
import { payloads, sentAt, stamped, transformed } from '../../bench/payload.js';
import { withFigures } from '../../bench/readme.js';
import type { CaseResult, Result } from '../../bench/results.js';
import { rows } from '../../bench/results.js';
import { interleave } from '../../bench/rounds.js';
import { scenarios } from '../../bench/scenarios.js';
import { cellsOf, comparisonLine, report } from '../../bench/tables.js';
import type { Account } from '../../bench/task.js';
import { warmUp } from '../../bench/warmUp.js';
import { way } from '../../bench/way.js';
import type { Addon, AddonOrReason } from '../../src/addon.js';

const account = (seconds: number, cpuMicros = 1_000): Account => {
  return { records: 1_000, seconds, cpuMicros, peakRssBytes: 1_048_576, version: '1.0.0', node: 'v20', settings: { linger: 5 } };
};

const machine = {
  cpu: 'c',
  memoryGiB: 1,
  system: 's',
  node: 'v20',
  broker: 'b',
  commit: 'abc',
  date: '2026-01-02T00:00:00Z',
  loaded: null,
};
const all = scenarios({ records: 1_000, partitions: 4, latencySeconds: 1, maxRuns: 1 });

/** All cases of a scenario, with the same accounts in each. */
const casesOf = (
  wanted: string,
  accounts: Readonly<Record<string, Account[]>>,
  absent: CaseResult['absent'] = [],
): { result: Result; cases: CaseResult[] } => {
  const { name, title, figure, cases: planned } = all.find((one) => one.name === wanted) as (typeof all)[0];
  const measured = rows(figure, new Map(Object.entries(accounts)));
  const cases = planned.map((one) => ({ ...one, compressed: 3.5, rows: measured, absent }));
  return { result: { scenario: name, title, figure, rounds: 1, machine, cases }, cases };
};

const EMPTY_README = 'before\n<!-- bench: written by `npm run bench -- --readme` -->\nold\n<!-- /bench -->\nafter\n';

describe('what a bench says', () => {
  it('a ratio is the median of the ratios within a round, not the ratio of the medians', () => {
    const runs = new Map([
      ['ours', [account(1), account(10), account(2)]],
      ['<theirs>', [account(3), account(11), account(8)]],
    ]);
    const [ours, theirs] = rows('recordsPerSecond', runs);
    expect(ours?.ratio).toBe(1);
    expect(ours?.recordsPerSecond).toBe(500);
    // 3, 1.1 and 4; the medians, 8 to 2, would say 4.
    expect(theirs?.ratio).toBe(3);
  });

  it('less latency and less CPU time are better', () => {
    const late = (p50: number): Account => ({ ...account(1), latency: { p50, p99: 2 * p50 } });
    const [, slower] = rows('latency', new Map([['ours', [late(2)]], ['theirs', [late(6)]]])); // prettier-ignore
    expect(slower?.ratio).toBe(3);
    expect(slower?.latency).toEqual({ p50: 6, p99: 12 });
    const [, thriftier] = rows('cpuMicrosPerRecord', new Map([['ours', [account(1, 4_000)]], ['theirs', [account(9, 1_000)]]])); // prettier-ignore
    expect(thriftier?.ratio).toBe(0.25);
  });

  it('medians and percentiles are of what was measured', () => {
    expect(median([9, 1, 5])).toBe(5);
    expect(median([1, 2, 3, 10])).toBe(2.5);
    const hundred = Float64Array.from({ length: 100 }, (_, i) => i);
    expect([percentile(hundred, 0.5), percentile(hundred, 0.99), percentile(hundred, 1)]).toEqual([50, 99, 99]);
  });

  it('stands in a table, a chart and the README, and nothing else of the README changes', () => {
    const accounts = { 'kafka-rx': [account(1)], '<theirs>': [account(2)] };
    const { result, cases } = casesOf('consume', accounts, [{ name: 'x', reason: 'gone' }]);

    expect(cellsOf(result, cases[0] as CaseResult)).toEqual([
      ['', 'records/s', 'kafka-rx better by', 'CPU µs/record', 'peak RSS MiB'],
      ['kafka-rx 1.0.0', '1,000', '', '1.00', '1'],
      ['<theirs> 1.0.0', '500', '2.00 ×', '1.00', '1'],
    ]);
    const [light, dark] = [chart(result, 'light'), chart(result, 'dark')];
    expect(light).toContain('&lt;theirs&gt;');
    expect(light).not.toContain('BUSY');
    expect(chart({ ...result, machine: { ...machine, loaded: 7 } }, 'light')).toContain('BUSY');
    expect(light).not.toContain('<theirs>');
    expect(dark).not.toBe(light);

    const written = withFigures(EMPTY_README, [result]);
    expect(written).toMatch(/^before\n/);
    expect(written).toMatch(/\nafter\n$/);
    expect(written).not.toContain('old');
    expect(written).toContain('500 (2.00 ×)');
    expect(written).toContain('Not everywhere x: gone.');
    expect(withFigures(written, [result])).toBe(written);
    expect(() => withFigures('no place', [result])).toThrow('no place for figures');
  });

  it('latency is compared by p50 and by p99, and results without the latter are drawn all the same', () => {
    const late = (p50: number, p99: number): Account => ({ ...account(1), latency: { p50, p99 } });
    const accounts = { ours: [late(2, 10), late(2, 100), late(2, 10)], theirs: [late(6, 20), late(6, 110), late(6, 80)] };
    const { result, cases } = casesOf('latency', accounts);
    const one = cases[0] as CaseResult;
    // 2, 1.1 and 8; the medians, 80 to 10, would say 8.
    expect(one.rows[1]?.p99Ratio).toBe(2);
    expect(cellsOf(result, one).map((row) => row.slice(1, 5))).toEqual([
      ['p50 ms', 'p99 ms', 'ours p50 better by', 'ours p99 better by'],
      ['2.00', '10', '', ''],
      ['6.00', '80', '3.00 ×', '2.00 ×'],
    ]);
    const old = {
      ...one,
      rows: JSON.parse(JSON.stringify(one.rows, (key, value: unknown) => (key === 'p99Ratio' ? undefined : value))) as CaseResult['rows'],
    };
    expect(cellsOf(result, old)[2]?.slice(3, 5)).toEqual(['3.00 ×', '–']);
    expect(rows('recordsPerSecond', new Map([['ours', [account(1)]]]))[0]).not.toHaveProperty('p99Ratio'); // prettier-ignore
  });

  it('who could have taken part and was not asked is named, in one sentence', () => {
    expect(leftOut(chosen(undefined), 'consume')).toEqual([]);
    const absent = leftOut(chosen('kafka-rx,kafkajs'), 'transform');
    const names = absent.map(({ name }) => name);
    expect(names).toEqual(['node-rdkafka tuned', 'node-rdkafka naive', '@platformatic/kafka', '@confluentinc/kafka-javascript']);
    expect(CONTENDERS.map(({ name }) => name)).toEqual(expect.arrayContaining(names));
    expect(leftOut(chosen('kafka-rx-plain'), 'runs')).toEqual([{ name: 'kafka-rx', reason: NOT_ASKED }]);

    const some = [
      { name: 'a', reason: NOT_ASKED },
      { name: 'x', reason: 'gone' },
      { name: 'b', reason: NOT_ASKED },
    ];
    expect(sentences(some, 'Not')).toEqual(['Not x: gone.', 'Not measured this time: a, b.']);
    expect(report(casesOf('transform', { 'kafka-rx': [account(1)] }, some).result)).toContain('\n\nNot measured this time: a, b.\n\n');
  });

  it('the README tells who was never measured from who was not measured everywhere, and a failure from both', () => {
    const notAsked = ['a', 'b', 'x'].map((name) => ({ name, reason: NOT_ASKED }));
    const { result: consume } = casesOf('consume', { 'kafka-rx': [account(1)], 'b': [account(2)] }, [{ name: 'x', reason: 'gone' }]);
    const { result: produce } = casesOf('produce', { 'kafka-rx': [account(1)] }, notAsked);
    const written = withFigures(EMPTY_README, [consume, produce]);
    expect(written).toContain('Not measured this time: a.');
    expect(written).toContain(`Not everywhere b: ${NOT_ASKED}.`);
    expect(written.match(/Not everywhere x.*/g)).toEqual(['Not everywhere x: gone.']);
  });

  it('the README names the settings of all figures, once each, and takes none of a busy machine', () => {
    const accounts = { 'kafka-rx': [account(1)] };
    const { result: consume } = casesOf('consume', accounts);
    const { result: produce } = casesOf('produce', accounts);
    const { result: transform } = casesOf('transform', { ...accounts, 'only busy': [account(9)] });
    const other = { ...produce, machine: { ...machine, commit: 'def' } };
    const busy = { ...transform, machine: { ...machine, commit: 'ghi', loaded: 7 } };

    const same = withFigures(EMPTY_README, [consume, produce]);
    expect(same.match(/.*Medians of.*/g)).toEqual([expect.stringMatching(/^Medians of .* at abc/)]);
    const several = withFigures(EMPTY_README, [consume, other, transform]);
    expect(several.match(/.*Medians of.*/g)).toEqual([
      expect.stringMatching(/^`consume`, `transform`: Medians of .* at abc/),
      expect.stringMatching(/^`produce`: Medians of .* at def/),
    ]);
    expect(several).toContain('consume, produce, commit');
    const without = withFigures(EMPTY_README, [consume, other, busy]);
    for (const gone of ['consume, produce, commit', 'ghi', 'only busy']) expect(without).not.toContain(gone);
    expect(() => withFigures(EMPTY_README, [busy])).toThrow('No result of a quiet machine');
  });

  it('cases are compared within a round, for each contender that was through with both', () => {
    const { of, against } = all.find(({ name }) => name === 'partitions')?.compares ?? { of: '', against: '' };
    const { result, cases } = casesOf('partitions', {});
    const withRows = (accounts: Readonly<Record<string, Account[]>>): CaseResult['rows'] =>
      rows('recordsPerSecond', new Map(Object.entries(accounts)));
    const thrice = (one: Account): Account[] => [one, one, one];
    const many = withRows({
      ours: [account(2, 10), account(11, 11), account(8, 30)],
      theirs: thrice(account(4, 4)),
      half: thrice(account(1)),
    });
    const few = withRows({ theirs: thrice(account(1, 8)), ours: [account(1, 2), account(10, 10), account(2, 10)] });
    const filled = cases.map((one) => ({ ...one, rows: one.name === of ? many : one.name === against ? few : one.rows }));
    const comparison = compared(filled, { of, against });
    // Of the CPU 5, 1.1 and 3, of the time 2, 1.1 and 4; the medians would say 1.1 and 4.
    const line =
      '1,000 partitions against 12 partitions: ours 3.00 × the CPU per record, 2.00 × the time; theirs 0.50 × the CPU per record, 4.00 × the time.';
    expect(comparisonLine(comparison)).toBe(line);
    expect(report({ ...result, cases: filled, compared: comparison })).toContain(`\n\n${line}\n\n`);
    expect(report({ ...result, cases: filled })).not.toContain('against');
    expect(comparisonLine(compared(cases, { of, against }))).toMatch(/nobody was through with both\.$/);
  });
});

describe('the course of a bench', () => {
  it('goes through all cases in each round, and begins each with another', async () => {
    const seen: string[] = [];
    const cases = ['a', 'b', 'c'].map((name) => ({
      round: (number: number) => {
        seen.push(`${name}${number}`);
        return Promise.resolve();
      },
    }));
    await interleave(cases, 4);
    expect(seen.join(' ')).toBe('a0 b0 c0 b1 c1 a1 c2 a2 b2 a3 b3 c3');
  });

  it('has the broker warm when two runs in a row were no faster than the best before', async () => {
    const took = [5, 4, 4.5, 3, 3, 3.1, 2];
    const runs: number[] = [];
    await warmUp((number) => {
      runs.push(number);
      return Promise.resolve({ seconds: took[number] as number });
    });
    expect(runs).toEqual([0, 1, 2, 3, 4, 5]);
  });

  it('says which way kafka-rx really goes, and goes no other than the one that was asked for', () => {
    const there = { addon: {} as Addon };
    const absent = { reason: 'it was not built' };
    const reader = (asked: string | undefined, found: AddonOrReason): string => way('KAFKA_RX_READER', asked, found);
    expect([undefined, 'native', 'plain'].map((asked) => reader(asked, there))).toEqual(['native', 'native', 'plain']);
    expect([undefined, 'plain'].map((asked) => reader(asked, absent))).toEqual(['plain', 'plain']);
    expect(() => reader('native', absent)).toThrow('KAFKA_RX_READER=native was asked for, and there is no addon: it was not built');
  });
});

describe('the payloads', () => {
  it('are as long as they should be, differ, and are the same in every run', () => {
    for (const bytes of [100, 1_024]) {
      const some = payloads(2_000, bytes);
      expect(new Set(some.map(({ value }) => value.length))).toEqual(new Set([bytes]));
      expect(new Set(some.map(({ value }) => String(value))).size).toBe(2_000);
      expect(() => some.map(({ value }) => JSON.parse(String(value)) as unknown)).not.toThrow();
      expect(payloads(2_000, bytes).every(({ value }, i) => value.equals((some[i] as Payload).value))).toBe(true);
    }
    expect(() => payloads(1, 50)).toThrow('no payload of 50 bytes');
  });

  it('are copied when they are transformed', () => {
    const { value } = payloads(1, 100)[0] as Payload;
    const before = Buffer.from(value);
    const changed = transformed(value);
    expect(value).toEqual(before);
    expect(changed).not.toEqual(value);
    expect(changed.length).toBe(value.length);
    expect(Object.keys(JSON.parse(String(changed)) as object)).toContain('Order');
  });

  it('say when they were sent', () => {
    const from = process.hrtime.bigint();
    const value = stamped(100);
    const to = process.hrtime.bigint();
    expect(value.length).toBe(100);
    expect(sentAt(value)).toBeGreaterThanOrEqual(from);
    expect(sentAt(value)).toBeLessThanOrEqual(to);
  });
});
