import { Kafka, commit, decode, drain, filterValue, fromTopic, json, openOffsets, processRecord, toTopic } from 'kafka-rx';
import type { Observable } from 'rxjs';
import { NEVER, concat, filter, map, merge, of, share, take } from 'rxjs';

interface Customer {
  readonly name: string;
}

// Orders are joined with their customers, who come as a topic of their own: its newest record of each key makes a table.
const { BROKERS = 'localhost:9092', ORDERS = 'orders', CUSTOMERS = 'customers', JOINED = 'joined', OFFSETS = './offsets' } = process.env;
const stop = new AbortController();
process.once('SIGTERM', () => {
  stop.abort();
});
const { signal } = stop;
const kafka = new Kafka({ brokers: BROKERS.split(',') });
const offsets = openOffsets(OFFSETS);

// The table is on disk, written with the offsets of its topic: after a restart it is there, and goes on where it was.
const customers = offsets.state<Customer>('customers');
const arrival$ = fromTopic(kafka, CUSTOMERS, { group: 'customers', offsets, signal }).pipe(
  decode(json<Customer>()),
  commit({
    emit: 'durable',
    apply: (records, txn) => {
      const table = txn.table<Customer>('customers');
      for (const { key, value } of records) {
        if (value === null) table.remove(String(key));
        else table.put(String(key), value);
      }
    },
  }),
  share(),
);

/** The customer, as soon as it is known. When no more customers come the order stays open, and comes again. */
function customer(id: string): Observable<Customer> {
  const arrived$ = arrival$.pipe(filter(({ key }) => String(key) === id));
  return concat(of(undefined), arrived$, NEVER).pipe(
    map(() => customers.get(id)),
    filter((found) => found !== undefined),
    take(1),
  );
}

const joined$ = fromTopic(kafka, ORDERS, { group: 'joining', offsets, signal }).pipe(
  decode(json<{ readonly item: string }>()),
  filterValue((order) => order !== null),
  processRecord((order) => customer(String(order.key)).pipe(map(({ name }) => ({ ...order.value, name })))),
  toTopic(kafka, JOINED, ({ key, value }) => ({ key, value: JSON.stringify(value) })),
  commit(),
);

await drain(merge(arrival$, joined$), { signal, timeoutMs: 10_000 });
await kafka.close();
await offsets.close();
