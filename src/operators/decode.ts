import type { OperatorFunction, Subscriber } from 'rxjs';
import { Observable } from 'rxjs';
import type { Codec } from '../codecs.js';
import { DecodeError, OptionError } from '../errors.js';
import type { OnFailure } from '../failures.js';
import { Failures } from '../failures.js';
import { listen } from '../listen.js';
import { checkOptions } from '../options.js';
import type { Lane } from '../position.js';
import { LANE } from '../position.js';
import { isPromiseLike } from '../promiseLike.js';
import type { KafkaRecord } from '../record.js';
import { RAW } from '../record.js';

export interface DecodeOptions {
  /**
   * What becomes of a record whose value cannot be decoded. `'fail'` (default): a `DecodeError` ends the stream, and the record comes again.
   * `'skip'`: it is finished, and gone. `'emit'`: it goes on with a {@link Poison} as its value. Or an operator that takes failed records,
   * such as `deadLetter(…)`: the record is finished when that has passed it on, and holds up no other.
   */
  readonly onError?: 'fail' | 'skip' | 'emit' | OnFailure<KafkaRecord<Buffer, unknown>>;
  /**
   * How many promises of a codec may be open at once for one partition. Default 16: more wait their turn, and count as in flight. Larger
   * hides more of the latency of a schema registry, smaller is kinder to it.
   */
  readonly concurrency?: number;
}

const OPTIONS = { onError: 'any', concurrency: 'positive' } as const;
const DEFAULT_CONCURRENCY = 16;

/** A value that could not be decoded. */
export class Poison {
  readonly error: DecodeError;
  /** Not a field, so that it is in no log by accident. */
  readonly #bytes: Buffer;

  constructor(error: DecodeError, bytes: Buffer) {
    this.error = error;
    this.#bytes = bytes;
  }

  /** The value as it was read. */
  get bytes(): Buffer {
    return this.#bytes;
  }
}

/**
 * Decodes the value of each record and keeps everything else, its position included. A tombstone stays `null`.
 *
 * A codec may answer with a promise: the records of a partition go on in their order all the same, and no partition waits for another.
 * The value as it was read stays with the record, out of sight, so that `deadLetter` can write it as it was.
 *
 * ```text
 * records   --a--x-----c--|
 *           decode(codec, { onError: 'skip' })     x is poison
 * result    --A--------C--|
 * on disk   -----x---------
 * ```
 *
 * @param codec `json<T>()`, `text()`, `bytes()`, or anything with a method `decode(bytes)`.
 * @returns Records with the decoded value. Errors with a `DecodeError`, which has the position and no payload, unless `onError` says otherwise.
 * @throws {OptionError} for a wrong or unknown option.
 *
 * @example
 * ```ts
 * orders$.pipe(
 *   decode(json<Order>(), { onError: deadLetter(toTopic(kafka, 'orders.dead')) }),
 *   commit(),
 * );
 * ```
 */
export function decode<T, V extends Buffer | null, K>(
  codec: Codec<T>,
  options: DecodeOptions & { readonly onError: 'emit' },
): OperatorFunction<KafkaRecord<V, K>, KafkaRecord<T | Poison | Extract<V, null>, K>>;
export function decode<T, V extends Buffer | null, K>(
  codec: Codec<T>,
  options?: DecodeOptions,
): OperatorFunction<KafkaRecord<V, K>, KafkaRecord<T | Extract<V, null>, K>>;
export function decode<T, K>(
  codec: Codec<T>,
  options: DecodeOptions = {},
): OperatorFunction<KafkaRecord<Buffer | null, K>, KafkaRecord<T | Poison | null, K>> {
  checkOptions('decode', options, OPTIONS);
  const { onError } = options;
  if (onError !== undefined && typeof onError !== 'function' && !['fail', 'skip', 'emit'].includes(onError)) {
    throw new OptionError("decode: `onError` must be 'fail', 'skip', 'emit', or an operator such as deadLetter(…).");
  }
  if (typeof (codec as Codec<T> | undefined)?.decode !== 'function') {
    throw new OptionError('decode: the first argument is a codec: json(), text(), bytes(), or an object with a method `decode(bytes)`.');
  }
  return (source) =>
    new Observable((subscriber) => {
      const decoding = new Decoding<T, K>(subscriber, codec, options);
      listen(source, subscriber, {
        next: (record) => {
          decoding.next(record);
        },
        complete: () => {
          decoding.sourceCompleted();
        },
      });
    });
}

type Decoded<T, K> = KafkaRecord<T | Poison | null, K>;

/** The state of one subscription. */
class Decoding<T, K> {
  readonly #subscriber: Subscriber<Decoded<T, K>>;
  readonly #codec: Codec<T>;
  readonly #onError: NonNullable<DecodeOptions['onError']>;
  readonly #concurrency: number;
  readonly #failures: Failures<KafkaRecord<Buffer, unknown>> | undefined;
  /** Only of partitions that wait for a promise. */
  readonly #lines = new Map<Lane, Line<T, K>>();
  #completed = false;

