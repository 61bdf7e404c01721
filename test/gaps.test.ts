import { concatMap, of, take, tap } from 'rxjs';
import { describe, expect, inject, it } from 'vitest';
import { createTopic, deleteRecords, deleteTopic } from '../broker/index.js';
import type { Checkpoint, FromTopicOptions, Gap, KafkaEvent, KafkaRecord } from '../src/index.js';
import { Kafka, OffsetOutOfRangeError, commit, drain, fromTopic, memoryOffsets, toTopic } from '../src/index.js';
import { numberedTopic, unique } from './support/numbered.js';
import { transactionalWriter } from './support/transactionalWriter.js';

const brokers = inject('brokers');
const RECORDS = 1_000;

/** Everything that happened to one stream. */
async function read(
  topic: string,
  count: number,
  options: FromTopicOptions,
): Promise<{ seen: number[]; gaps: Gap[]; events: KafkaEvent[]; error: unknown }> {
  await using kafka = new Kafka({ brokers });
  const [seen, gaps, events]: [number[], Gap[], KafkaEvent[]] = [[], [], []];
  void kafka.events$.forEach((event) => events.push(event));
  const records$ = fromTopic(kafka, topic, { ...options, onGap: (gap) => gaps.push(gap) }).pipe(
    tap(({ offset }) => seen.push(offset)),
    commit(),
    take(count),
  );
  const error: unknown = await drain(records$).catch((thrown: unknown) => thrown);
  return { seen, gaps, events, error };
}

async function write(topic: string, count: number): Promise<void> {
  await using kafka = new Kafka({ brokers });
  await drain(of(...Array.from({ length: count }, (_, n) => n)).pipe(toTopic(kafka, topic, (n) => ({ value: String(n), partition: 0 }))));
}

