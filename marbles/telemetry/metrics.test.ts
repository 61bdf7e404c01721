import { Subject } from 'rxjs';
import { describe, expect, it } from 'vitest';
import { BrokerError, OptionError } from '../../src/errors.js';
import type { KafkaEvent } from '../../src/events.js';
import type { SourceStats } from '../../src/sources/sourceStats.js';
import { meter } from '../../src/telemetry/meter.js';
import type { BatchCallback, Meter } from '../../src/telemetry/openTelemetry.js';
import type { PromClient, PromMetricOptions } from '../../src/telemetry/prometheus.js';
import { prometheus } from '../../src/telemetry/prometheus.js';
import { partitionOf, statsOf } from '../support/stats.js';

type Values = Record<string, number>;

function kafka() {
  return { stats$: new Subject<SourceStats>(), events$: new Subject<KafkaEvent>() };
}

function shown(name: string, labels: object): string {
  return `${name}{${Object.entries(labels)
    .map(([label, value]) => `${label}="${String(value)}"`)
    .join()}}`;
}

/** Stands in for `prom-client`: refuses what it would refuse, and shows what it would show. */
function promClient() {
  const metrics = new Map<string, { readonly options: PromMetricOptions; readonly values: Map<string, number> }>();
  class Base {
    readonly values = new Map<string, number>();
    readonly options: PromMetricOptions;
    constructor(options: PromMetricOptions) {
      expect(options.name).toMatch(/^[a-z_]+$/);
      if (metrics.has(options.name)) throw new Error(`A metric with the name ${options.name} has already been registered.`);
      this.options = options;
      metrics.set(options.name, this);
    }
    reset(): void {
      this.values.clear();
    }
    protected put(labels: object, value: number, before = 0): void {
      expect(Object.keys(labels)).toEqual(this.options.labelNames);
      const key = shown(this.options.name, labels);
      this.values.set(key, value + before * (this.values.get(key) ?? 0));
    }
  }
  class Gauge extends Base {
    set(labels: object, value: number): void {
      this.put(labels, value);
    }
  }
  class Counter extends Base {
    inc(labels: object, value: number): void {
      expect(value).toBeGreaterThanOrEqual(0);
      this.put(labels, value, 1);
    }
  }
  const client: PromClient = { Gauge, Counter };
  return {
    client,
    metrics,
    read: (): Values => {
      for (const { options } of metrics.values()) options.collect();
      return Object.fromEntries([...metrics.values()].flatMap(({ values }) => [...values]));
    },
  };
}

/** Stands in for a meter of OpenTelemetry. */
function otelMeter() {
  const callbacks = new Set<BatchCallback>();
  const instruments = new Map<object, string>();
  const create = (name: string, { unit }: { unit: string }): object => {
    const instrument = {};
    instruments.set(instrument, `${name} ${unit}`);
    return instrument;
  };
  const otel: Meter = {
    createObservableGauge: create,
    createObservableCounter: create,
    addBatchObservableCallback: (callback) => callbacks.add(callback),
    removeBatchObservableCallback: (callback) => callbacks.delete(callback),
  };
  return {
    otel,
    read: (): Values => {
      const values: Values = {};
      for (const callback of callbacks)
        callback({
          observe: (instrument, value, attributes) => {
            values[shown(instruments.get(instrument) ?? 'of nobody', attributes)] = value;
          },
        });
      return values;
    },
  };
}

const partition = partitionOf(3, {
  ...{ epoch: 2, position: 90, frontier: 70, end: 100, committedLag: 30, deliveredLag: 10, waitingLocal: 7, kafkaLogSize: 60 },
  ...{ oldestOpenAgeMs: 1_500, holes: 2, runs: 1 },
});
const totals = {
  ...{
    emitted: 90,
    finished: 83,
    commits: 4,
    repeats: 5,
    misses: 6,
    lateCompletions: 1,
    bufferedBytes: 2_048,
    creditsFree: 93,
    creditsMax: 100,
  },
  commitLatencyMs: { last: 1, max: 250, mean: 20 },
};
const stats = statsOf('billing', { partitions: [partition], totals });

