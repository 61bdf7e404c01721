import { mergeMap, of, take, tap } from 'rxjs';
import { expect, inject, it } from 'vitest';
import { Kafka, commit, drain, fromTopic, memoryOffsets } from '../src/index.js';
import { numberedTopic, unique } from './support/numbered.js';

const brokers = inject('brokers');

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
            Atomics.wait(new Int32Array(new SharedArrayBuffer(4)), 0, 0, 8_000);
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
