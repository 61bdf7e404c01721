import { execFile } from 'node:child_process';
import { fileURLToPath } from 'node:url';
import { promisify } from 'node:util';
import { Subject, Subscription, firstValueFrom, from, ignoreElements, mergeMap, of, retry, take, takeUntil, tap, throwError } from 'rxjs';
import { describe, expect, inject, it } from 'vitest';
import type { KafkaEvent, KafkaRecord, OffsetStore } from '../../src/index.js';
import { ClosedError, Kafka, commit, drain, fromTopic, memoryOffsets, release, toTopic } from '../../src/index.js';
import { numberedTopic, unique } from '../support/numbered.js';
import { silentPort } from '../support/silentPort.js';
import { temporaryFolder } from '../support/temporaryFolder.js';

const brokers = inject('brokers');
const RECORDS = 2_000;

/** What is remembered of a group: how many records are finished, and whether there are holes. */
async function remembered(offsets: OffsetStore, group: string): Promise<{ finished: number; runs: number }> {
  const checkpoints = await firstValueFrom(from(offsets.list(group)), { defaultValue: [] });
  return {
    finished: checkpoints.reduce((sum, { frontier }) => sum + frontier, 0),
    runs: checkpoints.reduce((sum, { runs }) => sum + runs.length, 0),
  };
}

/** Work that ends when it is told to. */
function gated() {
  const waiting: (() => void)[] = [];
  let opened = false;
  return {
    get waiting() {
      return waiting.length;
    },
    work: mergeMap(
      (record: KafkaRecord) =>
        new Promise<KafkaRecord>((resolve) => {
          const done = (): void => {
            resolve(record);
          };
          if (opened) done();
          else waiting.push(done);
        }),
    ),
    open: (): void => {
      opened = true;
      for (const done of waiting.splice(0)) done();
    },
  };
}

function eventsOf(kafka: Kafka): KafkaEvent[] {
  const events: KafkaEvent[] = [];
  void kafka.events$.forEach((event) => events.push(event));
  return events;
}

