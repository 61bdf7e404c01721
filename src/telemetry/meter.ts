import { OptionError } from '../errors.js';
import { Figures } from './figures.js';
import type { Observed } from './figures.js';
import { METRICS } from './metrics.js';
import type { BatchCallback, Meter } from './openTelemetry.js';

/**
 * Tells a meter of OpenTelemetry what {@link prometheus} tells Prometheus: metrics named `kafka_rx.…`, with the same labels for attributes.
 *
 * They are read when the meter's reader asks. Partitions that were taken away are told no more; whether a reader then forgets them is up to it: the
 * cumulative ones of OpenTelemetry's SDK for JavaScript go on with the last value.
 *
 * ```text
 * stats$     --s----s----s|
 * events$    ---e--e-------|
 *            meter(kafka, otel)
 * exported   ---------m---      what s and e have told by then
 * ```
 *
 * @param observed A `Kafka`; or, for several in one meter, their `stats$` and `events$` merged.
 * @param otel What `metrics.getMeter('…')` of `@opentelemetry/api` gives.
 * @returns What ends it: no more is sampled, and nothing told.
 * @throws {OptionError} for something else.
 *
 * @example
 * ```js
 * import { metrics } from '@opentelemetry/api';
 *
 * const stop = meter(kafka, metrics.getMeter('billing'));
 * ```
 */
export function meter(observed: Observed, otel: Meter): () => void {
  if (typeof (otel as Partial<Meter>).addBatchObservableCallback !== 'function')
    throw new OptionError(
      "meter: the second argument is a meter of OpenTelemetry, as metrics.getMeter('…') of `@opentelemetry/api` gives.",
    );
  const figures = new Figures(observed);
  const metrics = METRICS.map((metric) => {
    const options = { description: metric.help, unit: metric.unit };
    const name = `kafka_rx.${metric.name}`;
    const instrument = metric.kind === 'gauge' ? otel.createObservableGauge(name, options) : otel.createObservableCounter(name, options);
    return { metric, instrument };
  });
  const instruments = metrics.map(({ instrument }) => instrument);
  const callback: BatchCallback = (result) => {
    for (const { metric, instrument } of metrics)
      for (const { labels, value } of metric.read(figures)) result.observe(instrument, value, { ...labels });
  };
  otel.addBatchObservableCallback(callback, instruments);
  return () => {
    figures.stop();
    otel.removeBatchObservableCallback(callback, instruments);
  };
}
