import { describe, expect, it } from 'vitest';
import type { ServedStats } from '../../src/serveStats.js';
import { sourceLines } from '../../src/cli/topLines.js';
import { TopState } from '../../src/cli/topState.js';
import { count, time, topTable } from '../../src/cli/topTable.js';

type Source = Extract<ServedStats, { readonly type: 'source' }>;
type Partition = Source['partitions'][number];

const AT = Date.UTC(2026, 0, 2, 3, 4, 5);

function partition(changes: Partial<Partition> = {}): Partition {
  return {
    ...{ topic: 'orders', partition: 0, epoch: 1, position: 100, frontier: 60, end: 150, waitingKafka: 50, waitingLocal: 40 },
    ...{ kafkaLogSize: 150, committedLag: 90, deliveredLag: 50, oldestOpen: 60, oldestOpenAgeMs: 1_234, holes: 1, runs: 2 },
    ...{ repeats: 0, misses: 0 },
    ...changes,
  };
}

function source(changes: Partial<Source> = {}, totals: Partial<Source['totals']> = {}): Source {
  return {
    ...{ type: 'source', id: 1, name: 'billing', at: AT, state: 'running', partitions: [partition()], rdkafkaStats: undefined },
    totals: {
      ...{ waitingKafka: 50, waitingLocal: 40, kafkaLogSize: 150, committedLag: 90, deliveredLag: 50, holes: 1, runs: 2, repeats: 0 },
      ...{ misses: 0, lateCompletions: 0, oldestOpenAgeMs: 1_234, bufferedBytes: 400, emitted: 1_000, finished: 960, creditsFree: 4_056 },
      ...{ creditsMax: 4_096, commits: 10, commitLatencyMs: { last: 1, max: 12.4, mean: 1.26 } },
      ...totals,
    },
    ...changes,
  };
}

function stateOf(...samples: readonly Exclude<ServedStats, { readonly type: 'hello' }>[]): TopState {
  const state = new TopState();
  for (const sample of samples) state.take(sample);
  return state;
}

function table(state: TopState, room: { columns?: number; rows?: number } = {}): readonly string[] {
  return topTable(state.sources, state.producers, { columns: 80, rows: 24, ...room });
}

/** A second later, with so many more emitted. */
function later({ at, totals, partitions, ...rest }: Source, records: number): Source {
  return {
    ...rest,
    at: at + 1_000,
    totals: { ...totals, emitted: totals.emitted + records },
    partitions: partitions.map((one) => ({ ...one, position: one.position + records })),
  };
}

