import type { Observable, ObservableInput } from 'rxjs';
import { OptionError } from '../errors.js';
import { checkOptions } from '../options.js';
import type { Positioned } from '../position.js';
import { LANE } from '../position.js';
import type { Processed } from '../processing.js';
import type { KafkaRecord, ProducerRecord } from '../record.js';
import { creating, placeOf, processing, processingBatch } from './attributes.js';
import type { OpenTelemetryApi, SpanLink, TraceContext } from './openTelemetry.js';
import { Spans } from './spans.js';
import { contextOf, withContext } from './traceHeaders.js';

export interface TracingOptions {
  /** The consumer group that spans name. Default: they name none. */
  readonly group?: string;
}

type Outgoings = ProducerRecord | readonly ProducerRecord[] | null | undefined;
type AnyRecord = KafkaRecord<unknown, unknown>;

/** Functions around yours that make spans. */
export interface Tracing {
  /**
   * Around work on a record: a `process` span for as long as the work takes, the child of the one that made the record, and active in the work.
   *
   * What comes of it is what `processRecord` would make of it, with the span in its headers; `retryRecord` and `mergeMap` take it as well.
   *
   * @example
   * ```ts
   * orders$.pipe(processRecord(traces.process((order) => charge(order.value))), commit());
   * ```
   */
  process<V, K, More extends readonly unknown[], O>(
    work: (record: KafkaRecord<V, K>, ...more: More) => ObservableInput<O>,
  ): (record: KafkaRecord<V, K>, ...more: More) => Observable<Processed<V, K, O>>;
  /**
   * Around work on an array of records: one `process` span with a link to what made each of them. Work that gives nothing gives the array.
   *
   * @example
   * ```ts
   * orders$.pipe(
   *   batch({ maxRecords: 500, maxMs: 100 }),
   *   concatMap(traces.processBatch(async (orders) => void (await charge(orders)))),
   *   commit(),
   * );
   * ```
   */
  processBatch<R extends AnyRecord, O>(work: (records: R[]) => ObservableInput<O>): (records: R[]) => Observable<ProcessedBatch<R, O>>;
  /**
   * Around what a sink writes: a `create` span for each record, which goes out with it. It is the child of the span that its input carries, or of
   * the active one; below an array that comes from several spans it has links. How the delivery ends is not in it, that is for the stream.
   *
   * @param topic Where the sink writes to; a record's own `topic` goes first.
   * @param to As the sink takes it. Default: the input's own key, value and headers.
   *
   * @example
   * ```ts
   * orders$.pipe(
   *   toTopic(kafka, 'invoices', traces.outgoing('invoices', (order) => ({ key: order.key, value: order.value }))),
   *   commit(),
   * );
   * ```
   */
  outgoing<T>(topic: string | ((input: T) => string), to?: (input: T) => Outgoings): (input: T) => Outgoings;
}

// eslint-disable-next-line @typescript-eslint/no-invalid-void-type -- As an async function that returns nothing gives.
type ProcessedBatch<R, O> = O extends void | undefined ? R[] : O;

/**
 * Traces through Kafka: a record's context is read from its headers and written to those of what becomes of it, by your OpenTelemetry's propagators.
 *
 * What is not wrapped is not traced, and costs nothing. Spans follow OpenTelemetry's conventions for messaging: they tell where a record stands,
 * never what is in it. No key, no value, and of an error only its class (`error.type`), for its message may quote what the record holds.
 *
 * ```text
 * orders    --a------------|      a came with a `traceparent`
 *           processRecord(traces.process(work)), toTopic(kafka, 'invoices', traces.outgoing('invoices'))
 * spans     --(process)(create)   of the trace of a, each the child of the one before
 * invoices  ----------A----|      A goes with the `traceparent` of `create`
 * ```
 *
 * The context is in the record's own `headers` from one operator to the next, so it gets through whatever stands between them.
 *
 * @param api `@opentelemetry/api` as it is, or an object with its `trace`, `context` and `propagation`.
 * @throws {OptionError} for something else, and for a wrong or unknown option.
 *
 * @example
 * ```js
 * import * as api from '@opentelemetry/api';
 *
 * const traces = tracing(api, { group: 'billing' });
 * ```
 */
