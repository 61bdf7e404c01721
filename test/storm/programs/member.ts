import { from, map, mergeMap, tap } from 'rxjs';
import type { ApplyState, KafkaRecord, Properties } from '../../../src/index.js';
import { Kafka, commit, drain, fromTopic, openOffsets } from '../../../src/index.js';
import { LANE } from '../../../src/position.js';
import { AppendOnly } from '../../kill/appendOnly.js';
import type { Fold } from '../../kill/fold.js';
import { NOTHING_YET, add } from '../../kill/fold.js';
import { FOLDS } from '../../kill/pipelines.js';
import { idOf, parseId } from '../../kill/recordId.js';
import { seeded } from '../../kill/seeded.js';

/** What the supervisor tells this program, as JSON in its only argument. */
export interface MemberOptions {
  readonly brokers: readonly string[];
  readonly topic: string;
  readonly group: string;
  /** The folder in which the stores are, and the name of this process's. */
  readonly folder: string;
  readonly store: string;
  readonly log: string;
  /** How many subscriptions to begin with. All of them share the store. */
  readonly subscriptions: number;
  readonly drainTimeoutMs: number;
  readonly properties: Properties;
  readonly seed: number;
}

/** One subscription more, or the oldest one less. */
export type MemberOrder = 'join' | 'leave';

const options = JSON.parse(process.argv[2] as string) as MemberOptions;
const log = new AppendOnly(options.log);
const random = seeded(options.seed);
const offsets = openOffsets(`${options.folder}/${options.store}`);

const apply: ApplyState<KafkaRecord> = (records, txn) => {
  const folds = txn.table<Fold>(FOLDS);
  for (const { value } of records) {
    const record = parseId(idOf(value as Buffer));
    folds.put(record.key, add(folds.get(record.key) ?? NOTHING_YET, record));
  }
};

/** Mostly quick; now and then so slow that the partition may be somebody else's before it is done. */
async function work(): Promise<void> {
  const dice = random();
  if (dice < 0.3) await new Promise((resolve) => setImmediate(resolve));
  else if (dice < 0.4) await new Promise((resolve) => setTimeout(resolve, random() * 4));
  else if (dice < 0.404) await new Promise((resolve) => setTimeout(resolve, random() * 1_000));
}

/** One member of the group. */
class Member {
  readonly name: string;
  readonly #stop = new AbortController();
  /** Settles when it has left. */
  readonly ended: Promise<void>;

  constructor(number: number) {
    this.name = `${process.pid}.${number}`;
    this.ended = this.#run();
  }

  leave(): void {
    this.#stop.abort();
  }

  async #run(): Promise<void> {
    const { brokers, topic, group, drainTimeoutMs, properties, store } = options;
    // A Kafka of its own: events name the group, and here several members are of one group.
    await using kafka = new Kafka({ brokers, clientId: this.name });
    void kafka.events$.forEach((event) => {
      if (event.type === 'error') log.line('F', this.name, store);
      const kind = event.type === 'assigned' ? 'G' : event.type === 'revoked' || event.type === 'lost' ? 'T' : undefined;
      if (kind === undefined || !('partitions' in event)) return;
      for (const { partition } of event.partitions) log.line(kind, this.name, store, partition);
    });
    const { signal } = this.#stop;
    const note = (kind: 'S' | 'E' | 'D') => (record: KafkaRecord) => {
      const { partition, offset, value } = record;
      log.line(kind, this.name, store, record[LANE].epoch, partition, offset, idOf(value as Buffer));
    };
    await drain(
      fromTopic(kafka, topic, { group, offsets, drainTimeoutMs, properties, signal, maxInFlight: 500 }).pipe(
        tap(note('S')),
        mergeMap((record) => from(work()).pipe(map(() => record)), 64),
        tap(note('E')),
        commit({ apply, emit: 'durable' }),
        tap(note('D')),
      ),
      { signal },
    );
  }
}

const members: Member[] = [];
const ending = new Set<Promise<void>>();
let number = 0;

function join(): void {
  const member = new Member((number += 1));
  members.push(member);
  const ended = member.ended.catch((error: unknown) => {
    process.stderr.write(`member ${member.name}: ${String(error)}\n`);
    process.exit(1);
  });
  ending.add(ended);
  void ended.then(() => ending.delete(ended));
}

for (let i = 0; i < options.subscriptions; i += 1) join();
process.on('message', (order: MemberOrder) => {
  if (order === 'join') join();
  else members.shift()?.leave();
});
process.on('disconnect', () => process.exit(1));
// Nothing of this may keep a process alive whose members have left.
process.channel?.unref();
process.once('SIGTERM', () => {
  for (const member of members) member.leave();
  void Promise.all(ending).then(() => offsets.close());
});
