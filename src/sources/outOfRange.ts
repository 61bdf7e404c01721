import { OffsetOutOfRangeError } from '../errors.js';
import type { Position } from '../position.js';
import type { Watermarks } from './fetcher.js';

/** A log holds something else at an offset than it did when that was remembered. */
export function strangeLog({ topic, partition, offset }: Position, { low, high }: Watermarks): OffsetOutOfRangeError {
  return new OffsetOutOfRangeError(
    `${topic}/${partition} holds another record at ${offset} than it did when that was finished: the topic was created anew, or this is another cluster. ` +
      "Decide with `onOutOfRange`: 'earliest' or 'latest'.",
    { position: { topic, partition, offset }, low, high },
  );
}

/** A position is no longer, or not yet, in the log. `beyond` is the end of what is finished beyond it. */
export function outOfRange({ topic, partition, offset }: Position, { low, high }: Watermarks, beyond = offset): OffsetOutOfRangeError {
  const where = `${topic}/${partition}`;
  const what =
    offset < low
      ? `the records from ${offset} to ${low - 1} of ${where} were deleted before they were read`
      : `${where} ends at ${high}, before the remembered position (${beyond}): the topic was re-created or truncated, or this is another cluster`;
  return new OffsetOutOfRangeError(`${what}. Decide with \`onOutOfRange\`: 'earliest' or 'latest'.`, {
    position: { topic, partition, offset },
    low,
    high,
  });
}
