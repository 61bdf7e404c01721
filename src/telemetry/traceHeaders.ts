import type { Headers } from '../record.js';
import type { OpenTelemetryApi, TraceContext } from './openTelemetry.js';

type Pair = readonly [name: string, value: Buffer | string | null];

const GETTER = {
  keys: (headers: Headers): string[] => headers.map(([name]) => name),
  /** The last one counts, as for every reader of headers whose names repeat. */
  get: (headers: Headers, name: string): string | undefined => headers.findLast(([own]) => own === name)?.[1]?.toString(),
};

const SETTER = {
  set(written: [string, Buffer][], name: string, value: string): void {
    written.push([name, Buffer.from(value)]);
  },
};

/** The context that a record brings along; what its headers do not tell is as in `context`. */
export function contextOf(headers: Headers, context: TraceContext, { propagation }: OpenTelemetryApi): TraceContext {
  return propagation.extract(context, headers, GETTER);
}

/** The headers with this context in place of the one that they had; the same headers where there is none to write. */
export function withContext<P extends Pair>(
  headers: readonly P[],
  context: TraceContext,
  { propagation }: OpenTelemetryApi,
): readonly (P | readonly [name: string, value: Buffer])[] {
  const written: [string, Buffer][] = [];
  propagation.inject(context, written, SETTER);
  if (written.length === 0) return headers;
  // A `tracestate` that stayed would belong to another `traceparent`.
  const replaced = new Set([...propagation.fields(), ...written.map(([name]) => name)]);
  return [...headers.filter(([name]) => !replaced.has(name)), ...written];
}
