import { map, mergeMap, take, tap, timer } from 'rxjs';
import { expect, inject, it } from 'vitest';
import { startJvmBroker } from '../broker/index.js';
import { Kafka, commit, drain, fromTopic, memoryOffsets } from '../src/index.js';
import { numberedTopic, unique } from './support/numbered.js';

const RECORDS = 5_000;

it.runIf(inject('brokerKind') === 'jvm')(
  'a broker that is killed and comes back is an event, never the end of the stream',
  { timeout: 180_000 },
  async () => {
    const broker = await startJvmBroker();
    try {
      const { topic } = await numberedTopic(broker.brokers, { records: RECORDS, bytes: 2_000 });
      await using kafka = new Kafka({ brokers: broker.brokers });
      const seen = new Set<string>();
      void kafka.events$.forEach(({ type }) => seen.add(type));
      const finished = new Set<string>();
      let emitted = 0;
      let restarted: Promise<void> | undefined;

      await drain(
        fromTopic(kafka, topic, { group: unique('restart'), offsets: memoryOffsets(), maxInFlight: 100, fetchBufferBytes: 500_000 }).pipe(
          tap(() => {
            emitted += 1;
            if (emitted === 1_000) restarted = broker.restart();
          }),
          // Nothing more is done until the broker is back, and little is fetched ahead: the rest has to come from the new one.
          mergeMap((record) => (restarted ?? Promise.resolve()).then(() => record), 100),
          mergeMap((record) => timer(1).pipe(map(() => record))),
          commit(),
          tap(({ partition, offset }) => finished.add(`${partition}/${offset}`)),
          take(RECORDS),
        ),
      );

      expect(finished.size).toBe(RECORDS);
      expect(seen).toContain('error');
    } finally {
      await broker.close();
    }
  },
);
