import { mkdirSync, readdirSync } from 'node:fs';
import { stat } from 'node:fs/promises';
import { setTimeout as delay } from 'node:timers/promises';
import v8 from 'node:v8';
import type { Observable } from 'rxjs';
import { NEVER, Subject, Subscriber, concat, defer, finalize, ignoreElements, merge, mergeMap, of, take } from 'rxjs';
import {
  Kafka,
  OptionError,
  StoreUnavailableError,
  commit,
  fromPartitions,
  fromTopic,
  fromTopicByPartition,
  groupOffsets,
  health,
  memoryOffsets,
  publisher,
  readTopic,
  toTopic,
  toTransaction,
} from '../../src/index.js';
import { Session } from '../../src/sources/session.js';
import type { CyclesOptions, Sample } from '../support/leaks.js';

/**
 * Subscribes and unsubscribes, again and again, at one `Kafka`; prints what the process holds now and then, as a line of JSON each. To be run
 * with `--expose-gc`.
 */
const { brokers, topic, folder, cycles, samples, planted, patienceMs } = JSON.parse(process.argv[2] as string) as CyclesOptions;
const gc = (globalThis as { gc?: () => void }).gc as () => void;
/** How many subscriptions are left at a time. */
const WAVE = 10;

mkdirSync(folder);
const kafka = new Kafka({ brokers });
const offsets = memoryOffsets();
const leaked: unknown[] = [];
const never$ = new Subject<never>();

/** What is subscribed to, in turn. Each is left as it says, or at once, or a moment later. */
const STREAMS: readonly ((n: number) => Observable<unknown>)[] = [
  (n) => fromTopic(kafka, topic, { group: `cycles-${n % 7}`, offsets }).pipe(commit()),
  () => readTopic(kafka, topic).pipe(take(1)),
  () => concat(of({ value: 'x' }), NEVER).pipe(toTopic(kafka, topic, (record) => record)),
  (n) =>
    fromTopic(kafka, topic, { group: `cycles-${n % 7}`, offsets: groupOffsets(kafka) }).pipe(
      toTransaction(kafka, topic, ({ value }) => ({ value }), { transactionalId: `cycles-${n % 7}` }),
    ),
  () => readTopic(kafka, topic, { until: 'latest' }),
  (n) => fromPartitions(kafka, { [topic]: [0] }, { name: `cycles-${n % 7}`, offsets }).pipe(commit()),
  (n) =>
    fromTopicByPartition(kafka, topic, { group: `cycles-${n % 7}`, offsets }).pipe(mergeMap((partition$) => partition$.pipe(commit()))),
  (n) =>
    defer(() => {
      const messages = publisher(kafka, { topic, spill: `${folder}/${n}` });
      messages.send('k', 'v');
      return messages.outcomes$.pipe(finalize(() => void messages.close()));
    }),
  (n) => {
    const records$ = fromTopic(kafka, topic, { group: `cycles-${n % 7}`, offsets, statsEveryMs: 5 });
    return merge(merge(records$.stats$, kafka.stats$).pipe(ignoreElements()), records$.pipe(commit()));
  },
  // What follows its health ends with a `Kafka`, and not before.
  (n) =>
    defer(() => {
      const followed = new Kafka({ brokers });
      const records$ = fromTopic(followed, topic, { group: `cycles-${n % 7}`, offsets, statsEveryMs: 5 });
      return merge(health(followed).status$.pipe(ignoreElements()), records$.pipe(commit())).pipe(finalize(() => void followed.close()));
    }),
];
/** How long a subscription lasts, unless it ends by itself. */
const LASTS_MS = [0, 1, 5, 20, 50, 200, 500];
/** How many have got something. */
let emitted = 0;

/** Brokers may refuse what was left and comes again at once. What could never have been opened tries nothing, and ends the program. */
function failed(error: unknown): void {
  if (error instanceof OptionError || error instanceof StoreUnavailableError) throw error;
}

async function cycle(n: number): Promise<void> {
  const stream$ = (STREAMS[n % STREAMS.length] as (typeof STREAMS)[number])(n);
  const subscription = stream$.pipe(take(1)).subscribe({ next: () => (emitted += 1), error: failed });
  await delay(LASTS_MS[Math.floor(n / STREAMS.length) % LASTS_MS.length]);
  if (planted !== 'a client for each cycle' || n % 10 > 0) subscription.unsubscribe();
  if (planted === 'a subscriber now and then' && n % 10 === 0) leaked.push(never$.subscribe());
  if (planted === 'memory for each cycle') leaked.push(new Array(5_000).fill(n));
}

const count = (what: 'fd' | 'task'): number => readdirSync(`/proc/self/${what}`).length;

/** How many threads and descriptors there are when nothing is open. */
let least = { tasks: Infinity, descriptors: Infinity };

/** Whatever was waiting for a thread of libuv's pool has got one. */
async function poolReached(): Promise<void> {
  await Promise.all(Array.from({ length: 4 }, () => stat('.')));
}

/** Closing goes on after a stream was left; waits until nothing of it is seen for a while, `polls` times in a row. */
async function settled(polls: number): Promise<void> {
  const end = performance.now() + patienceMs;
  for (let calm = 0; calm < polls && performance.now() < end; calm += 1) {
    await poolReached();
    await delay(10);
    const now = { tasks: count('task'), descriptors: count('fd') };
    if (now.tasks > least.tasks || now.descriptors > least.descriptors) calm = 0;
    if (now.tasks < least.tasks || now.descriptors < least.descriptors) {
      least = { tasks: Math.min(least.tasks, now.tasks), descriptors: Math.min(least.descriptors, now.descriptors) };
      calm = 0;
    }
  }
}

/** How many there are of a class, exactly; always 0 where Node.js cannot tell. */
function living(constructor: abstract new (...args: never[]) => unknown): number {
  return 'queryObjects' in v8 ? v8.queryObjects(constructor, { format: 'count' }) : 0;
}

async function sample(done: number): Promise<Sample> {
  await settled(20);
  for (let n = 0; n < 3; n += 1) {
    gc();
    await delay(20);
  }
  const { heapUsed, external, rss } = process.memoryUsage();
  return {
    cycles: done,
    emitted,
    descriptors: count('fd'),
    threads: count('task'),
    heapBytes: heapUsed + external,
    rssBytes: rss,
    sessions: living(Session),
    subscribers: living(Subscriber),
  };
}

// What is made once is there after these.
for (let n = 0; n < STREAMS.length; n += 1) await cycle(n);
await settled(100);
const every = Math.ceil(cycles / samples);
for (let done = 0; done < cycles;) {
  const wave = Math.min(WAVE, cycles - done);
  await Promise.all(Array.from({ length: wave }, (_, i) => cycle(done + i)));
  const before = done;
  done += wave;
  if (Math.floor(done / every) === Math.floor(before / every)) await settled(1);
  else process.stdout.write(`${JSON.stringify(await sample(done))}\n`);
}
process.exit(0);
