import type { DeliveryErrorOptions } from '../errors.js';
import {
  DeliveryError,
  DeliveryTimeoutError,
  NotAuthorizedError,
  ProducerFencedError,
  RecordTooLargeError,
  UnknownDestinationError,
} from '../errors.js';
import type { Properties } from '../kafka.js';
import type { Outgoing } from './outgoing.js';
import type { Limits } from './transport.js';

export const QUEUE_FULL = -184;
export const TOO_LARGE = 10;
export const TIMED_OUT = -192;
const CLIENT_FAILED = -150;

const codes = (...some: number[]): ReadonlySet<number> => new Set(some);
/** Unknown topic, unknown partition; and the broker's word for either. */
const UNKNOWN_DESTINATION = codes(-188, -190, 3);
const NOT_AUTHORIZED = codes(29, 31);
/** Fenced; the epoch is an older one; fenced by the coordinator; the broker does not know the producer any more, or has other numbers. */
const FENCED = codes(-144, 47, 90, 59, 45);
/** What else says that the record is not in the log. After anything that is in none of these sets it may be. */
const NOT_WRITTEN = codes(
  ...[QUEUE_FULL, TOO_LARGE, 47, 90],
  ...[-186, -152], // invalid argument, purged in queue
  ...[2, 4, 17, 18], // invalid message, invalid size, invalid topic, batch too large
  ...[32, 43, 44, 76, 87], // invalid timestamp, unsupported format, policy violation, unsupported compression, invalid record
);

/** What a client with these settings takes. */
export function limitsOf(settings: Properties): Limits {
  return {
    recordBytes: Number(settings['message.max.bytes'] ?? 1_000_000),
    queueBytes: Number(settings['queue.buffering.max.kbytes'] ?? 1_048_576) * 1_024,
  };
}

/** How much of a record counts, beside some bytes for each field. */
export function sizeOf({ key, value, headers }: Outgoing): number {
  let bytes = (key?.length ?? 0) + (value?.length ?? 0);
  for (const [name, content] of headers) bytes += Buffer.byteLength(name) + (content?.length ?? 0);
  return bytes;
}

/** Whether there is room for the record in an empty queue. The client counts values only. */
export function fits({ value }: Outgoing, { queueBytes }: Limits): boolean {
  return (value?.length ?? 0) <= queueBytes;
}

/** A record that the client's queue did not take. */
export function refused(record: Outgoing, code: number, limits: Limits): DeliveryError {
  const options = {
    topic: record.topic,
    partition: record.partition ?? undefined,
    kafkaCode: code,
    outcome: 'failed',
    retriable: false,
  } as const;
  const what = `a record to ${where(record.topic, record.partition)} was not sent`;
  if (code === TOO_LARGE || code === QUEUE_FULL) {
    const sizeBytes = sizeOf(record);
    const [limitBytes, setting] =
      code === TOO_LARGE ? [limits.recordBytes, 'message.max.bytes'] : [limits.queueBytes, 'queue.buffering.max.kbytes'];
    return new RecordTooLargeError(
      `${what}: its ${sizeBytes} bytes, and some for the format, are larger than the ${limitBytes} that \`${setting}\` allows.`,
      { ...options, sizeBytes, limitBytes },
    );
  }
  if (UNKNOWN_DESTINATION.has(code)) return new UnknownDestinationError(`${what}: the topic or the partition does not exist.`, options);
  const why = code === CLIENT_FAILED ? 'the client has failed for good' : `the client refused it (code ${code})`;
  return new DeliveryError(`${what}: ${why}.`, options);
}

/** A record that was sent, and that the client says was not acknowledged. */
export function notAcknowledged(record: Outgoing, code: number, text: string, reportedPartition: number, cause?: unknown): DeliveryError {
  const { topic } = record;
  const partition = reportedPartition >= 0 ? reportedPartition : (record.partition ?? undefined);
  const what = `a record to ${where(topic, partition)} was not acknowledged: ${text}`;
  const failed: DeliveryErrorOptions = { topic, partition, kafkaCode: code, outcome: 'failed', retriable: false, cause };
  if (code === TOO_LARGE) {
    const sizeBytes = sizeOf(record);
    return new RecordTooLargeError(
      `${what}; it has ${sizeBytes} bytes, and the topic's \`max.message.bytes\` allows fewer for the batch in which it was: where that is less than ` +
        "usual, set this client's `message.max.bytes` to the same.",
      { ...failed, sizeBytes, limitBytes: undefined },
    );
  }
  if (UNKNOWN_DESTINATION.has(code))
    return new UnknownDestinationError(`${what}; the topic or the partition does not exist, or was deleted.`, failed);
  if (NOT_AUTHORIZED.has(code)) return new NotAuthorizedError(`${what}; ask for the right to write to it.`, failed);
  if (code === TIMED_OUT && partition === undefined)
    return new DeliveryTimeoutError(`${what}; the partitions of the topic could not be found out, so check that it exists.`, {
      ...failed,
      retriable: true,
    });
  if (NOT_WRITTEN.has(code) && !FENCED.has(code)) return new DeliveryError(`${what}.`, failed);
  const outcome = NOT_WRITTEN.has(code) ? 'failed' : 'unknown';
  const known = { ...failed, outcome, retriable: true } as const;
  const message = outcome === 'failed' ? `${what}.` : `${what}; it may have been written all the same.`;
  if (FENCED.has(code)) return new ProducerFencedError(message, { ...known, retriable: false });
  if (code === TIMED_OUT) return new DeliveryTimeoutError(message, known);
  return new DeliveryError(message, known);
}

function where(topic: string, partition: number | null | undefined): string {
  return partition === null || partition === undefined ? topic : `${topic}/${partition}`;
}
