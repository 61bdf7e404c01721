import { randomUUID } from 'node:crypto';
import { Kafka, commit, decode, drain, filterValue, fromTopic, gate, json, memoryOffsets, openOffsets, release, toTopic } from 'kafka-rx';
import { filter, map, shareReplay, withLatestFrom } from 'rxjs';

// Orders in euros become bills in the currency of the day: the newest record of another topic is the rate.
const { BROKERS = 'localhost:9092', ORDERS = 'orders', RATES = 'rates', BILLS = 'bills', OFFSETS = './offsets' } = process.env;
const stop = new AbortController();
process.once('SIGTERM', () => {
  stop.abort();
});
const { signal } = stop;
const kafka = new Kafka({ brokers: BROKERS.split(',') });
const offsets = openOffsets(OFFSETS);
void kafka.events$.pipe(filter(({ type }) => type === 'assigned')).forEach((event) => {
  console.log(JSON.stringify(event));
});

// Every process reads all rates, whenever it starts: a group of its own, and nothing remembered.
const rate$ = fromTopic(kafka, RATES, { group: `rates-${randomUUID()}`, offsets: memoryOffsets(), mirror: false, signal }).pipe(
  decode(json<number>()),
  filterValue((rate) => rate !== null),
  release(),
  map(({ value }) => value),
  shareReplay({ bufferSize: 1, refCount: true }),
);

const billed$ = fromTopic(kafka, ORDERS, { group: 'billing', offsets, signal }).pipe(
  decode(json<number>()),
  filterValue((euros) => euros !== null),
  // `withLatestFrom` drops what comes before the first rate: here it waits instead.
  gate(rate$.pipe(map(() => true))),
  withLatestFrom(rate$, (order, rate) => ({ ...order, value: order.value * rate })),
  toTopic(kafka, BILLS, ({ key, value }) => ({ key, value: JSON.stringify(value) })),
  commit(),
);

await drain(billed$, { signal, timeoutMs: 10_000 });
await kafka.close();
await offsets.close();
