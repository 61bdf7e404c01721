import { describe, expect, it } from 'vitest';
import { chart } from '../../bench/chart.js';
import { median, percentile } from '../../bench/figures.js';
import type { Payload } from '../../bench/payload.js';
import { payloads, sentAt, stamped, transformed } from '../../bench/payload.js';
import { withFigures } from '../../bench/readme.js';
import type { Result } from '../../bench/results.js';
import { rows } from '../../bench/results.js';
import { scenarios } from '../../bench/scenarios.js';
import { cellsOf } from '../../bench/tables.js';
import type { Account } from '../../bench/task.js';

const account = (seconds: number, cpuMicros = 1_000): Account => {
  return { records: 1_000, seconds, cpuMicros, peakRssBytes: 1_048_576, version: '1.0.0', node: 'v20', settings: { linger: 5 } };
};

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
    const runs = new Map([
      ['kafka-rx', [account(1)]],
      ['<theirs>', [account(2)]],
    ]);
    const [scenario] = scenarios({ records: 1_000, partitions: 4, latencySeconds: 1, maxRuns: 1 });
    const cases = (scenario?.cases ?? []).map((one) => ({
      ...one,
      compressed: 3.5,
      rows: rows('recordsPerSecond', runs),
      absent: [{ name: 'x', reason: 'gone' }],
    }));
    const machine = {
      cpu: 'c',
      memoryGiB: 1,
      system: 's',
      node: 'v20',
      broker: 'b',
      commit: 'abc',
      date: '2026-01-02T00:00:00Z',
      loaded: 7,
    };
    const result: Result = { scenario: 'consume', title: 'Consume', figure: 'recordsPerSecond', rounds: 1, machine, cases };

    expect(cellsOf(result, cases[0] as (typeof cases)[0])).toEqual([
      ['', 'records/s', 'kafka-rx better by', 'CPU µs/record', 'peak RSS MiB'],
      ['kafka-rx 1.0.0', '1,000', '', '1.00', '1'],
      ['<theirs> 1.0.0', '500', '2.00 ×', '1.00', '1'],
    ]);
    const [light, dark] = [chart(result, 'light'), chart(result, 'dark')];
    expect(light).toContain('&lt;theirs&gt;');
    expect(light).toContain('BUSY');
    expect(light).not.toContain('<theirs>');
    expect(dark).not.toBe(light);

    const readme = 'before\n<!-- bench: written by `npm run bench -- --readme` -->\nold\n<!-- /bench -->\nafter\n';
    const written = withFigures(readme, [result]);
    expect(written).toMatch(/^before\n/);
    expect(written).toMatch(/\nafter\n$/);
    expect(written).not.toContain('old');
    expect(written).toContain('500 (2.00 ×)');
    expect(written).toContain('Not everywhere x: gone.');
    expect(withFigures(written, [result])).toBe(written);
    expect(() => withFigures('no place', [result])).toThrow('no place for figures');
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
