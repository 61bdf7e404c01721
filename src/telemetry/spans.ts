import type { ObservableInput, Subscriber } from 'rxjs';
import { Observable, from } from 'rxjs';
import { listen } from '../listen.js';
import { isPromiseLike } from '../promiseLike.js';
import type { SpanSubject } from './attributes.js';
import type { Attributes, OpenTelemetryApi, Span, SpanLink, TraceContext, Tracer } from './openTelemetry.js';

export interface SpanStart extends SpanSubject {
  readonly parent: TraceContext;
  readonly links: SpanLink[];
}

/** Numbers of OpenTelemetry's enums. */
const PRODUCER = 3;
const CONSUMER = 4;
const ERROR = 2;

/** Makes the spans. */
export class Spans {
  readonly #api: OpenTelemetryApi;
  readonly #tracer: Tracer;

  constructor(api: OpenTelemetryApi) {
    this.#api = api;
    this.#tracer = api.trace.getTracer('kafka-rx');
  }

  /** A link to the span that a context has; none if it has none. */
  linkTo(context: TraceContext, attributes: Attributes = {}): SpanLink[] {
    const target = this.#api.trace.getSpanContext(context);
    return target !== undefined && this.#api.trace.isSpanContextValid(target) ? [{ context: target, attributes }] : [];
  }

  /** The making of a record: answers the context that goes out with it. */
  made({ name, attributes, parent, links }: SpanStart): TraceContext {
    const span = this.#tracer.startSpan(name, { kind: PRODUCER, attributes, links }, parent);
    span.end();
    return this.#api.trace.setSpan(parent, span);
  }

  /** Work that begins with the subscription: what it gives is passed on as what `become` makes of it. */
  around<O, R>(
    { name, attributes, parent, links }: SpanStart,
    work: () => ObservableInput<O>,
    become: (output: O, context: TraceContext) => R,
  ): Observable<R> {
    const { context, trace } = this.#api;
    return new Observable((subscriber) => {
      const outside = context.active();
      const span = this.#tracer.startSpan(name, { kind: CONSUMER, attributes, links }, parent);
      const inside = trace.setSpan(parent, span);
      const open = new Open(span, subscriber);
      context.with(inside, () => {
        listen(new Observable<O>((results) => from(open.endedBy(work())).subscribe(results)), subscriber, {
          next: (output) => {
            // What stands downstream is no part of this work.
            context.with(outside, () => {
              subscriber.next(become(output, inside));
            });
          },
          error: (error) => {
            open.fail(error);
            context.with(outside, () => {
              subscriber.error(error);
            });
          },
          complete: () => {
            open.end();
            context.with(outside, () => {
              subscriber.complete();
            });
          },
        });
      });
    });
  }
}

/** A span until it has ended: with its work, or because nobody waits for that any more. */
class Open {
  readonly #span: Span;
  #ended = false;

  constructor(span: Span, subscriber: Subscriber<unknown>) {
    this.#span = span;
    subscriber.add(() => {
      this.end();
    });
  }

  /** The same work; the span has ended before what a promise gives goes on. */
  endedBy<O>(result: ObservableInput<O>): ObservableInput<O> {
    if (!isPromiseLike(result)) return result;
    return result.then((output) => {
      this.end();
      return output;
    });
  }

  fail(error: unknown): void {
    // Its message may quote what the record holds.
    this.#span.setAttribute('error.type', error instanceof Error ? error.name : '_OTHER');
    this.#span.setStatus({ code: ERROR });
    this.end();
  }

  end(): void {
    if (this.#ended) return;
    this.#ended = true;
    this.#span.end();
  }
}
