import type { Observable, OperatorFunction } from 'rxjs';
import { bufferCount, from, map, mergeMap, tap } from 'rxjs';
import type { ApplyState, KafkaRecord, OffsetStore, Properties, StateTransaction, WorkerSlot } from '../../../src/index.js';
import { Kafka, commit, drain, fromPartitions, fromTopic, openOffsets } from '../../../src/index.js';
import { LANE } from '../../../src/position.js';
import { AppendOnly } from '../appendOnly.js';
import type { Fold } from '../fold.js';
import { NOTHING_YET, add } from '../fold.js';
import type { MANNERS, PLANTED } from '../pipelines.js';
import { FOLDS } from '../pipelines.js';
import { idOf, parseId } from '../recordId.js';
import { seeded } from '../seeded.js';

/** What the supervisor tells this program, as JSON in its only argument. */
export interface PipelineOptions {
  readonly brokers: readonly string[];
  readonly topic: string;
  readonly group: string;
  readonly store: string;
  readonly effects: string;
  readonly maxInFlight: number;
  readonly concurrency: number;
  readonly properties: Properties;
  readonly manner: (typeof MANNERS)[number];
  readonly planted: (typeof PLANTED)[number] | undefined;
  readonly seed: number;
  /** Its share of the partitions. Default: what the group gives it. */
  readonly worker?: WorkerSlot;
}

const options = JSON.parse(process.argv[2] as string) as PipelineOptions;
const effects = new AppendOnly(options.effects);
const random = seeded(options.seed);

function note(kind: 'S' | 'E', record: KafkaRecord): void {
  const { partition, offset, value } = record;
  effects.line(kind, process.pid, record[LANE].epoch, partition, offset, idOf(value as Buffer));
}

/** Takes from no time to many milliseconds, so that records finish in another order than they came. */
async function work(record: KafkaRecord): Promise<void> {
  const dice = random();
  if (dice < 0.3) await new Promise((resolve) => setImmediate(resolve));
  else if (dice < 0.5) await new Promise((resolve) => setTimeout(resolve, random() * 4));
  else if (dice < 0.6) await new Promise((resolve) => setTimeout(resolve, random() * 60));
  if (options.planted === 'a record that is skipped' && record.offset % 1_000 === 100) return;
  note('E', record);
}

const works = (): OperatorFunction<KafkaRecord, KafkaRecord> =>
  mergeMap((record) => from(work(record)).pipe(map(() => record)), options.concurrency);

function foldInto(records: readonly KafkaRecord[], txn: StateTransaction): void {
  const folds = txn.table<Fold>(FOLDS);
  for (const { value } of records) {
    const record = parseId(idOf(value as Buffer));
    folds.put(record.key, add(folds.get(record.key) ?? NOTHING_YET, record));
  }
}

const apply: ApplyState<KafkaRecord> = foldInto;
const applyArrays: ApplyState<readonly KafkaRecord[]> = (arrays, txn) => {
  foldInto(arrays.flat(), txn);
};

/** What the promise forbids: state that changes by itself, whatever becomes of the record. */
function changesStateAlone(offsets: OffsetStore): OperatorFunction<KafkaRecord, KafkaRecord> {
  return mergeMap(async (record) => {
    await (offsets.write(options.group, [], (_refused, txn) => {
      foldInto([record], txn);
    }) as Promise<unknown>);
    return record;
  });
}

function pipeline(records$: Observable<KafkaRecord>, offsets: OffsetStore): Observable<unknown> {
  switch (options.planted) {
    case 'commit before the work':
      return records$.pipe(commit({ apply }), works());
    case 'ordered after a reordering':
      return records$.pipe(works(), commit({ ordered: true, apply }));
    case 'state in a transaction of its own':
      return records$.pipe(works(), changesStateAlone(offsets), commit());
    case 'state on emission':
      return records$.pipe(changesStateAlone(offsets), works(), commit());
    case 'a record that is skipped':
    case undefined:
      break;
  }
  const worked$ = records$.pipe(works());
  switch (options.manner) {
    case 'passed':
      return worked$.pipe(commit({ apply }));
    case 'durable':
      return worked$.pipe(commit({ apply, emit: 'durable' }));
    case 'now and then':
      return worked$.pipe(commit({ apply, everyMs: 30, everyRecords: 200 }));
    case 'arrays':
      return worked$.pipe(bufferCount(7), commit({ apply: applyArrays }));
  }
}

const stop = new AbortController();
process.once('SIGTERM', () => {
  stop.abort();
});
// A supervisor that is gone needs no pipeline; but nothing of this may keep a pipeline alive that has come to its end.
process.on('disconnect', () => process.exit(1));
process.channel?.unref();

await using kafka = new Kafka({ brokers: options.brokers });
await using offsets = openOffsets(options.store);
const { topic, group, maxInFlight, properties, worker } = options;
const common = { offsets, maxInFlight, properties, signal: stop.signal };
const source$ =
  worker === undefined ? fromTopic(kafka, topic, { ...common, group }) : fromPartitions(kafka, topic, { ...common, name: group, worker });
const records$ = source$.pipe(
  tap((record) => {
    note('S', record);
  }),
);
await drain(pipeline(records$, offsets), { signal: stop.signal });
