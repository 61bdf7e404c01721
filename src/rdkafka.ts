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

/** librdkafka's code of an error. Events and delivery reports have lost it, but not its text. */
export function codeOf(error: RdkafkaError): number {
  const OfCode = error.constructor as new (code: number) => RdkafkaError;
  codes ??= new Map(Object.values(rdkafka().CODES.ERRORS).map((code) => [new OfCode(code).message.toLowerCase(), code]));
  return codes.get(`${error.origin ?? ''}: ${error.message}`) ?? error.code;
}

function firstLine(cause: unknown): string {
  return String(cause instanceof Error ? cause.message : cause).split('\n', 1)[0] ?? '';
}
