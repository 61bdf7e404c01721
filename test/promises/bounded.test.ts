import { concatMap, delay, map, mergeMap, of, take, tap, timer } from 'rxjs';
import { describe, expect, inject, it } from 'vitest';
import type { KafkaEvent, KafkaRecord } from '../../src/index.js';
import { Kafka, commit, drain, fromTopic, memoryOffsets } from '../../src/index.js';
import { numberedTopic, unique } from '../support/numbered.js';

const brokers = inject('brokers');
const PATIENCE_MS = 180_000;
/** A group that is left alone for so long takes the partitions away. How long the tests take is more than twice that. */
const MAX_POLL_INTERVAL_MS = 6_000;
/** Shorter where the same is run a second time, with the plain reader. */
const plain = process.env['KAFKA_RX_READER'] === 'plain';
const SLOW_S = plain ? 15 : 20;
const STUCK_S = plain ? 14 : 20;

/** Says how many records are open: emitted, and not yet through `commit()`. */
class Open {
  now = 0;
  most = 0;
  bytes = 0;
  mostBytes = 0;

  readonly emitted = ({ value }: KafkaRecord): void => {
    this.now += 1;
    this.bytes += value?.length ?? 0;
    this.most = Math.max(this.most, this.now);
    this.mostBytes = Math.max(this.mostBytes, this.bytes);
  };

  readonly finished = ({ value }: KafkaRecord): void => {
    this.now -= 1;
    this.bytes -= value?.length ?? 0;
  };
}

function membership(kafka: Kafka): string[] {
  const seen: string[] = [];
  const record = ({ type }: KafkaEvent): void => {
    if (type === 'assigned' || type === 'revoked' || type === 'lost') seen.push(type);
  };
  void kafka.events$.forEach(record);
  return seen;
}

describe('promise 5, bounded', () => {
  it.concurrent(
    `a subscriber of one record per second for ${SLOW_S} s stays in a group that allows 6 s between polls`,
    { timeout: PATIENCE_MS },
    async () => {
      const { topic } = await numberedTopic(brokers, { records: 1_000 });
      await using kafka = new Kafka({ brokers });
      const seen = membership(kafka);
      const open = new Open();
      const maxInFlight = 10;

      const slow$ = fromTopic(kafka, topic, {
        group: unique('slow'),
        offsets: memoryOffsets(),
        maxInFlight,
        properties: { 'max.poll.interval.ms': MAX_POLL_INTERVAL_MS, 'session.timeout.ms': 6_000 },
      }).pipe(
        tap(open.emitted),
        concatMap((record) => of(record).pipe(delay(1_000))),
        commit(),
        tap(open.finished),
        take(SLOW_S),
        // Still a member at the end: nothing was given or taken since the first assignment.
        tap({ complete: () => seen.push('the last') }),
      );
      await drain(slow$);

      expect(seen.slice(0, 2)).toEqual(['assigned', 'the last']);
      expect(open.most).toBeLessThanOrEqual(maxInFlight);
      expect(open.most).toBeGreaterThan(1);
    },
  );

  it.concurrent(
    `a subscriber that finishes nothing for ${STUCK_S} s loses neither its place nor a record`,
    { timeout: PATIENCE_MS },
    async () => {
      const { topic } = await numberedTopic(brokers, { records: 5_000 });
      await using kafka = new Kafka({ brokers });
      const seen = membership(kafka);
      const offsets: number[][] = [[], [], [], []];

      const stuck$ = fromTopic(kafka, topic, {
        group: unique('stuck'),
        offsets: memoryOffsets(),
        maxInFlight: 100,
        properties: { 'max.poll.interval.ms': MAX_POLL_INTERVAL_MS, 'session.timeout.ms': 6_000 },
      }).pipe(
        tap(({ partition, offset }) => offsets[partition]?.push(offset)),
        // The first holds up all others, long enough for fetching to be paused and to be taken up again.
        concatMap((record, index) => (index === 0 ? timer(STUCK_S * 1_000).pipe(map(() => record)) : of(record))),
        commit(),
        take(5_000),
        tap({ complete: () => seen.push('the last') }),
      );
      await drain(stuck$);

      expect(seen.slice(0, 2)).toEqual(['assigned', 'the last']);
      expect(offsets).toEqual(Array.from({ length: 4 }, () => Array.from({ length: 1_250 }, (_, offset) => offset)));
    },
  );

  it.each([
    { what: 'records', maxInFlight: 7, maxInFlightBytes: 1_000_000_000 },
    { what: 'bytes', maxInFlight: 4_096, maxInFlightBytes: 3_500 },
    { what: 'a single record larger than all bytes', maxInFlight: 4_096, maxInFlightBytes: 900 },
  ])('never more in flight than allowed: $what', async ({ maxInFlight, maxInFlightBytes }) => {
    const { topic } = await numberedTopic(brokers, { records: 2_000, bytes: 1_000 });
    await using kafka = new Kafka({ brokers });
    const open = new Open();

    await drain(
      fromTopic(kafka, topic, { group: unique('bounded'), offsets: memoryOffsets(), maxInFlight, maxInFlightBytes }).pipe(
        tap(open.emitted),
        mergeMap((record, index) => timer(index % 3).pipe(map(() => record))),
        commit(),
        tap(open.finished),
        take(2_000),
      ),
    );

    expect(open.most).toBe(Math.min(maxInFlight, Math.max(1, Math.floor(maxInFlightBytes / 1_000))));
    expect(open.mostBytes).toBe(1_000 * open.most);
  });
});
