import { randomUUID } from 'node:crypto';
import { lastValueFrom, range, toArray } from 'rxjs';
import { createTopic } from '../../broker/index.js';
import type { Position } from '../../src/index.js';
import { Kafka, toTopic } from '../../src/index.js';

export interface NumberedTopic {
  readonly topic: string;
  /** Where the record with each number was written, as the broker acknowledged it. */
  readonly positions: readonly Position[];
}

export interface NumberedOptions {
  readonly records: number;
  /** Default 4. */
  readonly partitions?: number;
  /** Bytes of each value. Default 4: the number itself. */
  readonly bytes?: number;
}

/** A new topic with records whose values begin with 0, 1, 2, …, spread over its partitions in turn. */
export async function numberedTopic(
  brokers: readonly string[],
  { records, partitions = 4, bytes = 4 }: NumberedOptions,
): Promise<NumberedTopic> {
  const topic = `numbered-${randomUUID()}`;
  await createTopic(brokers, topic, { partitions });
  return { topic, positions: await writeNumbers(brokers, topic, { from: 0, records, partitions, bytes }) };
}

export interface NumbersOptions extends Required<NumberedOptions> {
  /** The first number. */
  readonly from: number;
}

/** Writes more of them. */
export async function writeNumbers(
  brokers: readonly string[],
  topic: string,
  { from, records, partitions, bytes }: NumbersOptions,
): Promise<readonly Position[]> {
  await using kafka = new Kafka({ brokers });
  return await lastValueFrom(
    range(from, records).pipe(
      toTopic(
        kafka,
        topic,
        (number) => {
          const value = Buffer.alloc(bytes);
          value.writeUInt32BE(number);
          return { value, partition: number % partitions };
        },
        { result: (_number, [delivery]) => delivery as Position, properties: { 'queue.buffering.max.messages': 500_000 } },
      ),
      toArray(),
    ),
    { defaultValue: [] },
  );
}

/** The number of a record of a numbered topic. */
export function numberOf({ value }: { readonly value: Buffer | null }): number {
  return (value as Buffer).readUInt32BE();
}

/** A name that no other test has. */
export function unique(name: string): string {
  return `${name}-${randomUUID()}`;
}
