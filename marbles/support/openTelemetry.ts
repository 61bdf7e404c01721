import type { Attributes, OpenTelemetryApi, SpanContext, SpanLink, TraceContext } from '../../src/telemetry/openTelemetry.js';

/** A span as the stand-in below notes it. */
export interface NotedSpan {
  readonly name: string;
  readonly kind: number;
  readonly attributes: Attributes;
  readonly links: readonly SpanLink[];
  readonly context: SpanContext;
  /** The id of the span above it. */
  readonly parent: string | undefined;
  status: number;
  /** How often it was ended. */
  ends: number;
}

/** A context that holds a span and a `tracestate`. */
interface Noted extends TraceContext {
  readonly span: SpanContext | undefined;
  readonly state: string;
}

function noted(span?: SpanContext, state = ''): Noted {
  const context: Noted = { span, state, getValue: () => undefined, setValue: () => context, deleteValue: () => context };
  return context;
}

/**
 * Stands in for `@opentelemetry/api` with a tracer that notes its spans, and with a propagator of `traceparent` and `tracestate`.
 *
 * Its ids are small numbers in the right number of digits. A context is active in the call of `with` only, not in what that has begun.
 */
export function openTelemetry() {
  const spans: NotedSpan[] = [];
  let active = noted();
  let ids = 0;
  const api: OpenTelemetryApi = {
    trace: {
      getTracer: () => ({
        startSpan: (name, { kind, attributes, links }, context) => {
          const above = (context as Noted).span;
          const spanId = String((ids += 1)).padStart(16, '0');
          const made: NotedSpan = {
            name,
            kind,
            attributes: { ...attributes },
            links,
            context: { traceId: above?.traceId ?? spanId.padStart(32, '0'), spanId, traceFlags: 1 },
            parent: above?.spanId,
            status: 0,
            ends: 0,
          };
          spans.push(made);
          return {
            context: made.context,
            setAttribute: (attribute, value) => {
              made.attributes[attribute] = value;
            },
            setStatus: ({ code }) => {
              made.status = code;
            },
            end: () => {
              made.ends += 1;
            },
          };
        },
      }),
      setSpan: (context, span) => noted((span as unknown as NotedSpan).context, (context as Noted).state),
      getSpanContext: (context) => (context as Noted).span,
      isSpanContextValid: ({ spanId }) => !/^0*$/.test(spanId),
    },
    context: {
      active: () => active,
      with: (context, work) => {
        const before = active;
        active = context as Noted;
        try {
          return work();
        } finally {
          active = before;
        }
      },
    },
    propagation: {
      inject: (context, carrier, setter) => {
        const { span, state } = context as Noted;
        if (span === undefined) return;
        setter.set(carrier, 'traceparent', `00-${span.traceId}-${span.spanId}-01`);
        if (state !== '') setter.set(carrier, 'tracestate', state);
      },
      extract: (context, carrier, getter) => {
        const [, traceId, spanId] = getter.get(carrier, 'traceparent')?.split('-') ?? [];
        if (traceId === undefined || spanId === undefined) return context;
        return noted({ traceId, spanId, traceFlags: 1 }, getter.get(carrier, 'tracestate'));
      },
      fields: () => ['traceparent', 'tracestate'],
    },
  };
  return { api, spans, active: (): string | undefined => active.span?.spanId };
}