describe.runIf(inject('brokerKind') !== 'embedded')('a gap in the log', () => {
  it('before the remembered position is an error with its exact bounds, or is reported and passed over', async () => {
    const { topic } = await numberedTopic(brokers, { records: RECORDS, partitions: 1 });
    const options = { group: unique('gap'), offsets: memoryOffsets(), mirror: false };
    await read(topic, 100, options);
    await deleteRecords(brokers[0] as string, topic, [{ partition: 0, before: 400 }]);

    const failed = await read(topic, 1, options);
    expect(failed.error).toBeInstanceOf(OffsetOutOfRangeError);
    expect(failed.error).toMatchObject({
      code: 'OFFSET_OUT_OF_RANGE',
      position: { topic, partition: 0, offset: 100 },
      low: 400,
      high: RECORDS,
    });
    expect((failed.error as Error).message).toContain(`the records from 100 to 399 of ${topic}/0 were deleted before they were read`);

    const went = await read(topic, 600, { ...options, onOutOfRange: 'earliest' });
    const gap = { topic, partition: 0, from: 100, to: 400 };
    expect(went.gaps).toEqual([gap]);
    expect(went.events.filter(({ type }) => type === 'gap')).toEqual([{ type: 'gap', group: options.group, ...gap }]);
    expect(went.seen[0]).toBe(400);
    expect(went.seen).toHaveLength(600);
  });

  it('can be passed over to the end of the log', async () => {
    const { topic } = await numberedTopic(brokers, { records: RECORDS, partitions: 1 });
    const options = { group: unique('gap'), offsets: memoryOffsets(), mirror: false };
    await read(topic, 100, options);
    await deleteRecords(brokers[0] as string, topic, [{ partition: 0, before: 400 }]);
    const stop = new AbortController();
    await using kafka = new Kafka({ brokers });
    const gaps: Gap[] = [];
    void kafka.events$.forEach(({ type }) => {
      if (type === 'assigned') stop.abort();
    });
    await drain(
      fromTopic(kafka, topic, { ...options, onOutOfRange: 'latest', onGap: (gap) => gaps.push(gap), signal: stop.signal }).pipe(commit()),
    );
    expect(gaps).toEqual([{ topic, partition: 0, from: 100, to: RECORDS }]);
  });

  it.each(['earliest', 'fail'] as const)('that opens while the partition is read: %s', async (onOutOfRange) => {
    // Large records and a small buffer: what was fetched ahead ends long before what is deleted.
    const { topic } = await numberedTopic(brokers, { records: RECORDS, partitions: 1, bytes: 10_000 });
    await using kafka = new Kafka({ brokers });
    const seen: number[] = [];
    const gaps: Gap[] = [];
    let deleted: Promise<void> | undefined;
    const records$ = fromTopic(kafka, topic, {
      group: unique('gap'),
      offsets: memoryOffsets(),
      maxInFlight: 10,
      fetchBufferBytes: 100_000,
      onOutOfRange,
      onGap: (gap) => gaps.push(gap),
      properties: { 'max.partition.fetch.bytes': 50_000 },
    }).pipe(
      tap(({ offset }) => seen.push(offset)),
      concatMap((record: KafkaRecord, index) => {
        if (index === 50) deleted = deleteRecords(brokers[0] as string, topic, [{ partition: 0, before: 900 }]);
        return (deleted ?? Promise.resolve()).then(() => record);
      }),
      commit(),
      tap(({ offset }) => {
        if (offset === RECORDS - 1) end.abort();
      }),
    );
    const end = new AbortController();
    const ended = drain(records$.pipe(take(RECORDS)), { signal: end.signal, timeoutMs: 0 }).catch((error: unknown) => error);

    const error = await ended;
    const jump = seen.findIndex((offset, i) => offset !== i);
    const from = jump === -1 ? seen.length : jump;
    if (onOutOfRange === 'fail') {
      expect(error).toMatchObject({ code: 'OFFSET_OUT_OF_RANGE', position: { offset: from }, low: 900, high: RECORDS });
    } else {
      expect(gaps).toEqual([{ topic, partition: 0, from, to: 900 }]);
      expect(seen.slice(seen.indexOf(900))).toEqual(Array.from({ length: 100 }, (_, i) => 900 + i));
    }
  });

  it('a topic that was created anew with fewer records is an error, or is read from its beginning', async () => {
    const topic = unique('again');
    await createTopic(brokers, topic, { partitions: 1 });
    await write(topic, 100);
    const options = { group: unique('again'), offsets: memoryOffsets() };
    await read(topic, 100, options);
    await deleteTopic(brokers, topic);
    await createTopic(brokers, topic, { partitions: 1 });
    await write(topic, 30);

    const failed = await read(topic, 1, options);
    expect(failed.error).toMatchObject({ code: 'OFFSET_OUT_OF_RANGE', low: 0, high: 30 });
    expect((failed.error as Error).message).toContain('the topic was re-created or truncated');
    const went = await read(topic, 30, { ...options, onOutOfRange: 'earliest' });
    expect(went.seen).toEqual(Array.from({ length: 30 }, (_, n) => n));
  });

  it('a topic that was created anew, with as many records or more, is noticed by the record that stands there now', async () => {
    const topic = unique('anew');
    const options = { group: unique('anew'), offsets: memoryOffsets() };
    await createTopic(brokers, topic, { partitions: 1 });
    await write(topic, 300);
    await read(topic, 100, options);
    // Nothing happened: it goes on where it was, with none twice.
    expect((await read(topic, 100, options)).seen).toEqual(Array.from({ length: 100 }, (_, n) => 100 + n));
    await deleteTopic(brokers, topic);
    await createTopic(brokers, topic, { partitions: 1 });
    await write(topic, 500);

    const failed = await read(topic, 1, options);
    expect(failed.error).toBeInstanceOf(OffsetOutOfRangeError);
    expect(failed.error).toMatchObject({ low: 0, high: 500, message: expect.stringContaining('the topic was created anew') as string });
    expect(failed.seen).toEqual([]);
    const went = await read(topic, 500, { ...options, onOutOfRange: 'earliest' });
    expect(went.seen).toEqual(Array.from({ length: 500 }, (_, n) => n));
  });

  it('is none where a log does not begin at 0, or where transactions leave markers and aborted records', async () => {
    const topic = unique('transactions');
    await createTopic(brokers, topic, { partitions: 1 });
    await write(topic, 20);
    await deleteRecords(brokers[0] as string, topic, [{ partition: 0, before: 20 }]);
    const written = await transactions(topic, ['commit', 'abort', 'commit', 'abort', 'commit']);

    const options = { group: unique('transactions'), offsets: memoryOffsets() };
    const { seen, gaps } = await read(topic, written.length, options);

    expect(gaps).toEqual([]);
    expect(seen).toEqual(written);
    // Three times ten records, and what lies between them: twice ten aborted ones, and a marker after each ten.
    expect([seen[0], seen.at(-1)]).toEqual([20, 20 + 5 * 11 - 2]);
    const [checkpoints] = options.offsets.list(options.group) as Iterable<readonly Checkpoint[]>;
    expect(checkpoints).toMatchObject([{ frontier: 20 + 5 * 11 - 1, runs: [] }]);
  });
});

/** Writes ten records in each transaction; answers the offsets of those that were committed. */
async function transactions(topic: string, ends: readonly ('commit' | 'abort')[]): Promise<number[]> {
  await using writer = await transactionalWriter(brokers, topic);
  const offsets: number[] = [];
  for (const end of ends) {
    await writer.begin();
    const written = await writer.write(topic, new Array<string>(10).fill(end));
    await writer[end]();
    if (end === 'commit') offsets.push(...written);
  }
  return offsets;
}
