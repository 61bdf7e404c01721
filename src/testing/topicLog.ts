import type { KafkaRecord } from '../record.js';

/** What a record holds beside its place. */
export type Contents = Pick<KafkaRecord, 'timestamp' | 'key' | 'value' | 'headers'>;

/** The log of one partition: it begins at `low`, ends at `high`, and holds records at some offsets between. */
export interface PartitionLog {
  readonly offsets: number[];
  /** What some of them hold; the others are empty. */
  readonly contents: Map<number, Contents>;
  low: number;
  high: number;
  /** Where the first open transaction begins: readers of what is committed see no further. */
  stable: number;
  /** What an empty record weighs. */
  bytes: number;
}

/** What brokers hold of one topic. */
export class TopicLog {
  readonly topic: string;
  readonly logs: PartitionLog[];
  /** What the group has committed. */
  readonly committed = new Map<number, number>();
  /** Topics that were named and do not exist. */
  missing: readonly string[] = [];

  /** Each partition with so many records from 0 on. */
  constructor(topic: string, records: readonly number[]) {
    this.topic = topic;
    this.logs = records.map(logOf);
  }

  /** A partition more, with so many records from 0 on. */
  addPartition(records: number): void {
    this.logs.push(logOf(records));
  }

  log(partition: number): PartitionLog {
    const log = this.logs[partition];
    if (log === undefined) throw new RangeError(`there is no partition ${partition}`);
    return log;
  }

  append(partition: number, ...offsets: readonly number[]): void {
    const log = this.log(partition);
    log.offsets.push(...offsets);
    log.high = Math.max(log.high, (offsets.at(-1) ?? -1) + 1);
  }

  /** Appends one record, and answers its offset. */
  write(partition: number, contents: Contents): number {
    const log = this.log(partition);
    const offset = log.high;
    log.contents.set(offset, contents);
    this.append(partition, offset);
    return offset;
  }

  /** As retention does. */
  deleteBefore(partition: number, offset: number): void {
    const log = this.log(partition);
    log.low = offset;
    while ((log.offsets[0] ?? Infinity) < offset) log.offsets.shift();
  }
}

function logOf(records: number): PartitionLog {
  const offsets = Array.from({ length: records }, (_, offset) => offset);
  return { offsets, contents: new Map(), low: 0, high: records, stable: Infinity, bytes: 10 };
}