export function tracing(api: OpenTelemetryApi, options: TracingOptions = {}): Tracing {
  checkOptions('tracing', options, { group: 'text' });
  checkApi(api);
  const { group } = options;
  const spans = new Spans(api);
  const active = (): TraceContext => api.context.active();
  const marked = <T>(value: T, context: TraceContext): T =>
    isRecord(value) ? { ...value, headers: withContext(value.headers, context, api) } : value;

  return {
    process: <V, K, More extends readonly unknown[], O>(work: (record: KafkaRecord<V, K>, ...more: More) => ObservableInput<O>) => {
      checkFunction('process', work);
      return (record: KafkaRecord<V, K>, ...more: More) => {
        const parent = contextOf(record.headers, active(), api);
        return spans.around(
          { ...processing(record, group), parent, links: spans.linkTo(parent) },
          () => work(record, ...more),
          (output, context) => marked(inPlaceOf(record, output), context) as Processed<V, K, O>,
        );
      };
    },
    processBatch: <R extends AnyRecord, O>(work: (records: R[]) => ObservableInput<O>) => {
      checkFunction('processBatch', work);
      return (records: R[]) => {
        const parent = active();
        const links = records.flatMap((record) => spans.linkTo(contextOf(record.headers, parent, api), placeOf(record)));
        return spans.around(
          { ...processingBatch(records, group), parent, links },
          () => work(records),
          (output, context) => {
            const result = output ?? records;
            return (Array.isArray(result) ? result.map((one) => marked(one, context)) : marked(result, context)) as ProcessedBatch<R, O>;
          },
        );
      };
    },
    outgoing: <T>(topic: string | ((input: T) => string), to: (input: T) => Outgoings = forward) => {
      checkFunction('outgoing', to);
      const topicOf = typeof topic === 'function' ? topic : (): string => topic;
      return (input: T) => {
        const origin = originOf(input);
        const traced = (record: ProducerRecord): ProducerRecord => {
          const headers = pairsOf(record);
          // The sink refuses it, in its own words.
          if (headers === undefined) return record;
          const context = spans.made({ ...creating(record, topicOf(input)), ...origin });
          return { ...record, headers: withContext(headers, context, api) };
        };
        const made = to(input);
        if (Array.isArray(made)) return (made as readonly ProducerRecord[]).map(traced);
        return made === null || made === undefined ? made : traced(made as ProducerRecord);
      };
    },
  };

  /** What stands above that which is made of this input: one span, or links to several. */
  function originOf(input: unknown): { readonly parent: TraceContext; readonly links: SpanLink[] } {
    const above = active();
    const contexts = (Array.isArray(input) ? (input as readonly unknown[]) : [input])
      .filter(isRecord)
      .map(({ headers }) => contextOf(headers, above, api));
    const links = new Map(contexts.flatMap((context) => spans.linkTo(context)).map((link) => [link.context.spanId, link]));
    const [only] = contexts;
    return links.size === 1 && only !== undefined ? { parent: only, links: [] } : { parent: above, links: [...links.values()] };
  }
}

/** As `processRecord` does it. */
function inPlaceOf(record: AnyRecord, output: unknown): unknown {
  if (output === undefined) return record;
  return isPositioned(output) ? output : { ...record, value: output };
}

/** A record that was read, to be written as it is. */
function forward(input: unknown): ProducerRecord {
  const { key, value, headers } = input as KafkaRecord;
  return { key, value, headers };
}

/** The headers of a record as pairs; none if it is no record, or they are no headers. */
function pairsOf(record: unknown): readonly (readonly [name: string, value: Buffer | string | null])[] | undefined {
  if (typeof record !== 'object' || record === null) return undefined;
  const { headers = [] } = record as Partial<ProducerRecord>;
  if (Array.isArray(headers)) return headers as readonly (readonly [string, Buffer | string | null])[];
  return typeof headers !== 'object' || Symbol.iterator in headers ? undefined : Object.entries(headers);
}

function isPositioned(value: unknown): value is Positioned {
  return typeof value === 'object' && value !== null && LANE in value;
}

function isRecord(value: unknown): value is AnyRecord {
  return isPositioned(value) && 'headers' in value && Array.isArray(value.headers);
}

function checkApi(api: Partial<OpenTelemetryApi>): void {
  if (
    typeof api.trace?.getTracer === 'function' &&
    typeof api.context?.with === 'function' &&
    typeof api.propagation?.inject === 'function'
  )
    return;
  throw new OptionError(
    'tracing: the first argument is `@opentelemetry/api` (import * as api from …), or an object with its `trace`, `context` and `propagation`.',
  );
}

function checkFunction(where: string, given: unknown): void {
  if (typeof given !== 'function') throw new OptionError(`tracing: what ${where}() goes around is a function.`);
}
