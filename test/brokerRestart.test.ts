import { map, mergeMap, take, tap, timer } from 'rxjs';
import { expect, inject, it } from 'vitest';
import { startJvmBroker } from '../broker/index.js';
import { Kafka, TimedOutError, commit, drain, fromTopic, memoryOffsets } from '../src/index.js';
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

it.runIf(inject('brokerKind') === 'jvm')(
  'a cluster that stands still holds no call of the administration longer than its `timeoutMs`, whoever else waits',
  { timeout: 180_000 },
  async () => {
    const broker = await startJvmBroker();
    try {
      await using kafka = new Kafka({ brokers: broker.brokers });
      const { admin } = kafka;
      const { topic } = await numberedTopic(broker.brokers, { records: 1, partitions: 1 });
      // Its clients are connected.
      await admin.createTopic(unique('before'));
      await admin.groupOffsets('anybody');
      broker.freeze();

      const ended: string[] = [];
      const failed = (name: string, call: Promise<unknown>): Promise<void> =>
        call.catch((error: unknown) => {
          ended.push(error instanceof TimedOutError ? name : String(error));
        }) as Promise<void>;
      await Promise.all([
        failed('a long order', admin.createTopic(unique('long'), { timeoutMs: 5_000 })),
        failed('a short order', admin.createTopic(unique('short'), { timeoutMs: 500 })),
        failed('a question', admin.groupOffsets('anybody', { topics: [topic], timeoutMs: 500 })),
        failed('a commit', admin.commitGroupOffsets('anybody', [{ topic, partition: 0, offset: 1 }], { timeoutMs: 500 })),
      ]);

      expect(ended.slice(0, 3).sort()).toEqual(['a commit', 'a question', 'a short order']);
      expect(ended.at(-1)).toBe('a long order');
      broker.thaw();
      expect((await admin.topic(topic)).partitions).toHaveLength(1);
    } finally {
      broker.thaw();
      await broker.close();
    }
  },
);
