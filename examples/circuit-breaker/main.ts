import { Kafka, commit, deadLetter, drain, fromTopic, gate, openOffsets, processRecord, toTopic } from 'kafka-rx';
import { BehaviorSubject, EMPTY, distinctUntilChanged, exhaustMap, filter, fromEvent, interval, switchMap, take, takeUntil } from 'rxjs';

// When a service fails it gets no more orders until it is healthy again; those that it has failed go to the end of the line.
const { BROKERS = 'localhost:9092', ORDERS = 'orders', LATER = 'orders.later', OFFSETS = './offsets' } = process.env;
const { SERVICE = 'http://localhost:8080' } = process.env;
const PROBE_EVERY_MS = 100;
const stop = new AbortController();
process.once('SIGTERM', () => {
  stop.abort();
});
const { signal } = stop;
const kafka = new Kafka({ brokers: BROKERS.split(',') });
const offsets = openOffsets(OFFSETS);

const isUp$ = new BehaviorSubject(true);
const recovered$ = isUp$.pipe(
  distinctUntilChanged(),
  switchMap((isUp) =>
    isUp
      ? EMPTY
      : interval(PROBE_EVERY_MS).pipe(
          exhaustMap(() => isOk(fetch(`${SERVICE}/health`))),
          filter(Boolean),
          take(1),
        ),
  ),
);
void recovered$.pipe(takeUntil(fromEvent(signal, 'abort'))).forEach(() => {
  isUp$.next(true);
});

async function isOk(answer: Promise<Response>): Promise<boolean> {
  return (await answer.catch(() => undefined))?.ok === true;
}

async function charge(order: string): Promise<void> {
  if (await isOk(fetch(SERVICE, { method: 'POST', body: order }))) return;
  isUp$.next(false);
  throw new Error('the service did not take it');
}

// No more than `maxInFlight` have passed the gate when it shuts.
const charged$ = fromTopic(kafka, [ORDERS, LATER], { group: 'charging', offsets, maxInFlight: 8, signal }).pipe(
  gate(isUp$),
  processRecord(({ value }) => charge(String(value)), { concurrency: 4, onError: deadLetter(toTopic(kafka, LATER)) }),
  commit(),
);

await drain(charged$, { signal, timeoutMs: 10_000 });
await kafka.close();
await offsets.close();
