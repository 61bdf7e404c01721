import type { DeliveryError } from './errors.js';
import type { Positioned, TopicPartition } from './position.js';

/** Record headers: name and value in the order in which they were written, names may repeat. */
export type Headers = readonly (readonly [name: string, value: Buffer | null])[];

/** As the topic's `message.timestamp.type` names them: whoever produced the record set the time, or the broker when it appended the record. */
export type TimestampType = 'CreateTime' | 'LogAppendTime';

/**
 * The key under which a record whose value was decoded carries the value as it was read, so that it can be written elsewhere as it was.
 *
 * Enumerable, as {@link LANE} is: object spread keeps it.
 */
export const RAW: unique symbol = Symbol('kafka-rx.raw');

/**
 * A record as it was read from a topic.
 *
 * Its fields are plain own properties: object spread keeps all of them, its position included.
 * `key` and `value` may be views into a buffer that is shared with the records read together with it: use {@link detach} on what you keep for long.
 */
export interface KafkaRecord<V = Buffer | null, K = Buffer | null> extends TopicPartition, Positioned {
  readonly offset: number;
  /** Milliseconds since the epoch, or -1 if the record has none. */
  readonly timestamp: number;
  /** Who set the timestamp; `undefined` if the record's format has none, and without the native addon, which alone is told. */
  readonly timestampType?: TimestampType | undefined;
  /** The epoch of the partition's leader that wrote the record; `undefined` where the broker does not say, and without the native addon. */
  readonly leaderEpoch?: number | undefined;
  /** `null` and empty are different things. */
  readonly key: K;
  /** `null` is a tombstone; it is not the same as an empty value. */
  readonly value: V;
  readonly headers: Headers;
  readonly [RAW]?: Buffer;
}

/** Header values as a producer takes them: text is written as UTF-8. */
export type ProducerHeaders =
  readonly (readonly [name: string, value: Buffer | string | null])[] | Readonly<Record<string, Buffer | string | null>>;

/** A record to be written. */
export interface ProducerRecord {
  /** Where to, if not the topic that the sink names. */
  readonly topic?: string;
  /** Text is written as UTF-8. Default `null`: the partitioner spreads the record. */
  readonly key?: Buffer | string | null;
  /** Text is written as UTF-8. `null` writes a tombstone. */
  readonly value: Buffer | string | null;
  readonly headers?: ProducerHeaders;
  /** Default: by the key, with Java's murmur2 hash, so that keys meet those of Java's producers. */
  readonly partition?: number;
  /** Milliseconds since the epoch. Default: now. */
  readonly timestamp?: number;
}

/** What became of one outgoing record. */
export interface Delivery extends TopicPartition {
  /** The offset it got, or -1 where the broker does not tell (`acks: 0`). */
  readonly offset: number;
  /** Milliseconds since the epoch as they stand in the log: the record's own, or the broker's where the topic asks for that; -1 if unknown. */
  readonly timestamp: number;
  /** Why it was not acknowledged: only where the sink was told to go on all the same. The partition is -1 then if it was still to be chosen. */
  readonly error?: DeliveryError;
}

/**
 * A copy of the record whose key, value and headers share memory with nothing else.
 *
 * Records that are read together may be views into one buffer, so keeping one keeps them all in memory; keep detached ones.
 *
 * @example
 * ```ts
 * const latest = new Map<string, KafkaRecord>();
 * records$.subscribe((record) => latest.set(String(record.key), detach(record)));
 * ```
 */
export function detach<R extends KafkaRecord<unknown, unknown>>(record: R): R {
  return {
    ...record,
    key: copy(record.key),
    value: copy(record.value),
    headers: record.headers.map(([name, value]) => [name, copy(value)] as const),
    ...(record[RAW] === undefined ? {} : { [RAW]: copy(record[RAW]) }),
  };
}

function copy<T>(field: T): T {
  if (!Buffer.isBuffer(field)) return field;
  // Not Buffer.from: it would carve small copies out of a slab that they share with strangers.
  const own = Buffer.allocUnsafeSlow(field.length);
  field.copy(own);
  return own as T & Buffer;
}
