import type { Position, StaleState, TopicPartition } from './position.js';

/** What happens beside the records. A `group` is the consumer group of a source, or its `name` if it has none. */
export type KafkaEvent =
  /** A line of librdkafka's log. */
  | { readonly type: 'log'; readonly level: 'debug' | 'info' | 'warn' | 'error'; readonly client: string; readonly message: string }
  /** Something went wrong that the client tries to mend by itself; what it cannot mend errors the stream. */
  | { readonly type: 'error'; readonly client: string; readonly error: Error }
  /** A source gave up: its stream has errored with this, and nothing goes on unless somebody subscribes again, as `retry` does. */
  | { readonly type: 'failed'; /** As in its statistics. */ readonly name: string; readonly error: Error }
  /** Partitions were given to this source, which starts them at these offsets. */
  | { readonly type: 'assigned'; readonly group: string; readonly partitions: readonly Position[] }
  /** A `seek()`: these partitions go on at these offsets. */
  | { readonly type: 'seek'; readonly group: string; readonly partitions: readonly Position[] }
  /** Partitions were taken away, after what was in flight was finished (or `drainTimeoutMs` was over: then `unfinished` records come again). */
  | { readonly type: 'revoked'; readonly group: string; readonly partitions: readonly TopicPartition[]; readonly unfinished: number }
  /** Partitions were taken away without a word before: what was in flight comes again, here or elsewhere. */
  | { readonly type: 'lost'; readonly group: string; readonly partitions: readonly TopicPartition[]; readonly unfinished: number }
  /**
   * So many records were finished after their partitions were given up. That changes nothing: they come again, here or elsewhere. Once a second at
   * most. Often there are some after `drainTimeoutMs` was too short for the work, or where the event loop stood still.
   */
  | { readonly type: 'late'; readonly group: string; readonly partitions: readonly TopicPartition[]; readonly completions: number }
  /** The records `[from, to)` of a partition were gone before they were read. */
  | {
      readonly type: 'gap';
      /** `undefined` of a `readTopic`. */
      readonly group: string | undefined;
      readonly topic: string;
      readonly partition: number;
      readonly from: number;
      readonly to: number;
    }
  /** Others worked on these partitions since this store had them: the source goes on at the group's frontier, and the state here is out of date. */
  | { readonly type: 'stale'; readonly group: string; readonly partitions: readonly StaleState[] }
  /** librdkafka's statistics, parsed; on if `properties` set `statistics.interval.ms`. */
  | { readonly type: 'stats'; readonly client: string; readonly stats: unknown }
  /** A broker slows a client down by quota. */
  | { readonly type: 'throttle'; readonly client: string; readonly broker: string; readonly throttleMs: number }
  /** Worth knowing once. */
  | { readonly type: 'notice'; readonly message: string };
