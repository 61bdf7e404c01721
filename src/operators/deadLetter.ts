import { isUtf8 } from 'node:buffer';
import type { MonoTypeOperatorFunction } from 'rxjs';
import { map } from 'rxjs';
import { OptionError } from '../errors.js';
import type { Failure, OnFailure } from '../failures.js';
import type { Headers, KafkaRecord } from '../record.js';
import { RAW } from '../record.js';

/** A failed record as it goes to a sink: with the value that was read, and headers that say where it came from and why. */
export type DeadLetter = KafkaRecord<Buffer | string | null, Buffer | string | null>;

/** Every header that is added begins so. */
const PREFIX = 'dead-letter.';
const ORIGIN = ['topic', 'partition', 'offset', 'timestamp'] as const;
/** Enough to tell one error from another. */
const MAX_TEXT = 1_000;

/**
 * What becomes of records that failed: they go to a sink, and are finished when that has passed them on, which is when they are acknowledged.
 *
 * A letter has the key, the headers and the value as they were read, also below `decode`. These headers are added:
 *
 * | header                                                              | what it says                                               |
 * | ------------------------------------------------------------------- | ---------------------------------------------------------- |
 * | `dead-letter.topic`, `.partition`, `.offset`, `.timestamp`          | where the record came from                                 |
 * | `dead-letter.attempt`                                               | how many attempts were made, with those of letters that were read again |
 * | `dead-letter.error.name`, `.code`, `.message`, `.cause`             | why it failed, as far as the error says; at most 1,000 characters each |
 * | `dead-letter.base64.NAME`, `dead-letter.null.NAME`                  | a header `NAME` that is no text, or null: the client could not send it |
 *
 * A letter that fails again keeps its first origin. An error's message may quote what was in the record: so does the letter, but nothing else.
 *
 * ```text
 * records   --a--b----|     both fail
 *           processRecord(work, { onError: deadLetter(sink) }), commit()     an acknowledgement takes three frames
 * result    ----------|
 * on disk   -----1--2       the first offset that is not finished
 * ```
 *
 * The sink is subscribed to, and connects, when the first record fails. An error of the sink ends the stream; the record comes again.
 *
 * @param sink An operator that passes each letter on once it is safe, such as `toTopic(kafka, 'orders.dead')`.
 * @returns What `decode`, `processRecord` and `retryRecord` take as `onError`.
 * @throws {OptionError} without a sink.
 *
 * @example
 * ```ts
 * orders$.pipe(
 *   processRecord((order) => charge(order.value), { onError: deadLetter(toTopic(kafka, 'orders.dead')) }),
 *   commit(),
 * );
 * ```
 */
export function deadLetter(sink: MonoTypeOperatorFunction<DeadLetter>): OnFailure<KafkaRecord<unknown, unknown>> {
  if (typeof sink !== 'function') {
    throw new OptionError("deadLetter: the argument is an operator that writes and passes on, such as toTopic(kafka, 'orders.dead').");
  }
  return (failures) => failures.pipe(map(letter), sink);
}

function letter({ record, error, attempts }: Failure<KafkaRecord<unknown, unknown>>): DeadLetter {
  const value = (record[RAW] ?? record.value) as DeadLetter['value'];
  return { ...record, key: record.key as DeadLetter['key'], value, headers: headersOf(record, error, attempts) };
}

function headersOf(record: KafkaRecord<unknown, unknown>, error: unknown, attempts: number): Headers {
  const { headers } = record;
  const before = new Map(headers.filter(([name]) => name.startsWith(PREFIX)).map(([name, value]) => [name.slice(PREFIX.length), value]));
  const added: [name: string, value: string | Buffer][] = ORIGIN.map((name) => [name, before.get(name) ?? String(record[name])]);
  const attemptsBefore = Number(before.get('attempt') ?? 0);
  added.push(['attempt', String(Number.isSafeInteger(attemptsBefore) ? attemptsBefore + attempts : attempts)]);
  for (const [name, value] of Object.entries(described(error))) if (value !== undefined) added.push([`error.${name}`, text(value)]);
  const own = headers.filter(([name]) => !name.startsWith(PREFIX) || isSubstitute(name)).map(sendable);
  return [...own, ...added.map(([name, value]) => [PREFIX + name, Buffer.from(value as string)] as const)];
}

function described(error: unknown): Readonly<Record<'name' | 'code' | 'message' | 'cause', string | undefined>> {
  if (!(error instanceof Error)) return { name: typeof error, code: undefined, message: String(error), cause: undefined };
  const { name, message, cause, code } = error as Error & { code?: unknown };
  return {
    name,
    code: typeof code === 'string' || typeof code === 'number' ? String(code) : undefined,
    message,
    cause: cause instanceof Error ? cause.message : undefined,
  };
}

/** The client sends headers as C strings in UTF-8. */
function text(any: string): string {
  return (any.slice(0, MAX_TEXT) as string & { toWellFormed(): string }).toWellFormed().replaceAll('\0', '');
}

const BASE64 = `${PREFIX}base64.`;
const NULL = `${PREFIX}null.`;

/** Whether it stands for a header that could not be sent when the letter was written. */
function isSubstitute(name: string): boolean {
  return name.startsWith(BASE64) || name.startsWith(NULL);
}

function sendable([name, value]: Headers[number]): Headers[number] {
  if (value === null) return [NULL + name, Buffer.alloc(0)];
  if (isUtf8(value) && !value.includes(0)) return [name, value];
  return [BASE64 + name, Buffer.from(value.toString('base64'))];
}
