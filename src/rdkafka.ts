import { createRequire } from 'node:module';
import type * as NodeRdKafka from 'node-rdkafka';
import { ClientUnavailableError } from './errors.js';

type RdKafka = typeof NodeRdKafka;

const require = createRequire(import.meta.url);

let loaded: RdKafka | undefined;

/**
 * The native client, loaded by the first call: importing kafka-rx itself loads no native code.
 *
 * @throws ClientUnavailableError when it is not built for this Node, with the reason as `cause`. The next call tries again.
 */
export function rdkafka(): RdKafka {
  try {
    loaded ??= require('node-rdkafka') as RdKafka;
    return loaded;
  } catch (cause) {
    throw new ClientUnavailableError(
      'The native client node-rdkafka could not be loaded, most likely because it was not built for this version of Node. ' +
        'Building it takes a C++ compiler, make and Python 3. npm or pnpm may have blocked its install script: allow it ' +
        '(npm: "allowScripts", pnpm: "onlyBuiltDependencies"), then run `npm rebuild node-rdkafka`. ' +
        'It loads in one thread of a process only: use processes, not worker threads (vitest: pool "forks"). ' +
        `The reason was: ${firstLine(cause)}`,
      { cause },
    );
  }
}

/** What node-rdkafka's errors look like; not all of them are instances of Error. */
export interface RdkafkaError {
  /** Always -1 in events and delivery reports. */
  readonly code: number;
  readonly message: string;
  /** `'local'` or `'broker'`, and not to be relied on. */
  readonly origin?: string;
}

let codes: ReadonlyMap<string, number> | undefined;

/** librdkafka's code of an error. Events, delivery reports and answers for single partitions have lost it, but not its text. */
export function codeOf({ code, message, origin }: Omit<RdkafkaError, 'code'> & { readonly code?: number }): number {
  codes ??= new Map(Object.values(rdkafka().CODES.ERRORS).map((known) => [textOf(known).toLowerCase(), known]));
  const text = origin === undefined ? message : `${origin}: ${message}`;
  return codes.get(text.toLowerCase()) ?? code ?? -1;
}

/** What librdkafka calls an error with this code. */
export function textOf(code: number): string {
  const { err2str } = require('node-rdkafka/librdkafka') as { err2str: (code: number) => string };
  return err2str(code);
}

function firstLine(cause: unknown): string {
  return String(cause instanceof Error ? cause.message : cause).split('\n', 1)[0] ?? '';
}
