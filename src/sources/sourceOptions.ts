import type { OptionKind } from '../options.js';
import { timerMs } from '../options.js';
import { OptionError } from '../errors.js';
import type { Properties } from '../kafka.js';
import type { Gap } from '../position.js';
import type { SourceStats } from './sourceStats.js';

/** Where a partition without a remembered position starts. */
export type From = 'earliest' | 'latest' | 'fail' | { readonly timestamp: number };

/** What every source with a memory understands. */
export interface SourceOptions {
  /**
   * How many records may be open: emitted, and not yet finished. Default 4,096. As many again may be finished and on their way to the disk: a
   * crash repeats at most twice this many. Smaller than what an operator collects (`bufferCount(n)`), and the stream stands still.
   */
  readonly maxInFlight?: number;
  /** The same bounds in bytes of keys, values and headers. Default 64 MiB. A single larger record goes out alone. */
  readonly maxInFlightBytes?: number;
  /** How much the client fetches ahead. Default 16 MiB. It is memory outside the JavaScript heap; too small, and the network sets the pace. */
  readonly fetchBufferBytes?: number;
  /**
   * Where a partition without a remembered position starts. Default `'earliest'`: nothing is skipped.
   * `'latest'` also goes for partitions that are added later, and skips what was written to them before they were noticed; `{ timestamp }` does not.
   */
  readonly from?: From;
  /** What to do when the remembered position is no longer, or not yet, in the log. Default `'fail'`: an `OffsetOutOfRangeError`, nothing is skipped silently. */
  readonly onOutOfRange?: 'fail' | 'earliest' | 'latest';
  /**
   * Called with the exact bounds of records that were gone before they were read, where `onOutOfRange` says to go on. Default: none, there is a
   * `gap` event.
   */
  readonly onGap?: (gap: Gap) => void;
  /** Whether records of open and aborted transactions are left out. Default `true`. */
  readonly readCommitted?: boolean;
  /**
   * How long a revoked partition may take to finish what is in flight. Default 5,000 ms.
   * Longer holds up the whole group's rebalance; what is not finished by then comes again.
   */
  readonly drainTimeoutMs?: number;
  /**
   * How long the source may be out of credit while nothing is finished, before it errors with a `StalledError` that says which records are open
   * and what to do. Default 300,000 ms. Shorter than a single record's work may take, it ends a stream that is only slow; `Infinity` waits for ever.
   */
  readonly stallAfterMs?: number;
  /**
   * Called with the statistics of each subscription every `statsEveryMs`, and once more when it ends. Default: none, and nothing is sampled while
   * nobody listens to `stats$` either. What it throws is an `error` event, and changes nothing for the records.
   */
  readonly onStats?: (stats: SourceStats) => void;
  /** How often statistics are sampled while somebody listens. Default 1,000 ms. */
  readonly statsEveryMs?: number;
  /** Ends the source gracefully when it aborts: what is in flight flows out and is committed, then the stream completes. Default: none. */
  readonly signal?: AbortSignal;
  /** More settings for this source's client, under librdkafka's names. Default: none. Those that would break a promise are refused. */
  readonly properties?: Properties;
  /** More topic settings, under librdkafka's names. Default: none. */
  readonly topicProperties?: Properties;
}

/** The same with its defaults. */
export type ResolvedSourceOptions = Required<Omit<SourceOptions, 'signal' | 'onStats'>> & Pick<SourceOptions, 'signal' | 'onStats'>;

const MIB = 1024 * 1024;

export const SOURCE_OPTIONS: Readonly<Record<keyof SourceOptions, OptionKind>> = {
  maxInFlight: 'positive',
  maxInFlightBytes: 'positive',
  fetchBufferBytes: 'positive',
  from: 'any',
  onOutOfRange: ['fail', 'earliest', 'latest'],
  onGap: 'function',
  readCommitted: 'boolean',
  drainTimeoutMs: 'count',
  stallAfterMs: 'positive',
  onStats: 'function',
  statsEveryMs: 'positive',
  signal: 'signal',
  properties: 'object',
  topicProperties: 'object',
};

/** Settings that a source needs to be as they are. */
const RESERVED = [
  'group.id',
  'enable.auto.commit',
  'enable.auto.offset.store',
  'auto.commit.enable',
  'auto.offset.reset',
  'rebalance_cb',
  'offset_commit_cb',
  'metadata.broker.list',
  'bootstrap.servers',
];

/** Fills in the defaults, and throws an `OptionError` for what cannot be. */
export function resolveSourceOptions(where: string, options: SourceOptions): ResolvedSourceOptions {
  const { maxInFlight = 4_096, from = 'earliest', signal, onStats } = options;
  if (!Number.isInteger(maxInFlight)) throw new OptionError(`${where}: \`maxInFlight\` must be a whole number from 1 up.`);
  checkFrom(where, from);
  for (const settings of [options.properties, options.topicProperties]) {
    for (const name of Object.keys(settings ?? {})) {
      if (RESERVED.includes(name))
        throw new OptionError(`${where}: \`${name}\` is set by the source itself and cannot be among its properties.`);
    }
  }
  return {
    maxInFlight,
    maxInFlightBytes: options.maxInFlightBytes ?? 64 * MIB,
    fetchBufferBytes: options.fetchBufferBytes ?? 16 * MIB,
    from,
    onOutOfRange: options.onOutOfRange ?? 'fail',
    onGap: options.onGap ?? ((): void => undefined),
    readCommitted: options.readCommitted ?? true,
    drainTimeoutMs: timerMs(options.drainTimeoutMs ?? 5_000),
    stallAfterMs: timerMs(options.stallAfterMs ?? 300_000),
    statsEveryMs: timerMs(options.statsEveryMs ?? 1_000),
    properties: { ...options.properties },
    topicProperties: { ...options.topicProperties },
    ...(signal === undefined ? {} : { signal }),
    ...(onStats === undefined ? {} : { onStats }),
  };
}

function checkFrom(where: string, from: From): void {
  if (from === 'earliest' || from === 'latest' || from === 'fail') return;
  if (typeof from === 'object' && Number.isFinite(from.timestamp) && from.timestamp >= 0) return;
  throw new OptionError(`${where}: \`from\` must be 'earliest', 'latest', 'fail' or { timestamp } in milliseconds since the epoch.`);
}
