/** What is used of `@opentelemetry/api`: whoever wants traces or metrics gives it, and nobody else needs it. */

/** A context of OpenTelemetry: what it holds is its own affair. */
export interface TraceContext {
  getValue(key: symbol): unknown;
  setValue(key: symbol, value: unknown): TraceContext;
  deleteValue(key: symbol): TraceContext;
}

export interface SpanContext {
  traceId: string;
  spanId: string;
  traceFlags: number;
}

export interface Span {
  setAttribute(name: string, value: string | number | boolean): unknown;
  setStatus(status: { code: number }): unknown;
  end(): void;
}

export type Attributes = Record<string, string | number | boolean>;

export interface SpanLink {
  context: SpanContext;
  attributes?: Attributes;
}

export interface Tracer {
  startSpan(name: string, options: { kind: number; attributes: Attributes; links: SpanLink[] }, context: TraceContext): Span;
}

/** The part of `@opentelemetry/api` that makes traces. */
export interface OpenTelemetryApi {
  readonly trace: {
    getTracer(name: string): Tracer;
    setSpan(context: TraceContext, span: Span): TraceContext;
    getSpanContext(context: TraceContext): SpanContext | undefined;
    isSpanContextValid(context: SpanContext): boolean;
  };
  readonly context: {
    active(): TraceContext;
    with<R>(context: TraceContext, work: () => R): R;
  };
  readonly propagation: {
    inject<C>(context: TraceContext, carrier: C, setter: { set(carrier: C, name: string, value: string): void }): void;
    extract<C>(
      context: TraceContext,
      carrier: C,
      getter: { keys(carrier: C): string[]; get(carrier: C, name: string): string | undefined },
    ): TraceContext;
    fields(): string[];
  };
}

/** A metric that is asked for its values. */
export type Instrument = object;

/** The part of a meter that is used. */
export interface Meter {
  createObservableGauge(name: string, options: { description: string; unit: string }): Instrument;
  createObservableCounter(name: string, options: { description: string; unit: string }): Instrument;
  addBatchObservableCallback(callback: BatchCallback, instruments: Instrument[]): void;
  removeBatchObservableCallback(callback: BatchCallback, instruments: Instrument[]): void;
}

export type BatchCallback = (result: { observe(instrument: Instrument, value: number, attributes: Record<string, string>): void }) => void;
