import type { MonoTypeOperatorFunction } from 'rxjs';
import { bufferCount, filter, pipe, take } from 'rxjs';
import { describe, expect, inject, it } from 'vitest';
import type { KafkaRecord } from '../src/index.js';
import { Kafka, StalledError, commit, drain, filterValue, fromTopic, memoryOffsets } from '../src/index.js';
import { numberedTopic, unique } from './support/numbered.js';

const brokers = inject('brokers');

describe('records that nobody will ever finish', () => {
  it('are a StalledError that names the oldest position and says what to do', async () => {
    const { topic } = await numberedTopic(brokers, { records: 1_000 });
    await using kafka = new Kafka({ brokers });
    const options = { offsets: memoryOffsets(), maxInFlight: 100, stallAfterMs: 1_000, drainTimeoutMs: 0 };

    const collecting = drain(fromTopic(kafka, topic, { ...options, group: unique('collects') }).pipe(bufferCount(101), commit()));
    await expect(collecting).rejects.toThrow(StalledError);
    await expect(collecting).rejects.toMatchObject({ code: 'STALLED', open: 100, stalledMs: 1_000 });
    await expect(collecting).rejects.toThrow(
      /100 records .* are open, as many as `maxInFlight` \(100\).* the oldest of .* is at \d+\..*raise `maxInFlight`/,
    );

    const dropping = drain(fromTopic(kafka, topic, { ...options, group: unique('drops') }).pipe(filter(isOdd), commit()));
    await expect(dropping).rejects.toThrow(/use filterValue, or commit\(\{ ordered: true \}\)/);
  });

  it.each<[string, MonoTypeOperatorFunction<KafkaRecord>]>([
    [
      'filterValue',
      pipe(
        filterValue((_value, record) => isOdd(record)),
        commit(),
      ),
    ],
    ['an ordered commit', pipe(filter(isOdd), commit({ ordered: true }))],
  ])('are none with %s', async (_what, oddOnes) => {
    const { topic } = await numberedTopic(brokers, { records: 1_000 });
    await using kafka = new Kafka({ brokers });
    // Five times as many as may be in flight: all of them come through.
    await drain(fromTopic(kafka, topic, { group: unique('odd'), offsets: memoryOffsets(), maxInFlight: 100 }).pipe(oddOnes, take(500)));
  });
});

function isOdd(record: KafkaRecord): boolean {
  return record.offset % 2 === 1;
}