  constructor(
    subscriber: Subscriber<Decoded<T, K>>,
    codec: Codec<T>,
    { onError = 'fail', concurrency = DEFAULT_CONCURRENCY }: DecodeOptions,
  ) {
    this.#subscriber = subscriber;
    this.#codec = codec;
    this.#onError = onError;
    this.#concurrency = concurrency;
    this.#failures = typeof onError === 'function' ? new Failures(subscriber, onError) : undefined;
  }

  next(record: KafkaRecord<Buffer | null, K>): void {
    const lane = record[LANE].whole;
    let line = this.#lines.get(lane);
    if (line === undefined) {
      const result = this.#decode(record);
      if (!isPromiseLike(result)) {
        if (result !== undefined) this.#subscriber.next(result);
        return;
      }
      line = { lane, places: [], started: 1, open: 0, emitting: false };
      this.#lines.set(lane, line);
      this.#await(line, place(line, record), result);
    } else {
      place(line, record);
      this.#goOn(line);
    }
  }

  sourceCompleted(): void {
    this.#completed = true;
    this.#completeWhenDone();
  }

  /** The record to pass on, perhaps later; nothing if it goes no further. */
  #decode(record: KafkaRecord<Buffer | null, K>): Decoded<T, K> | PromiseLike<T> | undefined {
    const { value: bytes } = record;
    if (bytes === null) return record as KafkaRecord<null, K>;
    let value;
    try {
      value = this.#codec.decode(bytes);
    } catch (error) {
      return this.#failed(record, bytes, error);
    }
    return isPromiseLike(value) ? value : decoded(record, bytes, value);
  }

  #failed(record: KafkaRecord<unknown, K>, bytes: Buffer, cause: unknown): Decoded<T, K> | undefined {
    const { topic, partition, offset, [LANE]: lane } = record;
    const error = new DecodeError(
      `the value of ${topic}/${partition} at offset ${offset} cannot be decoded, see \`cause\`: mend the codec or the record, or choose what becomes of such records with \`onError\`.`,
      { position: { topic, partition, offset }, cause },
    );
    if (this.#onError === 'emit') return decoded(record, bytes, new Poison(error, bytes));
    if (this.#onError === 'skip') lane.finish(offset);
    else if (this.#failures === undefined) this.#subscriber.error(error);
    else this.#failures.add({ record: { ...record, value: bytes }, error, attempts: 1 });
    return undefined;
  }

  #await(line: Line<T, K>, at: Place<T, K>, promise: PromiseLike<T>): void {
    const { record } = at;
    const bytes = record.value as Buffer;
    const settle = (result: () => Decoded<T, K> | undefined): void => {
      if (this.#subscriber.closed) return;
      line.open -= 1;
      at.result = result();
      at.done = true;
      this.#goOn(line);
    };
    line.open += 1;
    promise.then(
      (value) => {
        settle(() => decoded(record, bytes, value));
      },
      (error: unknown) => {
        settle(() => this.#failed(record, bytes, error));
      },
    );
  }

  /** Decodes as many more as may be open at once, and passes on what is first in line and done. */
  #goOn(line: Line<T, K>): void {
    // What comes while something is passed on is dealt with by the loop that does so.
    if (line.emitting) return;
    line.emitting = true;
    for (;;) {
      this.#decodeMore(line);
      const [first] = line.places;
      if (first?.done !== true || this.#subscriber.closed) break;
      line.places.shift();
      line.started -= 1;
      if (first.result !== undefined) this.#subscriber.next(first.result);
    }
    line.emitting = false;
    if (line.places.length > 0) return;
    this.#lines.delete(line.lane);
    this.#completeWhenDone();
  }

  #decodeMore(line: Line<T, K>): void {
    while (line.open < this.#concurrency && line.started < line.places.length && !this.#subscriber.closed) {
      const next = line.places[line.started] as Place<T, K>;
      line.started += 1;
      const result = this.#decode(next.record);
      if (isPromiseLike(result)) {
        this.#await(line, next, result);
      } else {
        next.result = result;
        next.done = true;
      }
    }
  }

  #completeWhenDone(): void {
    if (!this.#completed || this.#lines.size > 0 || this.#subscriber.closed) return;
    if (this.#failures === undefined) this.#subscriber.complete();
    else this.#failures.complete();
  }
}

/** The records of one partition that wait for promises, their own or those before them. */
interface Line<T, K> {
  readonly lane: Lane;
  readonly places: Place<T, K>[];
  /** How many of them are decoded, or being so. */
  started: number;
  /** How many promises are open. */
  open: number;
  emitting: boolean;
}

interface Place<T, K> {
  readonly record: KafkaRecord<Buffer | null, K>;
  done: boolean;
  result: Decoded<T, K> | undefined;
}

function place<T, K>(line: Line<T, K>, record: KafkaRecord<Buffer | null, K>): Place<T, K> {
  const last = { record, done: false, result: undefined };
  line.places.push(last);
  return last;
}

function decoded<V, K>(record: KafkaRecord<unknown, K>, bytes: Buffer, value: V): KafkaRecord<V, K> {
  // The first codec of several got what was read.
  return { ...record, value, [RAW]: record[RAW] ?? bytes };
}
