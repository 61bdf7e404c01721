import type { ObservableInput, OperatorFunction, SchedulerLike } from 'rxjs';
import { asyncScheduler } from 'rxjs';
import { OptionError } from '../errors.js';
import { checkOptions } from '../options.js';
import type { Attempt, ProcessRecordOptions, Processed } from '../processing.js';
import { PROCESS_OPTIONS, processing } from '../processing.js';
import type { Positioned } from '../position.js';
import type { KafkaRecord } from '../record.js';

export interface RetryRecordOptions<R extends Positioned> extends ProcessRecordOptions<R> {
  /** How many there are in all, the first one included. Default 5. `Infinity`: until it works; what is never going to work holds up its key for ever. */
  readonly attempts?: number;
  /**
   * How long a record waits before its next attempt. A number: after the first one; it doubles with each. A function: so long, for the number of
   * the attempt that failed, and its error. Default 1,000 ms.
   */
  readonly delayMs?: number | ((attempt: number, error: unknown) => number);
  /** No record waits longer. Default 60,000 ms; unbounded where `delayMs` is a function. */
  readonly maxDelayMs?: number;
  /** Which part of each delay is left to chance, from 0 to 1, so that what failed together does not come back together. Default 0.5: from half of the delay to all of it. */
  readonly jitter?: number;
  /** Whether trying again can help. Where it says `false`, that attempt was the last one. Default: always. */
  readonly retryIf?: (error: unknown) => boolean;
  /** Under which the attempts are remembered; at most 100 characters. Default `''`. Give each its own where a pipeline has more than one `retryRecord`. */
  readonly name?: string;
  /** Runs the clock of the delays. Default `asyncScheduler`. */
  readonly scheduler?: SchedulerLike;
}

const OPTIONS = {
  ...PROCESS_OPTIONS,
  attempts: 'positive',
  delayMs: 'any',
  maxDelayMs: 'count',
  jitter: 'count',
  retryIf: 'function',
  name: 'string',
  scheduler: 'object',
} as const;
const DEFAULT_ATTEMPTS = 5;
const DEFAULT_DELAY_MS = 1_000;
const DEFAULT_MAX_DELAY_MS = 60_000;
const DEFAULT_JITTER = 0.5;
/** More would leave the numbers. */
const MAX_DOUBLINGS = 50;
const MAX_NAME = 100;

/**
 * Works on records as `processRecord` does, and tries again what fails.
 *
 * While a record waits for its next attempt, the records behind it wait too (those of its key, or of its partition: `order`), and nobody else: it
 * takes no place of `concurrency`. It stays in flight, so no more than the source's `maxInFlight` wait.
 *
 * How often a record has failed, and when it is due, is kept in the offset store, in the same write as the offsets, and is on disk before the next
 * attempt begins. After a crash, a restart or a rebalance the record comes again with its count, and waits for the rest of its delay; an attempt
 * that the crash has interrupted is made again. A source that stops does not wait for it. `groupOffsets` can keep no attempts: there they
 * count from one again.
 *
 * ```text
 * records   --a--b--c--------|       a and b have the same key; a fails twice
 *           retryRecord(work, { delayMs: 4, jitter: 0 })
 * attempts  --1----2c-------3b       1, 2 and 3 are those of a; each takes a frame
 * result    ---------C-------A(B|)
 * ```
 *
 * When the last attempt has failed, the error ends the stream, unless there is an `onError`: `deadLetter` writes how many attempts were made.
 * An Observable's values go on as they come: what a failed attempt has given may come again.
 *
 * @param project The work, which is told which attempt it is: gives a promise, an Observable, or anything else that `from` takes.
 * @returns The results, as of `processRecord`. Errors with the error of the last attempt, and with what `retryIf` or `delayMs` throws.
 * @throws {OptionError} for a wrong or unknown option.
 *
 * @example
 * ```ts
 * orders$.pipe(
 *   retryRecord((order) => charge(order.value), {
 *     attempts: 8,
 *     delayMs: 500,
 *     retryIf: (error) => !(error instanceof RangeError),
 *     onError: deadLetter(toTopic(kafka, 'orders.dead')),
 *   }),
 *   commit(),
 * );
 * ```
 */
export function retryRecord<V, K, O>(
  project: (record: KafkaRecord<V, K>, attempt: Attempt) => ObservableInput<O>,
  options: RetryRecordOptions<NoInfer<KafkaRecord<V, K>>> = {},
): OperatorFunction<KafkaRecord<V, K>, Processed<V, K, O>> {
  checkOptions('retryRecord', options, OPTIONS);
  if (typeof project !== 'function') throw new OptionError('retryRecord: the first argument is a function of the record.');
  const { attempts = DEFAULT_ATTEMPTS, retryIf = always, name = '', scheduler = asyncScheduler } = options;
  if (attempts < 1) throw new OptionError('retryRecord: `attempts` counts the first one too: it must be 1 at least.');
  if (name.length > MAX_NAME)
    throw new OptionError(`retryRecord: \`name\` may have ${MAX_NAME} characters, for it is kept with each record that waits.`);
  return processing(project, options, { name, attempts, retryIf, scheduler, ...delays(options) });
}

function always(): boolean {
  return true;
}

function delays({ delayMs = DEFAULT_DELAY_MS, jitter = DEFAULT_JITTER, maxDelayMs }: RetryRecordOptions<never>): {
  readonly maxDelayMs: number;
  readonly delayAfter: (attempt: number, error: unknown) => number;
} {
  if (jitter > 1) throw new OptionError('retryRecord: `jitter` is a part of the delay: a number from 0 to 1.');
  if (typeof delayMs !== 'function' && !isTime(delayMs))
    throw new OptionError('retryRecord: `delayMs` must be a number from 0 up, or a function.');
  const most = maxDelayMs ?? (typeof delayMs === 'function' ? Infinity : DEFAULT_MAX_DELAY_MS);
  const delayAfter = typeof delayMs === 'function' ? delayMs : (attempt: number) => delayMs * 2 ** Math.min(attempt - 1, MAX_DOUBLINGS);
  return {
    maxDelayMs: most,
    delayAfter: (attempt, error) => {
      const delay = delayAfter(attempt, error);
      if (!isTime(delay)) throw new OptionError('retryRecord: what `delayMs` gives must be a number from 0 up.');
      return Math.min(delay, most) * (1 - jitter * Math.random());
    },
  };
}

function isTime(ms: unknown): ms is number {
  return typeof ms === 'number' && ms >= 0;
}
