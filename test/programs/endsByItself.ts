import { once } from 'node:events';
import { createConnection } from 'node:net';
import { Subject, concatMap, delay, ignoreElements, merge, mergeMap, of, take, tap } from 'rxjs';
import {
  Kafka,
  batch,
  commit,
  drain,
  fromPartitions,
  fromTopic,
  fromTopicByPartition,
  groupOffsets,
  health,
  memoryOffsets,
  openOffsets,
  produceAll,
  publisher,
  readTopic,
  release,
  retryRecord,
  serveStats,
  toTopic,
  toTransaction,
} from '../../src/index.js';

/** Uses one thing, leaves it, and ends because nothing is left that would keep it alive: `endsByItself.js <way> <brokers> <from> <to> <folder>`. */
const [way, brokers, from, to, folder] = process.argv.slice(2) as [Way, string, string, string, string];
const kafka = new Kafka({ brokers: brokers.split(',') });
const group = `${from}-${process.pid}`;
const records$ = fromTopic(kafka, from, { group, offsets: memoryOffsets() });
const partitions$ = fromPartitions(kafka, from, { name: group, offsets: memoryOffsets() });
const byPartition$ = fromTopicByPartition(kafka, from, { group, offsets: memoryOffsets() }).pipe(
  mergeMap((partition$) => partition$.pipe(commit())),
);
const AN_HOUR_MS = 3_600_000;

/** Closes while the stream still runs, once it has begun. */
async function closedWhileRunning(stream$: Parameters<typeof drain>[0]): Promise<void> {
  const begun$ = new Subject<void>();
  const ended = drain(
    stream$.pipe(
      tap(() => {
        begun$.next();
      }),
    ),
  );
  await drain(begun$.pipe(take(1)));
  await kafka.close();
  await ended;
}

const ways = {
  'a group that is closed': () => closedWhileRunning(records$.pipe(commit())),
  'a group that is left': () => drain(records$.pipe(commit(), take(1))),
  'a group that is left with records in flight': () =>
    drain(merge(records$.pipe(commit(), delay(AN_HOUR_MS), ignoreElements()), of(1).pipe(delay(1_000))).pipe(take(1))),
  'chosen partitions that are closed': () => closedWhileRunning(partitions$.pipe(commit())),
  'chosen partitions that are left': () => drain(partitions$.pipe(commit(), take(1))),
  'a stream for each partition that is closed': () => closedWhileRunning(byPartition$),
  'a stream for each partition that is left': () => drain(byPartition$.pipe(take(1))),
  'a source that was moved': () =>
    drain(
      records$.pipe(
        commit(),
        concatMap((record) => records$.seek({ to: 'earliest' }).then(() => record)),
        take(1),
      ),
    ),
  'statistics that somebody listens to': async () => {
    void records$.stats$.forEach(() => undefined);
    void kafka.stats$.forEach(() => undefined);
    await drain(records$.pipe(commit(), take(1)));
  },
  'statistics that somebody is connected to': async () => {
    const { path } = await serveStats(kafka, `${folder}/socket`);
    const reader = createConnection(path);
    await once(reader, 'data');
    // Whoever is connected is somebody else.
    reader.unref();
    await drain(records$.pipe(commit(), take(1)));
  },
  'health': async () => {
    health(kafka);
    await drain(records$.pipe(commit(), take(1)));
  },
  'a reader that is closed': () => closedWhileRunning(readTopic(kafka, from)),
  'a reader that is left': () => drain(readTopic(kafka, from).pipe(take(1))),
  'a reader that has come to the end': () => drain(readTopic(kafka, from, { until: 'latest' })),
  'a producer that is closed with its source': () => closedWhileRunning(records$.pipe(toTopic(kafka, to), commit())),
  'a producer that has come to the end': () => drain(of(1).pipe(toTopic(kafka, to, () => ({ value: 'x' })))),
  'transactions': () =>
    closedWhileRunning(
      fromTopic(kafka, from, { group, offsets: groupOffsets(kafka) }).pipe(toTransaction(kafka, to, { transactionalId: group })),
    ),
  'records to many': () => produceAll(kafka, [{ value: 'x' }], { topic: to }),
  'a publisher': async () => {
    const messages = publisher(kafka, { topic: to, spill: `${folder}/spill` });
    messages.send('k', 'v');
    await messages.close();
  },
  'the administration': async () => {
    await kafka.admin.topics();
    await kafka.close();
  },
  'timers of an hour': async () => {
    const offsets = openOffsets(`${folder}/offsets`);
    const waiting$ = fromTopic(kafka, from, { group, offsets, drainTimeoutMs: 100 }).pipe(
      tap(() => {
        tried$.next();
      }),
      retryRecord(
        () => {
          throw new Error('not yet');
        },
        { delayMs: AN_HOUR_MS, maxDelayMs: AN_HOUR_MS },
      ),
      batch({ maxMs: AN_HOUR_MS }),
      release(),
    );
    const tried$ = new Subject<void>();
    const ended = drain(waiting$);
    await drain(tried$.pipe(take(1)));
    await kafka.close();
    await ended;
    await offsets.close();
  },
};

export type Way = keyof typeof ways;

await ways[way]();
