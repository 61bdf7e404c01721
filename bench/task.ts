/** What a contender can be asked to do. */
export type Work = 'consume' | 'produce' | 'transform' | 'runs';

export type Compression = 'none' | 'lz4';

/** What every contender is told, as JSON in its only argument. */
export interface Task {
  readonly work: Work;
  readonly brokers: readonly string[];
  /** What is read, or written if there is nothing to read. */
  readonly topic: string;
  /** What is written by who reads as well. */
  readonly output: string;
  readonly records: number;
  /** How long each value is. */
  readonly bytes: number;
  readonly compression: Compression;
  readonly group: string;
  /** An empty folder for whatever it wants to keep. */
  readonly folder: string;
  /** How many of the first records count as warm-up where each record carries the time at which it was sent; absent where none does. */
  readonly warmUp?: number;
  /** How many runs of finished records stand beyond the first open one before the clock starts. */
  readonly openRuns?: number;
}

/** What one run of one contender took, from the moment at which it could begin to its last record. */
export interface Measured {
  readonly records: number;
  readonly seconds: number;
  readonly cpuMicros: number;
  readonly peakRssBytes: number;
  /** Milliseconds from the call that sent a record to the line that reads it. */
  readonly latency?: { readonly p50: number; readonly p99: number };
}

/** A contender's account of itself. */
export interface Account extends Measured {
  readonly version: string;
  readonly node: string;
  /** The settings of its clients. */
  readonly settings: object;
}

/** What a contender tells the parent. */
export type Message = { readonly type: 'ready' } | { readonly type: 'account'; readonly account: Account };
