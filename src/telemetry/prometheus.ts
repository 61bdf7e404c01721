import { OptionError } from '../errors.js';
import { Figures } from './figures.js';
import type { Labels, Observed, Sample } from './figures.js';
import type { Metric } from './metrics.js';
import { METRICS } from './metrics.js';

/** How `prom-client` makes a metric. */
export interface PromMetricOptions {
  name: string;
  help: string;
  labelNames: string[];
  registers?: never[];
  collect: () => void;
}

/** The part of `prom-client` that is used. */
export interface PromClient {
  readonly Gauge: new (options: PromMetricOptions) => { reset(): void; set(labels: Labels, value: number): void };
  readonly Counter: new (options: PromMetricOptions) => { reset(): void; inc(labels: Labels, value: number): void };
  /** Where metrics are registered. Default: `prom-client`'s own register. */
  readonly registry?: object;
}

const UNITS = { 's': '_seconds', 'By': '_bytes', '1': '' } as const;

/**
 * Tells Prometheus how sources stand and what happens: metrics named `kafka_rx_…`, in a registry of your `prom-client`.
 *
 * Lag, positions and ages by `name` (the group), `topic` and `partition`; credits, bytes and commits by `name`; errors by `client`. Figures of a
 * partition are gone when it is taken away, those of a source when it ends; what counts up stays. They are read when Prometheus asks, and as old as the
 * last statistics: sources are sampled every `statsEveryMs` from now on. Nothing of a record is among them.
 *
 * ```text
 * stats$     --s----s----s|
 * events$    ---e--e-------|
 *            prometheus(kafka, client)
 * /metrics   ---------m---      what s and e have told by then
 * ```
 *
 * @param observed A `Kafka`; or, for several in one registry, their `stats$` and `events$` merged.
 * @param client `prom-client` as it is; or its `Gauge` and `Counter` with a `registry` of yours.
 * @returns What ends it: no more is sampled, and only what counts up is still told.
 * @throws {OptionError} for something else.
 *
 * @example
 * ```js
 * import * as client from 'prom-client';
 *
 * const stop = prometheus(kafka, client);
 * console.log(await client.register.metrics());
 * stop();
 * ```
 */
export function prometheus(observed: Observed, client: PromClient): () => void {
  const { Gauge, Counter } = client;
  if (typeof (Gauge as unknown) !== 'function' || typeof (Counter as unknown) !== 'function')
    throw new OptionError(
      'prometheus: the second argument is `prom-client`, or an object with its `Gauge` and `Counter`, and perhaps a `registry`.',
    );
  const figures = new Figures(observed);
  try {
    register(figures, client);
  } catch (error) {
    // As where the registry has metrics of these names already: nobody could end the sampling.
    figures.stop();
    throw error;
  }
  return () => {
    figures.stop();
  };
}

function register(figures: Figures, { Gauge, Counter, registry }: PromClient): void {
  for (const metric of METRICS) {
    const options = (tell: (samples: readonly Sample[]) => void): PromMetricOptions => ({
      name: promName(metric),
      help: metric.help,
      labelNames: [...metric.labels],
      ...(registry === undefined ? {} : { registers: [registry as never] }),
      collect: () => {
        tell(metric.read(figures));
      },
    });
    if (metric.kind === 'gauge') {
      const gauge = new Gauge(
        options((samples) => {
          gauge.reset();
          for (const { labels, value } of samples) gauge.set(labels, value);
        }),
      );
    } else {
      const counter = new Counter(
        options((samples) => {
          counter.reset();
          for (const { labels, value } of samples) counter.inc(labels, value);
        }),
      );
    }
  }
}

function promName({ name, kind, unit }: Metric): string {
  return `kafka_rx_${name}${UNITS[unit]}${kind === 'counter' ? '_total' : ''}`;
}
