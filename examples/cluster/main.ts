import type { Worker } from 'node:cluster';
import cluster from 'node:cluster';
import { availableParallelism } from 'node:os';
import { setTimeout as delay } from 'node:timers/promises';
import { Kafka, commit, drain, fromPartitions, openOffsets, processRecord, toTopic } from 'kafka-rx';

// One process per core, each with a fixed share of the partitions and a store of its own. Nothing moves when one dies: it is started again with
// its slot, and goes on where its store says.
const { BROKERS = 'localhost:9092', ORDERS = 'orders', INVOICES = 'invoices', OFFSETS = './offsets' } = process.env;
const { WORKERS = String(availableParallelism()), SLOT = '' } = process.env;

if (cluster.isPrimary) supervise();
else await work(Number(SLOT));

function supervise(): void {
  const workers = new Set<Worker>();
  let stopping = false;
  const start = (slot: number): void => {
    const worker = cluster.fork({ SLOT: String(slot) });
    workers.add(worker);
    console.log(JSON.stringify({ slot, pid: worker.process.pid }));
    worker.once('exit', () => {
      workers.delete(worker);
      // A worker that cannot even start must not keep this process busy.
      if (!stopping) setTimeout(start, 100, slot);
    });
  };
  for (let slot = 0; slot < Number(WORKERS); slot += 1) start(slot);
  process.once('SIGTERM', () => {
    stopping = true;
    for (const worker of workers) worker.process.kill('SIGTERM');
  });
}

async function work(slot: number): Promise<void> {
  const stop = new AbortController();
  process.once('SIGTERM', () => {
    stop.abort();
  });
  const { signal } = stop;
  const kafka = new Kafka({ brokers: BROKERS.split(',') });
  // A directory belongs to one process.
  const offsets = openOffsets(`${OFFSETS}-${slot}`);
  const invoices$ = fromPartitions(kafka, ORDERS, { name: 'invoicing', offsets, worker: { slot, of: Number(WORKERS) }, signal }).pipe(
    processRecord((order) => delay(10, { order: Number(order.value), partition: order.partition, slot }), {
      concurrency: 16,
      order: 'none',
    }),
    toTopic(kafka, INVOICES, ({ key, value }) => ({ key, value: JSON.stringify(value) })),
    commit(),
  );
  await drain(invoices$, { signal, timeoutMs: 10_000 });
  await kafka.close();
  await offsets.close();
  cluster.worker?.disconnect();
}
