import type { Observable, OperatorFunction } from 'rxjs';
import { from, map, mergeMap, retry, tap, timer } from 'rxjs';
import type { KafkaRecord, Properties } from '../../../src/index.js';
import { FencedError, Kafka, commit, drain, fromTopic, groupOffsets, toTopic, toTransaction } from '../../../src/index.js';

/** What the supervisor tells this program, as JSON in its only argument. */
export interface CopierOptions {
  readonly brokers: readonly string[];
  readonly from: string;
  readonly to: string;
  readonly group: string;
  readonly transactionalId: string;
  readonly properties: Properties;
  /** A mistake that the verifier has to find. */
  readonly planted: 'none' | 'without a transaction';
}

/** What it tells the supervisor. */
export interface Told {
  /** How many records have been passed on by now. */
  readonly passed: number;
  /** The partitions that it has. */
  readonly owned: readonly number[];
  /** How often the group, or the brokers, did not take what it had finished. */
  readonly lost: number;
}

const CONCURRENCY = 64;
const TELL_MS = 20;
const options = JSON.parse(process.argv[2] as string) as CopierOptions;
const { brokers, group, transactionalId, properties } = options;

/** Takes from no time to some milliseconds, so that records finish in another order than they came. */
async function work(record: KafkaRecord): Promise<KafkaRecord> {
  if (Math.random() < 0.5) await new Promise((resolve) => setTimeout(resolve, Math.random() * 8));
  return record;
}

function copy(kafka: Kafka): OperatorFunction<KafkaRecord, KafkaRecord> {
  if (options.planted === 'none') return toTransaction(kafka, options.to, ({ value }) => ({ value }), { transactionalId, everyMs: 50 });
  return (records$: Observable<KafkaRecord>) =>
    records$.pipe(
      toTopic(kafka, options.to, ({ value }) => ({ value })),
      commit({ everyMs: 50 }),
    );
}

const stop = new AbortController();
process.once('message', () => {
  stop.abort();
});
// A supervisor that is gone needs no copier; but nothing of this may keep one alive that has come to its end.
process.on('disconnect', () => process.exit(1));
process.channel?.unref();

let passed = 0;
let lost = 0;
const owned = new Set<number>();
const told = setInterval(() => {
  process.send?.({ passed, owned: [...owned], lost } satisfies Told);
}, TELL_MS);

await using kafka = new Kafka({ brokers });
void kafka.events$.forEach((event) => {
  if (event.type === 'assigned') for (const { partition } of event.partitions) owned.add(partition);
  if (event.type === 'revoked' || event.type === 'lost') for (const { partition } of event.partitions) owned.delete(partition);
  if (event.type === 'lost') lost += 1;
});
await drain(
  fromTopic(kafka, options.from, { group, offsets: groupOffsets(kafka), maxInFlight: 1_000, properties, signal: stop.signal }).pipe(
    mergeMap((record) => from(work(record)), CONCURRENCY),
    copy(kafka),
    tap(() => {
      passed += 1;
    }),
    // One that stood still for longer than its transaction may last has lost its id, and takes it again.
    retry({
      delay: (error: unknown) => {
        if (!(error instanceof FencedError)) throw error;
        lost += 1;
        return timer(100);
      },
    }),
    map(() => undefined),
  ),
  { signal: stop.signal },
);
clearInterval(told);
