import { Kafka, commit, deadLetter, decode, drain, filterValue, fromTopic, json, openOffsets, processRecord, toTopic } from 'kafka-rx';

interface Order {
  readonly id: number;
}

// Each order is an HTTP call, several at a time and one after the other for each key; what the service declines goes to a topic of its own.
const { BROKERS = 'localhost:9092', ORDERS = 'orders', INVOICES = 'invoices', SERVICE = 'http://localhost:8080' } = process.env;
const { DECLINED = 'orders.declined', OFFSETS = './offsets' } = process.env;
const stop = new AbortController();
process.once('SIGTERM', () => {
  stop.abort();
});
const { signal } = stop;
const kafka = new Kafka({ brokers: BROKERS.split(',') });
const offsets = openOffsets(OFFSETS);

async function invoice(order: Order): Promise<unknown> {
  const response = await fetch(SERVICE, { method: 'POST', body: JSON.stringify(order) });
  if (!response.ok) throw new Error(`the service answered ${response.status}`);
  return response.json();
}

const invoiced$ = fromTopic(kafka, ORDERS, { group: 'invoicing', offsets, signal }).pipe(
  decode(json<Order>(), { onError: deadLetter(toTopic(kafka, DECLINED)) }),
  filterValue((order) => order !== null),
  processRecord(({ value }) => invoice(value), { concurrency: 8, order: 'key', onError: deadLetter(toTopic(kafka, DECLINED)) }),
  toTopic(kafka, INVOICES, ({ key, value }) => ({ key, value: JSON.stringify(value) })),
  commit(),
);

await drain(invoiced$, { signal, timeoutMs: 10_000 });
await kafka.close();
await offsets.close();
