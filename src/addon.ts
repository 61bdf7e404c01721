import { createHash } from 'node:crypto';
import { readFileSync, readdirSync } from 'node:fs';
import { createRequire } from 'node:module';
import { dirname, join } from 'node:path';
import { rdkafka } from './rdkafka.js';

/** What one native read has brought: see `native/reader.cc` for how rows lie in `columns` and `bytes`. */
export type RowsRead = (rows: number | Error, texts: readonly string[], columns: ArrayBuffer, bytes: ArrayBuffer) => void;

/** Hands windows of records to one producer, and has the reports of what became of them: see `native/producer.cc` for the layouts. */
export interface Outbox {
  /** When the client is connected: reports come from now on. */
  start(): void;
  /**
   * Gives the first row that there was no room for: at once, or to `done`, which has a worker do it. Until then the arrays must not change.
   */
  send(
    topics: readonly string[],
    bytes: Uint8Array,
    columns: Int32Array,
    headers: Int32Array,
    timestamps: Float64Array,
    first: number,
    count: number,
    done?: (next: number) => void,
  ): number;
  /** Puts reports there, and says how many. */
  take(integers: Int32Array, doubles: Float64Array): number;
  /** Before the client is closed: no more reports. */
  stop(): void;
  /** When the client is gone. */
  close(): void;
}

/** What `native/` is built to. */
export interface Addon {
  /** Of the files that it was built from. */
  readonly sourceHash: string;
  /** Of the node-rdkafka that it was compiled for. */
  readonly nodeRdkafkaVersion: string;
  /** Of the librdkafka that it is linked to. */
  readonly librdkafkaVersion: string;
  /** Whether this is an object like those of node-rdkafka's consumers. */
  accepts(client: unknown): boolean;
  /** Whether this is an object like those of node-rdkafka's producers. */
  acceptsProducer(client: unknown): boolean;
  read(client: object, maxRecords: number, maxBytes: number, waitMs: number, done: RowsRead): void;
  /** Has a read that waits come back at once. */
  wake(client: object): void;
  /** For a client that is not connected yet. `onReports` is called when there is something to take again. */
  readonly Outbox: new (client: object, onReports: () => void) => Outbox;
}

/** The addon, or why there is none. */
export type AddonOrReason = { readonly addon: Addon } | { readonly reason: string };

const require = createRequire(import.meta.url);

let loaded: AddonOrReason | undefined;

/**
 * The addon, if it was built and fits the node-rdkafka that is installed; looked for once per process.
 *
 * It reaches into node-rdkafka's objects, whose layout is that of one version: with any other it must not be used.
 */
export function addon(): AddonOrReason {
  loaded ??= load();
  return loaded;
}

/** Whether node-rdkafka made this object. */
export function isOf(kind: 'KafkaConsumer' | 'Producer', client: unknown): boolean {
  const binding = require('node-rdkafka/librdkafka') as Record<typeof kind, new () => object>;
  return client instanceof binding[kind];
}

/** As `native/install.js` has it compiled in. */
function hashOf(folder: string): string {
  const hash = createHash('sha256');
  for (const file of readdirSync(folder).sort()) if (/\.(cc|h)$/.test(file)) hash.update(readFileSync(join(folder, file)));
  return `sha256-${hash.digest('hex')}`;
}

function load(): AddonOrReason {
  try {
    // First: the addon then finds node-rdkafka's librdkafka, wherever the folder has moved since it was linked.
    const { librdkafkaVersion } = rdkafka();
    const { version } = require('node-rdkafka/package.json') as { version: string };
    // By its own name, for it runs from more than one folder.
    const home = dirname(require.resolve('kafka-rx/package.json'));
    const found = require(join(home, 'native/build/Release/kafka_rx.node')) as Addon;
    if (found.sourceHash !== hashOf(join(home, 'native')))
      return { reason: 'it was built from other sources than those that are installed' };
    if (found.nodeRdkafkaVersion !== version)
      return { reason: `it was built for node-rdkafka ${found.nodeRdkafkaVersion}, and ${version} is installed` };
    if (found.librdkafkaVersion !== librdkafkaVersion)
      return { reason: `it found librdkafka ${found.librdkafkaVersion}, and node-rdkafka uses ${librdkafkaVersion}` };
    return { addon: found };
  } catch (error) {
    return { reason: (error as Error).message.split('\n', 1)[0] ?? '' };
  }
}