describe('prometheus', () => {
  it('tells all figures of partitions and sources, in seconds and bytes', () => {
    const { stats$, events$ } = kafka();
    const { client, read } = promClient();
    prometheus({ stats$, events$ }, client);
    expect(read()).toEqual({});
    stats$.next(stats);

    const at = 'name="billing",topic="orders",partition="3"';
    expect(read()).toEqual({
      [`kafka_rx_position{${at}}`]: 90,
      [`kafka_rx_frontier{${at}}`]: 70,
      [`kafka_rx_end{${at}}`]: 100,
      [`kafka_rx_epoch{${at}}`]: 2,
      [`kafka_rx_log_size{${at}}`]: 60,
      [`kafka_rx_committed_lag{${at}}`]: 30,
      [`kafka_rx_delivered_lag{${at}}`]: 10,
      [`kafka_rx_waiting_local{${at}}`]: 7,
      [`kafka_rx_oldest_open_age_seconds{${at}}`]: 1.5,
      [`kafka_rx_holes{${at}}`]: 2,
      [`kafka_rx_runs{${at}}`]: 1,
      'kafka_rx_buffered_bytes{name="billing"}': 2_048,
      'kafka_rx_credits_free{name="billing"}': 93,
      'kafka_rx_credits_max{name="billing"}': 100,
      'kafka_rx_commit_latency_seconds{name="billing"}': 0.02,
      'kafka_rx_commit_latency_max_seconds{name="billing"}': 0.25,
      'kafka_rx_state{name="billing",state="starting"}': 0,
      'kafka_rx_state{name="billing",state="running"}': 1,
      'kafka_rx_state{name="billing",state="paused"}': 0,
      'kafka_rx_state{name="billing",state="rebalancing"}': 0,
      'kafka_rx_emitted_total{name="billing"}': 90,
      'kafka_rx_finished_total{name="billing"}': 83,
      'kafka_rx_commits_total{name="billing"}': 4,
      'kafka_rx_repeats_total{name="billing"}': 5,
      'kafka_rx_misses_total{name="billing"}': 6,
      'kafka_rx_late_completions_total{name="billing"}': 1,
    });
  });

  it('adds up what happens', () => {
    const { stats$, events$ } = kafka();
    const { client, read } = promClient();
    prometheus({ stats$, events$ }, client);
    const group = 'billing';
    const at = { topic: 'orders', partition: 3 };
    const error = new BrokerError('away', { kafkaCode: -195, retriable: true });
    const events: readonly KafkaEvent[] = [
      { type: 'error', client: 'producer', error },
      { type: 'error', client: 'producer', error },
      { type: 'error', client: 'admin', error },
      { type: 'assigned', group, partitions: [] },
      { type: 'revoked', group, partitions: [], unfinished: 0 },
      { type: 'lost', group, partitions: [], unfinished: 0 },
      { type: 'lost', group, partitions: [], unfinished: 0 },
      { type: 'gap', group, ...at, from: 5, to: 9 },
      { type: 'gap', group, ...at, from: 20, to: 21 },
      { type: 'gap', group: undefined, ...at, from: 0, to: 2 },
      { type: 'stale', group, partitions: [{ ...at, local: 1, committed: 2 }] },
      { type: 'throttle', client: 'producer', broker: 'b', throttleMs: 1_250 },
      { type: 'notice', message: 'no matter' },
    ];
    for (const event of events) events$.next(event);
    expect(read()).toEqual({
      'kafka_rx_errors_total{client="producer"}': 2,
      'kafka_rx_errors_total{client="admin"}': 1,
      'kafka_rx_rebalances_total{name="billing",kind="assigned"}': 1,
      'kafka_rx_rebalances_total{name="billing",kind="revoked"}': 1,
      'kafka_rx_rebalances_total{name="billing",kind="lost"}': 2,
      'kafka_rx_gap_records_total{name="billing",topic="orders",partition="3"}': 5,
      'kafka_rx_gap_records_total{name="orders",topic="orders",partition="3"}': 2,
      'kafka_rx_stale_partitions_total{name="billing"}': 1,
      'kafka_rx_throttle_seconds_total{client="producer"}': 1.25,
    });
  });

  it('tells nothing of partitions and sources that are gone, and an end that nobody knows is none', () => {
    const { stats$, events$ } = kafka();
    const { client, read } = promClient();
    const stop = prometheus({ stats$, events$ }, client);
    const gauges = (): string[] => Object.keys(read()).filter((key) => /^kafka_rx_(end|position|credits_free)/.test(key));
    stats$.next(statsOf('billing', { partitions: [partitionOf(0), partitionOf(1, { end: -1 })] }));
    stats$.next(statsOf('audit', { id: 2, partitions: [partitionOf(1)] }));
    expect(gauges()).toHaveLength(7);
    stats$.next(statsOf('billing', { partitions: [partitionOf(1)] }));
    expect(gauges().filter((key) => key.includes('billing'))).toEqual([
      'kafka_rx_position{name="billing",topic="orders",partition="1"}',
      'kafka_rx_end{name="billing",topic="orders",partition="1"}',
      'kafka_rx_credits_free{name="billing"}',
    ]);
    stats$.next(statsOf('billing', { state: 'stopping', partitions: [partitionOf(1)] }));
    expect(gauges().filter((key) => key.includes('billing'))).toEqual([]);
    stop();
    expect(Object.keys(read()).filter((key) => !key.includes('_total'))).toEqual([]);
    expect([stats$.observed, events$.observed]).toEqual([false, false]);
  });

  it('goes on counting when a source begins again', () => {
    const { stats$, events$ } = kafka();
    const { client, read } = promClient();
    prometheus({ stats$, events$ }, client);
    const counts = [
      [1, 'running', 10],
      [1, 'stopping', 12],
      [2, 'starting', 0],
      [1, 'stopping', 13],
      [2, 'running', 20],
      [3, 'running', 5],
      [2, 'stopping', 21],
      [3, 'running', 6],
    ].map(([id, state, emitted]) => {
      stats$.next(statsOf('billing', { id: id as number, state: state as SourceStats['state'], totals: { emitted: emitted as number } }));
      return read()['kafka_rx_emitted_total{name="billing"}'];
    });
    expect(counts).toEqual([10, 12, 12, 13, 33, 38, 39, 40]);
  });

  it('tells of several subscriptions to a group together', () => {
    const { stats$, events$ } = kafka();
    const { client, read } = promClient();
    prometheus({ stats$, events$ }, client);
    stats$.next(stats);
    stats$.next(
      statsOf('billing', { id: 2, partitions: [partitionOf(4)], totals: { ...totals, commitLatencyMs: { last: 0, max: 300, mean: 10 } } }),
    );
    expect(read()).toMatchObject({
      'kafka_rx_position{name="billing",topic="orders",partition="3"}': 90,
      'kafka_rx_position{name="billing",topic="orders",partition="4"}': 0,
      'kafka_rx_credits_free{name="billing"}': 186,
      'kafka_rx_commit_latency_seconds{name="billing"}': 0.02,
      'kafka_rx_commit_latency_max_seconds{name="billing"}': 0.3,
      'kafka_rx_state{name="billing",state="running"}': 2,
      'kafka_rx_emitted_total{name="billing"}': 180,
    });
  });

  it('registers where it is told to, and says what it needs', () => {
    const { stats$, events$ } = kafka();
    const { client, metrics } = promClient();
    const registry = {};
    prometheus({ stats$, events$ }, { ...client, registry });
    expect([...metrics.values()].every(({ options }) => (options.registers as readonly object[] | undefined)?.[0] === registry)).toBe(true);
    expect(() => prometheus({ stats$, events$ }, { Gauge: client.Gauge } as PromClient)).toThrow(/`prom-client`/);
    expect(() => prometheus({ stats$, events$ }, {} as PromClient)).toThrow(OptionError);
  });
});

describe('meter', () => {
  it('tells OpenTelemetry the same, by its own names and units', () => {
    const { stats$, events$ } = kafka();
    const { otel, read } = otelMeter();
    const prom = promClient();
    prometheus({ stats$, events$ }, prom.client);
    const stop = meter({ stats$, events$ }, otel);
    stats$.next(stats);
    events$.next({ type: 'throttle', client: 'producer', broker: 'b', throttleMs: 500 });
    const values = read();
    expect(values).toMatchObject({
      'kafka_rx.committed_lag 1{name="billing",topic="orders",partition="3"}': 30,
      'kafka_rx.oldest_open_age s{name="billing",topic="orders",partition="3"}': 1.5,
      'kafka_rx.buffered By{name="billing"}': 2_048,
      'kafka_rx.throttle s{client="producer"}': 0.5,
      'kafka_rx.emitted 1{name="billing"}': 90,
    });
    expect(Object.values(values)).toEqual(Object.values(prom.read()));
    stop();
    expect(read()).toEqual({});
  });

  it('says what it needs', () => {
    expect(() => meter(kafka(), {} as Meter)).toThrow(/metrics\.getMeter/);
  });
});
