import { createHash } from 'node:crypto';
import { readFileSync } from 'node:fs';
import { createRequire } from 'node:module';
import { dirname, join } from 'node:path';
import { rdkafka } from './rdkafka.js';

/** What one native read has brought: see `native/reader.cc` for how rows lie in `columns` and `bytes`. */
export type RowsRead = (rows: number | Error, texts: readonly string[], columns: ArrayBuffer, bytes: ArrayBuffer) => void;

/** What `native/` is built to. */
export interface Addon {
  /** Of the file that it was built from. */
  readonly sourceHash: string;
  /** Of the node-rdkafka that it was compiled for. */
  readonly nodeRdkafkaVersion: string;
  /** Of the librdkafka that it is linked to. */
  readonly librdkafkaVersion: string;
  /** Whether this is an object like those of node-rdkafka's consumers. */
  accepts(client: unknown): boolean;
  read(client: object, maxRecords: number, maxBytes: number, waitMs: number, done: RowsRead): void;
}

/** The addon, or why there is none. */
export type AddonOrReason = { readonly addon: Addon } | { readonly reason: string };

const require = createRequire(import.meta.url);

let loaded: AddonOrReason | undefined;

/**
 * The native reader, if it was built and fits the node-rdkafka that is installed; looked for once per process.
 *
 * It reaches into node-rdkafka's objects, whose layout is that of one version: with any other it must not be used.
 */
export function addon(): AddonOrReason {
  loaded ??= load();
  return loaded;
}

/** Whether node-rdkafka made this object. */
export function isConsumer(client: unknown): boolean {
  const { KafkaConsumer } = require('node-rdkafka/librdkafka') as { KafkaConsumer: new () => object };
  return client instanceof KafkaConsumer;
}

/** As `native/install.js` has it compiled in. */
function hashOf(path: string): string {
  const hash = createHash('sha256').update(readFileSync(path));
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
    if (found.sourceHash !== hashOf(join(home, 'native/reader.cc')))
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
