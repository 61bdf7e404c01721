import type { KafkaRxError } from '../errors.js';
import { StoreCorruptError, StoreFormatError } from '../errors.js';
import type { TopicPartition } from '../position.js';
import { CodecError, decodeCheckpoint, decodeEpoch, encodeCheckpoint, encodeEpoch } from './codec.js';
import type { Environment } from './environment.js';
import { assertForward } from './forward.js';
import { groupKey, parseKey, partitionKey } from './keys.js';
import type { Checkpoint, Claim } from './store.js';

/** What stands in the tables of one partition, as far as it was read or written. */
interface Row {
  readonly key: Buffer;
  epoch: number | undefined;
  frontier: number | 'none' | undefined;
}

/**
 * Epochs and checkpoints in LMDB. To be used within a transaction.
 *
 * It remembers what a write is checked against, so that writing reads nothing: nobody else writes to these tables.
 */
export class CheckpointTable {
  readonly #path: string;
  readonly #environment: () => Environment;
  /** By group, topic and partition. */
  readonly #rows = new Map<string, Map<string, Map<number, Row>>>();

  /** @param environment The one that is open at the time. */
  constructor(path: string, environment: () => Environment) {
    this.#path = path;
    this.#environment = environment;
  }

  /** To be called whenever the tables may not be what was written last. */
  forget(): void {
    this.#rows.clear();
  }

  claim(group: string, { topic, partition }: TopicPartition): Claim {
    const row = this.#row(group, { topic, partition });
    const epoch = this.#epoch(row) + 1;
    const checkpoint = this.#read(row.key);
    void this.#environment().epochs.put(row.key, encodeEpoch(epoch));
    row.epoch = epoch;
    return { topic, partition, epoch, checkpoint };
  }

  /** Whether the checkpoint was taken: one with an old epoch is not. */
  put(group: string, checkpoint: Checkpoint, direction: 'forward' | 'anywhere'): boolean {
    const row = this.#row(group, checkpoint);
    if (this.#epoch(row) !== checkpoint.epoch) return false;
    if (direction === 'forward') assertForward(this.#frontier(row), checkpoint);
    void this.#environment().checkpoints.put(row.key, encodeCheckpoint(checkpoint));
    row.frontier = checkpoint.frontier;
    return true;
  }

  list(group: string): Checkpoint[] {
    const start = groupKey(group);
    const found: Checkpoint[] = [];
    for (const key of this.#environment().checkpoints.getKeys({ start, end: Buffer.concat([start, PAST_ALL]) })) {
      const checkpoint = this.#read(key);
      if (checkpoint !== undefined) found.push(checkpoint);
    }
    return found;
  }

  #row(group: string, at: TopicPartition): Row {
    let topics = this.#rows.get(group);
    if (topics === undefined) this.#rows.set(group, (topics = new Map<string, Map<number, Row>>()));
    let partitions = topics.get(at.topic);
    if (partitions === undefined) topics.set(at.topic, (partitions = new Map<number, Row>()));
    let row = partitions.get(at.partition);
    if (row === undefined) partitions.set(at.partition, (row = { key: partitionKey(group, at), epoch: undefined, frontier: undefined }));
    return row;
  }

  #epoch(row: Row): number {
    if (row.epoch !== undefined) return row.epoch;
    const value = this.#environment().epochs.get(row.key);
    try {
      return (row.epoch = value === undefined ? 0 : decodeEpoch(value));
    } catch (cause) {
      throw this.#damaged(row.key, cause);
    }
  }

  #frontier(row: Row): number | undefined {
    row.frontier ??= this.#read(row.key)?.frontier ?? 'none';
    return row.frontier === 'none' ? undefined : row.frontier;
  }

  #read(key: Buffer): Checkpoint | undefined {
    const value = this.#environment().checkpoints.get(key);
    if (value === undefined) return undefined;
    const { topic, partition } = parseKey(key);
    try {
      return { topic, partition, ...decodeCheckpoint(value) };
    } catch (cause) {
      throw this.#damaged(key, cause);
    }
  }

  #damaged(key: Buffer, cause: unknown): KafkaRxError {
    const { topic, partition } = parseKey(key);
    const where = `${this.#path}: the checkpoint of ${topic}/${partition}`;
    if (cause instanceof CodecError && cause.kind === 'version')
      return new StoreFormatError(`${where} was written by a newer version of kafka-rx (${cause.message}): upgrade.`, { path: this.#path });
    return new StoreCorruptError(`${where} is damaged. Restore the store from a backup, or reset this partition.`, {
      path: this.#path,
      cause,
    });
  }
}

const PAST_ALL = Buffer.alloc(300, 0xff);
