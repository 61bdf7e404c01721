import { OptionError } from '../errors.js';

/** @throws {OptionError} unless they are numbers of partitions, and at least one. `what` they are begins the message. */
export function checkPartitionNumbers(what: string, partitions: unknown): void {
  if (!Array.isArray(partitions)) throw new OptionError(`${what} must be an array.`);
  if (partitions.length === 0) throw new OptionError(`${what} is empty: name at least one, or leave it out to read all.`);
  if (new Set(partitions).size < partitions.length || !partitions.every((partition) => Number.isInteger(partition) && partition >= 0))
    throw new OptionError(`${what} must be whole numbers from 0 up, each of them once.`);
}

/** A partition was named that the topic does not have. */
export function noSuchPartition(where: string, topic: string, found: readonly number[], strange: number): OptionError {
  return new OptionError(`${where}: ${topic} has ${found.length} partitions, and none is ${strange}.`);
}