describe('promise 8, cold, and clean to leave', () => {
  it('nothing connects before subscribe', async () => {
    await using port = await silentPort();
    await using kafka = new Kafka({ brokers: [port.address], connectTimeoutMs: 500 });
    const source$ = fromTopic(kafka, 'orders', { group: 'g', offsets: memoryOffsets() });
    const sink$ = of({ value: 'x' }).pipe(toTopic(kafka, 'orders', (record) => record));
    // A turn of the event loop is time enough for a connection on this machine to be noticed.
    await using witness = await silentPort();
    const own = new Kafka({ brokers: [witness.address], connectTimeoutMs: 500 });
    const subscription = fromTopic(own, 'orders', { group: 'g', offsets: memoryOffsets() }).subscribe({ error: () => undefined });
    await witness.connected;
    subscription.unsubscribe();
    await own.close();
    expect(port.connections()).toBe(0);

    const failures = [source$, sink$].map((stream$) => drain(stream$).catch((error: unknown) => error));
    await port.connected;
    expect(await Promise.all(failures)).toMatchObject([{ code: 'BROKER_UNAVAILABLE' }, { code: 'BROKER_UNAVAILABLE' }]);
  });

  it('unsubscribe stops emission at once, also in the middle of a batch', async () => {
    const { topic } = await numberedTopic(brokers, { records: RECORDS });
    await using kafka = new Kafka({ brokers });
    const subscription = new Subscription();
    let seen = 0;
    await new Promise<void>((resolve) => {
      const next = (): void => {
        seen += 1;
        if (seen < 42) return;
        subscription.unsubscribe();
        resolve();
      };
      subscription.add(
        fromTopic(kafka, topic, { group: unique('stop'), offsets: memoryOffsets(), drainTimeoutMs: 0 }).subscribe({
          next,
          error: () => undefined,
        }),
      );
    });
    await kafka.close();
    expect(seen).toBe(42);
  });

  it('a group is left at once: the next member need not wait for a session to time out', async () => {
    const { topic } = await numberedTopic(brokers, { records: RECORDS });
    await using kafka = new Kafka({ brokers });
    const group = unique('left');
    // A member that had not left would hold the partitions for longer than this test has patience.
    const properties = { 'session.timeout.ms': 600_000, 'max.poll.interval.ms': 600_000 };
    const first$ = fromTopic(kafka, topic, { group, offsets: memoryOffsets(), properties }).pipe(release(), take(1));

    await drain(first$);
    await drain(first$);
  });

  it.each(['signal', 'takeUntil after the source', 'close() of the Kafka'] as const)(
    'completion by %s means that what was in flight is finished and committed',
    async (way) => {
      const { topic } = await numberedTopic(brokers, { records: RECORDS });
      await using kafka = new Kafka({ brokers });
      const offsets = memoryOffsets();
      const group = unique('graceful');
      const events = eventsOf(kafka);
      const stop = new AbortController();
      const stop$ = new Subject<void>();
      const gate = gated();
      let emitted = 0;
      let committed = 0;
      const full$ = new Subject<void>();

      const running = drain(
        fromTopic(kafka, topic, { group, offsets, maxInFlight: 300, ...(way === 'signal' ? { signal: stop.signal } : {}) }).pipe(
          takeUntil(way === 'takeUntil after the source' ? stop$ : new Subject<void>()),
          tap(() => {
            emitted += 1;
            if (emitted === 300) full$.complete();
          }),
          gate.work,
          commit(),
          tap(() => (committed += 1)),
        ),
      );
      await firstValueFrom(full$.pipe(ignoreElements()), { defaultValue: undefined });
      let closing = Promise.resolve();
      if (way === 'signal') stop.abort();
      else if (way === 'takeUntil after the source') stop$.next();
      else closing = kafka.close();
      expect(committed).toBe(0);
      gate.open();
      await running;

      expect(gate.waiting).toBe(0);
      expect({ emitted, committed }).toEqual({ emitted: 300, committed: 300 });
      expect(await remembered(offsets, group)).toEqual({ finished: 300, runs: 0 });
      await closing;
      await kafka.close();
      expect(events.filter(({ type }) => type === 'revoked')).toMatchObject([{ unfinished: 0 }]);
    },
  );

  it('unsubscribe after commit() leaves what was not finished to come again', async () => {
    const { topic } = await numberedTopic(brokers, { records: RECORDS });
    await using kafka = new Kafka({ brokers });
    const offsets = memoryOffsets();
    const group = unique('abrupt');
    const stream$ = fromTopic(kafka, topic, { group, offsets }).pipe(commit());

    await drain(stream$.pipe(take(500)));
    const again: KafkaRecord[] = [];
    await drain(
      stream$.pipe(
        tap((record) => again.push(record)),
        take(RECORDS - 500),
      ),
    );

    expect(new Set(again.map(({ partition, offset }) => `${partition}/${offset}`)).size).toBe(RECORDS - 500);
    await kafka.close();
    expect(await remembered(offsets, group)).toEqual({ finished: RECORDS, runs: 0 });
  });

  it('retry subscribes again and goes on where it was: no record is skipped, and none that was finished comes twice', async () => {
    const { topic } = await numberedTopic(brokers, { records: RECORDS });
    await using kafka = new Kafka({ brokers });
    const offsets = memoryOffsets();
    const group = unique('retry');
    const finished = new Map<string, number>();
    let failures = 0;

    await drain(
      fromTopic(kafka, topic, { group, offsets, maxInFlight: 100 }).pipe(
        mergeMap((record, index) => {
          if (index === 350) {
            failures += 1;
            return throwError(() => new Error('a passing failure'));
          }
          return of(record);
        }),
        commit(),
        tap(({ partition, offset }) => {
          const key = `${partition}/${offset}`;
          finished.set(key, (finished.get(key) ?? 0) + 1);
        }),
        retry({ count: 20 }),
        take(RECORDS),
      ),
    );

    expect(failures).toBe(Math.floor(RECORDS / 350));
    expect(finished.size).toBe(RECORDS);
    expect([...finished.values()].every((times) => times === 1)).toBe(true);
  });

  it('two subscriptions are two members, and each has a share', async () => {
    const { topic } = await numberedTopic(brokers, { records: RECORDS });
    await using kafka = new Kafka({ brokers });
    const seen = [new Set<number>(), new Set<number>()];
    const enough$ = new Subject<void>();
    const member = (partitions: Set<number>): Promise<void> =>
      drain(
        // Nothing is finished, so neither can read everything before the other has its share.
        source$.pipe(
          takeUntil(enough$),
          tap(({ partition }) => {
            partitions.add(partition);
            if (seen.every(({ size }) => size > 0)) enough$.next();
          }),
        ),
      );
    const source$ = fromTopic(kafka, topic, {
      group: unique('two'),
      offsets: memoryOffsets(),
      maxInFlight: 5,
      drainTimeoutMs: 100,
      properties: { 'heartbeat.interval.ms': 300 },
    });

    await Promise.all(seen.map(member));

    expect(seen.map(({ size }) => size > 0)).toEqual([true, true]);
  });

  it('a closed Kafka opens nothing more, and its events complete', async () => {
    const kafka = new Kafka({ brokers });
    const events = drain(kafka.events$);
    await kafka.close();
    await events;
    await expect(drain(fromTopic(kafka, 'orders', { group: 'g', offsets: memoryOffsets() }))).rejects.toBeInstanceOf(ClosedError);
  });

  it('a program that closes what it opened ends by itself', async () => {
    const { topic } = await numberedTopic(brokers, { records: 200 });
    const copy = await numberedTopic(brokers, { records: 0 });
    await using folder = await temporaryFolder();
    const program = fileURLToPath(new URL('../../.build/test/programs/leaves.js', import.meta.url));
    const { stderr } = await promisify(execFile)(process.execPath, [program, brokers.join(), topic, copy.topic, `${folder.path}/offsets`]);
    expect(stderr).toBe('');
  });
});
