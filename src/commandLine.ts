import type { ParseArgsConfig } from 'node:util';
import { parseArgs } from 'node:util';
import { Kafka, OptionError } from './index.js';

/** A program was called in a way that makes no sense. */
export class UsageError extends Error {
  constructor(message: string) {
    super(message);
    this.name = 'UsageError';
  }
}

/** @throws {UsageError} for words that are none of the options, or have a value too many or too few. */
export function parsed<const C extends ParseArgsConfig>(argv: readonly string[], config: C): ReturnType<typeof parseArgs<C>> {
  try {
    return parseArgs({ ...config, args: [...argv] }) as ReturnType<typeof parseArgs<C>>;
  } catch (error) {
    throw new UsageError((error as Error).message);
  }
}

/** What `--brokers` names. @throws {UsageError} for what is no address. */
export function addresses(text: string): readonly string[] {
  const brokers = text.split(',').map((broker) => broker.trim());
  try {
    // Making one opens nothing, and it knows best what an address is.
    return new Kafka({ brokers }).brokers;
  } catch (error) {
    throw error instanceof OptionError ? new UsageError('--brokers takes host:port, or several of them with commas between.') : error;
  }
}