describe('the table of a running pipeline', () => {
  it('has sources, with commit latency, and partitions, with lag, open records and rates', () => {
    const first = source();
    expect(table(stateOf(first, later(first, 2_500)))).toEqual(
      [
        'source             state           lag    open    free   rec/s   commit      max',
        'billing            running          90      40    4056    2500   1.3 ms    12 ms',
        '',
        'partition                           lag   unread    open    rec/s   oldest    runs',
        'orders/0                             90       50      40     2500    1.2 s       2',
      ].map((line) => expect.stringMatching(new RegExp(`^${line.replace(/ +/g, ' +').replace('/', '\\/')}$`)) as string),
    );
  });

  it.each([40, 60, 80, 81, 120, 200])('fits into %d columns, whatever the names are', (columns) => {
    const topic = 'a'.repeat(120) + 'z'.repeat(129);
    const long = source({ name: 'g'.repeat(300), partitions: [partition({ topic, partition: 1_234, committedLag: 9e15 })] });
    const other = source({ id: 2, name: '\u001b[2J\u8cb8\u65b9', state: 'rebalancing' }, { waitingLocal: 1e15, creditsFree: 1e15 });
    const producer = {
      type: 'producer' as const,
      id: 7,
      ...{ name: `producer ${'p'.repeat(200)}`, at: AT, sendQueueLength: 1e12, sendQueueBytes: 1, inFlight: 1e12 },
      ...{ delivered: 1e12, failed: 1e12, deliveryLatencyMs: { last: 1, max: 1e12, mean: 1e12 }, rdkafkaStats: undefined },
    };
    const lines = table(stateOf(long, other, producer), { columns });
    expect(Math.max(...lines.map((line) => line.length))).toBeLessThanOrEqual(columns);
    // eslint-disable-next-line no-control-regex
    expect(lines.join('')).not.toMatch(/[\u0000-\u001f\u4e00-\u9fff]/);
    if (columns >= 80) expect(lines.join('\n')).toMatch(/…z*\/1234/);
  });

  it('shows the partitions with the most lag where there is no room for all, and says how many more there are', () => {
    const partitions = Array.from({ length: 50 }, (_, i) => partition({ partition: i, committedLag: i }));
    const lines = table(stateOf(source({ partitions })), { rows: 12 });
    expect(lines).toHaveLength(12);
    expect(lines[4]).toMatch(/^orders\/49 /);
    expect(lines.at(-1)).toBe('… and 43 more');
    expect(table(stateOf(source({ partitions })), { rows: 60 })).toHaveLength(54);
    expect(table(stateOf(source({ partitions })), { rows: 4 })).toHaveLength(4);
  });

  it('names the source of a partition where there are several, and forgets one that has ended', () => {
    const other = source({ id: 2, name: 'audit', state: 'stopping', at: AT - 1_000 });
    const state = stateOf(other, source());
    expect(table(state).join('\n')).toMatch(/audit: orders\/0.*\n.*billing: orders\/0/);
    state.take(source({ at: AT + 9_000 }));
    expect(table(state).join('\n')).toMatch(/audit/);
    state.take(source({ at: AT + 9_001 }));
    expect(table(state).join('\n')).not.toMatch(/audit/);
  });

  it('keeps sources of one name apart, and one that is sampled seldom', () => {
    const [one, two] = [source(), source({ id: 2, partitions: [partition({ topic: 'payments', committedLag: 1 })] })];
    const state = stateOf(one, two, later(one, 10), later(two, 20));
    expect(state.sources.map(({ rate, stats }) => [stats.name, stats.id, rate])).toEqual([
      ['billing', 1, 10],
      ['billing', 2, 20],
    ]);
    expect(table(state).join('\n')).toMatch(/billing: orders\/0.*\n.*billing: payments\/0/);
    const seldom = source({ id: 3, name: 'seldom', at: AT - 100_000 });
    state.take(seldom);
    state.take({ ...seldom, at: AT });
    state.take(source({ at: AT + 200_000 }));
    expect(state.sources.map(({ stats }) => stats.name)).toEqual(['billing', 'seldom']);
  });

  it('tells no lag of a log whose end is not known, and no age where nothing is open', () => {
    const [, , , , line] = table(stateOf(source({ partitions: [partition({ end: -1, oldestOpen: undefined })] })));
    expect(line).toMatch(/^orders\/0 +\? +\? +40 +0 +- +2$/);
    expect(table(new TopState())).toEqual(['No source is open yet.']);
  });

  it('takes a partition that came anew for another one: it has no rate yet', () => {
    const first = source();
    const again = later(first, 500);
    const moved = { ...again, partitions: again.partitions.map((one) => ({ ...one, epoch: 2 })) };
    expect(stateOf(first, moved).sources[0]?.partitions[0]?.rate).toBe(0);
    // One that counts from zero again has been restarted.
    expect(stateOf(first, later(source({}, { emitted: 3 }), 0)).sources[0]?.rate).toBe(0);
  });

  it.each([
    [0, '0'],
    [9_999, '9999'],
    [10_000, '10.0k'],
    [99_949, '99.9k'],
    [99_950, '100k'],
    [999_499, '999k'],
    [999_500, '1.0M'],
    [1e15, '1.0P'],
  ])('writes %d in few characters', (number, text) => {
    expect(count(number)).toBe(text);
  });

  it.each([
    [0, '0.0 ms'],
    [9.94, '9.9 ms'],
    [9.95, '10 ms'],
    [999.4, '999 ms'],
    [999.5, '1.0 s'],
    [100_000, '2 min'],
    [7_200_000, '2 h'],
    [1e12, '278k h'],
  ])('writes %d ms in few characters', (ms, text) => {
    expect(time(ms)).toBe(text);
  });
});

describe('the lines of a running pipeline', () => {
  it('have all figures by name, one line for a source and one for each partition', () => {
    const first = source({ name: 'the bills' });
    const [view] = stateOf(first, later(first, 10)).sources;
    expect(sourceLines(view as NonNullable<typeof view>)).toEqual([
      '2026-01-02T03:04:06.000Z source="the bills" state=running lag=90 unread=50 open=40 free=4056 rate=10 commits=10 commit_ms=1.3 ' +
        'commit_max_ms=12.4 commit_last_ms=1 repeats=0 misses=0 late=0\n',
      '2026-01-02T03:04:06.000Z source="the bills" partition=orders/0 lag=90 unread=50 open=40 rate=10 oldest_ms=1234 runs=2 position=110 ' +
        'frontier=60 end=150\n',
    ]);
  });
});
