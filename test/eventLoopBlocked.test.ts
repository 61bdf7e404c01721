import { mergeMap, of, take, tap } from 'rxjs';
import { expect, inject, it } from 'vitest';
import { Kafka, commit, drain, fromTopic, memoryOffsets } from '../src/index.js';
import { numberedTopic, unique } from './support/numbered.js';

const brokers = inject('brokers');

function standStill(ms: number): void {
  Atomics.wait(new Int32Array(new SharedArrayBuffer(4)), 0, 0, ms);
}

it.runIf(inject('brokerKind') !== 'embedded')(
  'an event loop that stands still for longer than max.poll.interval.ms is reported, and the source joins again',
  async () => {
    const { topic } = await numberedTopic(brokers, { records: 1_000 });
    await using kafka = new Kafka({ brokers });
    const seen: string[] = [];
    void kafka.events$.forEach(({ type }) => seen.push(type));
    const finished = new Set<string>();
    let blocked = false;

    await drain(
      fromTopic(kafka, topic, {
        group: unique('blocked'),
        offsets: memoryOffsets(),
        maxInFlight: 50,
        properties: { 'max.poll.interval.ms': 6_000, 'session.timeout.ms': 6_000 },
      }).pipe(
        mergeMap((record, index) => {
          if (index === 300 && !blocked) {
            blocked = true;
            standStill(8_000);
          }
          return of(record);
        }),
        commit(),
        tap(({ partition, offset }) => finished.add(`${partition}/${offset}`)),
        take(1_000),
      ),
    );

    // The record on which it stood still may have come again after; it is one of a thousand either way.
    expect(finished.size).toBeGreaterThanOrEqual(999);
    expect(seen).toContain('lost');
    expect(seen.filter((type) => type === 'assigned').length).toBeGreaterThan(1);
  },
);

it('work that takes long on the event loop leaves it to others after each record, however many were read at once', async () => {
  const records = 60;
  const { topic } = await numberedTopic(brokers, { records });
  await using kafka = new Kafka({ brokers });
  let [turn, most] = [0, 0];
  const endTurn = (): void => {
    most = Math.max(most, turn);
    turn = 0;
    ticking = setImmediate(endTurn);
  };
  let ticking = setImmediate(endTurn);
  const finished = new Set<string>();

  await drain(
    fromTopic(kafka, topic, { group: unique('slow'), offsets: memoryOffsets() }).pipe(
      tap(() => {
        turn += 1;
        standStill(25);
      }),
      commit(),
      tap(({ partition, offset }) => finished.add(`${partition}/${offset}`)),
      take(records),
    ),
  );

  clearImmediate(ticking);
  expect(finished.size).toBe(records);
  // A timer and a read may come in one turn.
  expect(most).toBeLessThanOrEqual(2);
});
