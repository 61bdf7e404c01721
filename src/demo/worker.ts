/** The process that is killed: it turns orders into invoices. */

import { Subject, asapScheduler, auditTime, concatMap, filter, map, merge, mergeMap, scan, tap } from 'rxjs';
import { Kafka, commit, drain, fromTopic, openOffsets, toTopic } from '../index.js';
import type { Order } from './orders.js';
import { RUN_HEADER, priceOf } from './orders.js';
import type { Job, Word } from './protocol.js';
import { STOP } from './protocol.js';

/** How many orders are worked on at the same time, and how many a kill can repeat at most. */
const MAX_IN_FLIGHT = 500;
/** Longer than a disk needs, so that a kill finds some orders that are written and not yet committed. */
const COMMIT_MS = 50;
const REPORT_MS = 50;

const job = JSON.parse(process.argv[2] as string) as Job;
const stop = new AbortController();

process.on('message', (message) => {
  if (message === STOP) stop.abort();
});
// Ctrl-C reaches every process of a terminal; what becomes of this one is for its parent to decide.
process.on('SIGINT', () => undefined);
// Without its parent it has nothing to live for, and nothing to tidy up: what is unfinished would come again.
process.on('disconnect', dieAtOnce);

try {
  await work();
} catch (error) {
  process.exitCode = 1;
  say({ type: 'failed', message: error instanceof Error ? error.message : String(error) });
} finally {
  process.off('disconnect', dieAtOnce);
  process.disconnect();
}

async function work(): Promise<void> {
  await using kafka = new Kafka({ brokers: job.brokers, clientId: 'kafka-rx-demo-worker' });
  await using offsets = openOffsets(job.offsets);
  const read$ = new Subject<unknown>();
  const committed$ = new Subject<unknown>();

  const invoices$ = fromTopic(kafka, job.orders, {
    group: job.group,
    offsets,
    // The topic may hold the orders of an earlier run.
    from: 'latest',
    maxInFlight: MAX_IN_FLIGHT,
    signal: stop.signal,
    properties: { ...job.membership },
  }).pipe(
    tap((order) => {
      read$.next(order);
    }),
    map((order) => ({ ...order, value: JSON.parse(String(order.value)) as Order })),
    // The slow part: invoices are finished in another order than the one in which the orders came.
    mergeMap((order) => priceOf(order.value).pipe(map((totalCents) => ({ ...order, value: { ...order.value, totalCents } })))),
    toTopic(kafka, job.invoices, ({ key, value }) => ({ key, value: JSON.stringify(value), headers: { [RUN_HEADER]: job.run } })),
    commit({ emit: 'durable', everyMs: COMMIT_MS }),
    tap((order) => {
      committed$.next(order);
    }),
  );

  const joined$ = kafka.events$.pipe(filter((event) => event.type === 'assigned'));
  const words$ = merge(
    joined$.pipe(map((): Word => ({ type: 'joined' }))),
    read$.pipe(
      scan((orders) => orders + 1, 0),
      // One word for everything that was read together.
      auditTime(0, asapScheduler),
      map((orders): Word => ({ type: 'read', orders })),
    ),
    merge(joined$, committed$).pipe(
      auditTime(REPORT_MS),
      concatMap(() => offsets.list(job.group)),
      map((checkpoints): Word => ({
        type: 'committed',
        frontiers: checkpoints.map(({ frontier, ...at }) => ({ ...at, offset: frontier })),
      })),
    ),
  );

  const report = words$.subscribe({ next: say, error: dieAtOnce });
  try {
    await drain(invoices$, { signal: stop.signal });
  } finally {
    report.unsubscribe();
  }
}

function say(word: Word): void {
  process.send?.(word);
}

function dieAtOnce(): void {
  process.kill(process.pid, 'SIGKILL');
}
