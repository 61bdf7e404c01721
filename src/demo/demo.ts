import { randomUUID } from 'node:crypto';
import { mkdtemp, rm } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { from, lastValueFrom } from 'rxjs';
import type { Checkpoint } from '../index.js';
import { Kafka, openOffsets } from '../index.js';
import type { Arguments } from './arguments.js';
import { Audit } from './audit.js';
import { clusterFor } from './cluster.js';
import { Ledger } from './ledger.js';
import { makeOrders } from './maker.js';
import type { Job } from './protocol.js';
import type { Screen, Status } from './screen.js';
import { beyond, grouped, statement } from './statement.js';
import { Watch } from './watch.js';
import { WorkerProcess } from './workerProcess.js';

/** All of them in the end. The embedded cluster keeps 5 MB of a partition, which these are far from. */
const ALL_ORDERS = 20_000;
/** The first worker never sees the rest, so that whatever happens it is killed before everything is done. */
const FIRST_ORDERS = 15_000;
/** It is killed when this many orders have an invoice, and it has a good number more in its hands. */
const KILL_AT = 5_000;
const KILL_IN_FLIGHT = 100;
const CONNECT_TIMEOUT_MS = 10_000;

/** What every act of the story needs. */
interface Stage {
  readonly screen: Screen;
  readonly ledger: Ledger;
  readonly watch: Watch;
  readonly job: Job;
  readonly audit: Audit;
  /** Makes orders up to this number. */
  readonly makeOrdersTo: (end: number) => Promise<void>;
  readonly counts: () => Status;
}

/** Tells the story, and answers how many orders were lost. Rejects when the signal aborts. */
export async function demo(args: Arguments, screen: Screen, signal: AbortSignal): Promise<number> {
  const ledger = new Ledger();
  const watch = new Watch(signal);
  await using cluster = await clusterFor(args);
  await using directory = await temporaryDirectory();
  await using kafka = new Kafka({ brokers: cluster.brokers, clientId: 'kafka-rx-demo', connectTimeoutMs: CONNECT_TIMEOUT_MS });
  const { orders, invoices } = args;
  const run = randomUUID().slice(0, 8);
  const { brokers, membership } = cluster;
  const job: Job = { brokers, run, orders, invoices, group: `kafka-rx-demo-${run}`, offsets: join(directory.path, 'offsets'), membership };

  screen.print('Orders become invoices in a second process. It is killed on the way, and in the end everything is counted.\n\n');
  screen.say(`This is ${cluster.description}.`);
  screen.live(() => ({ text: 'Joining the consumer groups …' }));
  const audit = new Audit(kafka, job, ledger, watch);
  if (!cluster.hasTopics) await watch.until('the topics can be read', () => audit.joined);

  const stage: Stage = {
    ...{ screen, ledger, watch, job, audit },
    async makeOrdersTo(end) {
      makeOrders(kafka, { topic: orders, run, from: ledger.orders, to: end }).subscribe({
        next: ({ order, delivery }) => {
          ledger.produced(order, delivery);
          watch.changed();
        },
        error: watch.failed,
      });
      await watch.until('the orders are acknowledged', () => ledger.orders === end);
    },
    counts: () => ({
      text: `${grouped(ledger.orders)} orders, ${grouped(ledger.invoices)} with an invoice`,
      done: ledger.invoices / ALL_ORDERS,
    }),
  };
  const atKill = await killOneInFlight(stage);
  await letAnotherFinish(stage);
  screen.say('Every order is committed, and the worker has ended by itself. What the cluster says:');
  screen.print(statement(ledger, { atKill, atEnd: await remembered(job) }));
  return ledger.totals.lost;
}

/** Answers what is on disk after the kill. */
async function killOneInFlight({ screen, ledger, watch, job, audit, makeOrdersTo, counts }: Stage): Promise<readonly Checkpoint[]> {
  await using worker = new WorkerProcess(job, watch);
  await watch.until('the worker has joined its group', () => audit.joined && worker.joined);
  screen.say(`Process ${String(worker.pid)} is at work, and orders come in.`);
  screen.live(counts);
  const midFlight = watch.until('the worker is in the middle of its work', () => {
    const inFlight = worker.read - ledger.invoices;
    // Should it have outrun everybody, it has nothing in flight any more; then that is what is told.
    return ledger.invoices >= KILL_AT && (inFlight >= KILL_IN_FLIGHT || ledger.invoices === FIRST_ORDERS);
  });
  await Promise.all([makeOrdersTo(FIRST_ORDERS), midFlight.then(() => worker.kill())]);
  const checkpoints = await remembered(job);
  const finished = finishedOf(ledger, checkpoints);
  screen.say(`Killed it (SIGKILL): ${grouped(finished)} orders committed, ${grouped(worker.read - finished)} in flight, the rest waiting.`);
  return checkpoints;
}

/** The same work in a new process, until nothing is left to do; then reads what the two have written to its end. */
async function letAnotherFinish({ screen, ledger, watch, job, audit, makeOrdersTo, counts }: Stage): Promise<void> {
  screen.live(counts);
  await makeOrdersTo(ALL_ORDERS);
  await using worker = new WorkerProcess(job, watch);
  screen.say(`${grouped(ALL_ORDERS - FIRST_ORDERS)} more orders have come in. Process ${String(worker.pid)} is to take over.`);
  screen.live(() => ({ ...counts(), text: 'waiting until the group has noticed the death' }));
  await watch.until('the second worker has joined the group', () => worker.joined);
  screen.say('It has joined the group, and goes on where the offsets on disk say.');
  screen.live(counts);
  await watch.until('every order is committed', () => ledger.isBehind(worker.frontiers));
  worker.stop();
  await watch.until('the second worker has ended', () => worker.ended);
  audit.writeFullStops();
  await watch.until('the invoices are read to their end', () => audit.done);
}

/** What the store remembers; its owner must be gone. */
async function remembered({ offsets: path, group }: Job): Promise<readonly Checkpoint[]> {
  await using offsets = openOffsets(path);
  return await lastValueFrom(from(offsets.list(group)), { defaultValue: [] });
}

/** How many orders are finished, below the frontiers and beyond them. */
function finishedOf(ledger: Ledger, checkpoints: readonly Checkpoint[]): number {
  const firsts = new Map(ledger.shares.map(({ partition, first }) => [partition, first]));
  return checkpoints
    .map((at) => at.frontier - (firsts.get(at.partition) ?? at.frontier) + beyond(at))
    .reduce((sum, finished) => sum + finished, 0);
}

async function temporaryDirectory(): Promise<AsyncDisposable & { readonly path: string }> {
  const path = await mkdtemp(join(tmpdir(), 'kafka-rx-demo-'));
  return { path, [Symbol.asyncDispose]: () => rm(path, { recursive: true, force: true }) };
}
