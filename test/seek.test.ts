import { spawn } from 'node:child_process';
import { once } from 'node:events';
import { setTimeout as delay } from 'node:timers/promises';
import { fileURLToPath } from 'node:url';
import type { Observable } from 'rxjs';
import { concatMap, filter, firstValueFrom, of, take, tap } from 'rxjs';
import { afterEach, describe, expect, inject, it, vi } from 'vitest';
import { createTopic, deleteRecords } from '../broker/index.js';
import type { FromTopicOptions, KafkaRecord, KafkaSource, OffsetStore, Properties, StaleState } from '../src/index.js';
import {
  Kafka,
  NotAssignedError,
  OptionError,
  commit,
  drain,
  fromTopic,
  groupOffsets,
  memoryOffsets,
  openOffsets,
  toTransaction,
} from '../src/index.js';
import { committedReader } from './support/committedReader.js';
import { numberOf, numberedTopic, unique } from './support/numbered.js';
import { RawProducer } from './support/rawProducer.js';
import { temporaryFolder } from './support/temporaryFolder.js';
import { until } from './support/until.js';
import { ways } from './support/ways.js';

const brokers = inject('brokers');
const real = inject('brokerKind') !== 'embedded';
const PER_PARTITION = 300;
/** Finds out about members sooner than by default. */
const QUICK = { 'heartbeat.interval.ms': 300 };

/** A topic of two partitions that is being read, up to its end. */
async function readToEnd(options: Partial<FromTopicOptions> & { readonly offsets: OffsetStore }, kafka = new Kafka({ brokers })) {
  const { topic } = await numberedTopic(brokers, { records: 2 * PER_PARTITION, partitions: 2 });
  const group = unique('seek');
  const source$ = fromTopic(kafka, topic, { group, drainTimeoutMs: 500, ...options });
  /** The offsets that came, by partition. */
  const seen: number[][] = [[], []];
  const run = (stream$: Observable<KafkaRecord> = source$): Promise<void> =>
    drain(
      stream$.pipe(
        tap(({ partition, offset }) => seen[partition]?.push(offset)),
        commit(),
      ),
    );
  const running = run();
  await until(() => seen.every((offsets) => offsets.length === PER_PARTITION));
  return {
    topic,
    group,
    kafka,
    source$,
    seen,
    /** Waits until the newest record of each has come again. */
    again: async () => {
      await until(() => seen.every((offsets) => offsets.at(-1) === PER_PARTITION - 1));
    },
    close: async () => {
      await kafka.close();
      await running;
    },
  };
}

function offsetsFrom(first: number): number[] {
  return Array.from({ length: PER_PARTITION - first }, (_, i) => first + i);
}

/** Reads one record in the group, and leaves. */
async function next(topic: string, options: FromTopicOptions): Promise<number> {
  await using kafka = new Kafka({ brokers });
  const record = await firstValueFrom(fromTopic(kafka, topic, { drainTimeoutMs: 0, ...options }).pipe(take(1)), {
    defaultValue: undefined,
  });
  return (record as KafkaRecord).offset;
}

afterEach(() => {
  vi.unstubAllEnvs();
});

const PROTOCOLS: Readonly<Record<string, Properties>> = {
  'the classic protocol': {},
  'the protocol of KIP-848': { 'group.protocol': 'consumer' },
};

describe.each(ways)('seek with the %s reader', (reader) => {
  it.each(Object.keys(PROTOCOLS))('goes back and forward, and the group follows, in %s', async (protocol) => {
    vi.stubEnv('KAFKA_RX_READER', reader);
    const s = await readToEnd({ offsets: memoryOffsets(), properties: PROTOCOLS[protocol] as Properties });
    for (const from of [100, 0, 299, 17]) {
      for (const offsets of s.seen) offsets.length = 0;
      expect(await s.source$.seek({ to: from })).toEqual([0, 1].map((partition) => ({ topic: s.topic, partition, offset: from })));
      await s.again();
      expect(s.seen).toEqual([offsetsFrom(from), offsetsFrom(from)]);
    }
    s.seen[0] = [];
    await s.source$.seek({ topic: s.topic, partition: 0, offset: 250 });
    await until(() => s.seen[0]?.at(-1) === PER_PARTITION - 1);
    expect(s.seen).toEqual([offsetsFrom(250), offsetsFrom(17)]);
    await s.close();
    await using kafka = new Kafka({ brokers });
    expect((await kafka.admin.groupOffsets(s.group)).map(({ offset }) => offset)).toEqual([PER_PARTITION, PER_PARTITION]);
  });
});

// Waiting for brokers is most of what they do.
describe.concurrent('seek', () => {
  it.each(['the same store', 'another store'])(
    'is where the next process begins, with %s, after a SIGKILL as soon as it is done',
    async (which) => {
      const { topic } = await numberedTopic(brokers, { records: 200, partitions: 1 });
      await using folder = await temporaryFolder();
      const [group, store] = [unique('killed'), `${folder.path}/offsets`];
      const program = fileURLToPath(new URL('../.build/test/programs/seeks.js', import.meta.url));
      const child = spawn(process.execPath, [program, brokers.join(), topic, group, store, '199', '40'], { stdio: 'inherit' });
      expect(await once(child, 'exit')).toEqual([null, 'SIGKILL']);

      const offsets = which === 'another store' ? memoryOffsets() : openOffsets(store);
      const stale: StaleState[] = [];
      const onStateStale = (partitions: readonly StaleState[]): void => void stale.push(...partitions);
      expect(await next(topic, { group, offsets, onStateStale })).toBe(40);
      expect(stale.map(({ committed }) => committed)).toEqual(which === 'another store' ? [40] : []);
      await offsets.close();
    },
  );

  it('resumes after a restart with what was finished since', async () => {
    const offsets = memoryOffsets();
    const s = await readToEnd({ offsets });
    await s.close();
    await using kafka = new Kafka({ brokers });
    const source$ = fromTopic(kafka, s.topic, { group: s.group, offsets });
    const assigned = firstValueFrom(kafka.events$.pipe(filter(({ type }) => type === 'assigned')), { defaultValue: undefined });
    const some = drain(source$.pipe(commit(), take(60)));
    await assigned;
    await source$.seek({ topic: s.topic, partition: 1, offset: 100 });
    await some;
    expect(await next(s.topic, { group: s.group, offsets })).toBe(160);
    expect(await next(s.topic, { group: s.group, offsets: memoryOffsets() })).toBe(160);
  });

  it.runIf(real)('knows each place that readTopic knows', async () => {
    const topic = unique('dated');
    // Records of 1970 would be deleted at the broker's next look.
    await createTopic(brokers, topic, { partitions: 1, config: { 'retention.ms': '-1' } });
    {
      await using producer = await RawProducer.open(brokers);
      await producer.write(
        topic,
        0,
        Array.from({ length: 10 }, (_, hour) => ({ value: 'x', timestamp: (hour + 1) * 3_600_000 })),
      );
    }
    await deleteRecords(brokers[0] as string, topic, [{ partition: 0, before: 2 }]);
    await using kafka = new Kafka({ brokers });
    const source$ = fromTopic(kafka, topic, { group: unique('places'), offsets: memoryOffsets() });
    const seen: number[] = [];
    const reading = drain(
      source$.pipe(
        commit(),
        tap(({ offset }) => seen.push(offset)),
      ),
    );
    await until(() => seen.at(-1) === 9);
    for (const [to, offset] of [
      ['earliest', 2],
      [{ timestamp: 4 * 3_600_000 }, 3],
      [{ last: 2 }, 8],
      ['latest', 10],
      [{ timestamp: Date.now() }, 10],
      [5, 5],
    ] as const) {
      seen.length = 0;
      expect(await source$.seek({ to })).toEqual([{ topic, partition: 0, offset }]);
      if (offset < 10) await until(() => seen.at(-1) === 9);
      expect(seen).toEqual(Array.from({ length: 10 - offset }, (_, i) => offset + i));
    }
    await expect(source$.seek({ to: 1 })).rejects.toMatchObject({ code: 'OFFSET_OUT_OF_RANGE', low: 2, high: 10 });
    await kafka.close();
    await reading;
  });

  it.runIf(real)('works after `onOutOfRange` has passed over what was gone', async () => {
    const { topic } = await numberedTopic(brokers, { records: 300, partitions: 1 });
    const offsets = memoryOffsets();
    const options = { group: unique('gone'), offsets, onOutOfRange: 'earliest' } as const;
    await next(topic, options);
    await deleteRecords(brokers[0] as string, topic, [{ partition: 0, before: 100 }]);
    await using kafka = new Kafka({ brokers });
    const source$ = fromTopic(kafka, topic, options);
    const seen: number[] = [];
    const reading = drain(
      source$.pipe(
        commit(),
        tap(({ offset }) => seen.push(offset)),
      ),
    );
    await until(() => seen.at(-1) === 299);
    seen.length = 0;
    expect(await source$.seek({ to: 50 })).toEqual([{ topic, partition: 0, offset: 100 }]);
    await until(() => seen.at(-1) === 299);
    expect(seen).toEqual(Array.from({ length: 200 }, (_, i) => 100 + i));
    await kafka.close();
    await reading;
  });

  it('with groupOffsets sets the group’s own offsets', async () => {
    const kafka = new Kafka({ brokers });
    const s = await readToEnd({ offsets: groupOffsets(kafka) }, kafka);
    for (const offsets of s.seen) offsets.length = 0;
    await s.source$.seek({ to: 120 });
    await s.again();
    expect(s.seen).toEqual([offsetsFrom(120), offsetsFrom(120)]);
    await s.source$.seek({ to: 200 });
    await s.close();
    expect(await next(s.topic, { group: s.group, offsets: memoryOffsets() })).toBeGreaterThanOrEqual(200);
  });

  it.runIf(real)('above toTransaction: what comes again is written again, once', async () => {
    const { topic } = await numberedTopic(brokers, { records: 100, partitions: 1 });
    const to = unique('out');
    await createTopic(brokers, to, { partitions: 1 });
    const group = unique('transaction');
    await using kafka = new Kafka({ brokers });
    const source$ = fromTopic(kafka, topic, { group, offsets: groupOffsets(kafka) });
    const passed: number[] = [];
    const options = { transactionalId: unique('id'), everyMs: 20 };
    const writing = drain(
      source$.pipe(
        toTransaction(kafka, to, ({ value }) => ({ value }), options),
        tap(({ offset }) => passed.push(offset)),
      ),
    );
    await until(() => passed.length === 100);
    await source$.seek({ to: 70 });
    await until(() => passed.length === 130);
    await kafka.close();
    await writing;
    await using reader = await committedReader(brokers, group);
    const all = Array.from({ length: 100 }, (_, n) => n);
    expect((await reader.readAll(to)).map(numberOf)).toEqual([...all, ...all.slice(70)]);
    expect((await reader.offsets(topic)).map(({ committed }) => committed)).toEqual([100]);
  });

  it('while members come and go: each is done or rejected, and at last everything can be read again', { timeout: 120_000 }, async () => {
    const offsets = memoryOffsets();
    const s = await readToEnd({ offsets, properties: QUICK });
    const enough = new AbortController();
    const seeking = (async () => {
      while (!enough.signal.aborted) {
        await s.source$.seek({ to: 150 }).catch((error: unknown) => {
          if (!(error instanceof NotAssignedError)) throw error;
        });
        await delay(5);
      }
    })();
    for (let n = 0; n < 3; n += 1) {
      await using other = new Kafka({ brokers });
      const assigned = firstValueFrom(other.events$.pipe(filter(({ type }) => type === 'assigned')), { defaultValue: undefined });
      const run = drain(fromTopic(other, s.topic, { group: s.group, offsets, properties: QUICK, drainTimeoutMs: 100 }).pipe(commit()));
      await assigned;
      await other.close();
      await run;
    }
    enough.abort();
    await seeking;
    const everything = async (): Promise<number> => (await s.source$.seek({ to: 'earliest' }).catch(() => [])).length;
    while ((await everything()) < 2) await delay(50);
    for (const seen of s.seen) seen.length = 0;
    await s.source$.seek({ to: 'earliest' });
    await s.again();
    expect(s.seen).toEqual([offsetsFrom(0), offsetsFrom(0)]);
    await s.close();
  });

  it('of a group with one of the older strategies is an OptionError, and changes nothing', async () => {
    const s = await readToEnd({ offsets: memoryOffsets(), properties: { 'partition.assignment.strategy': 'range' } });
    await expect(s.source$.seek({ to: 'earliest' })).rejects.toThrow(OptionError);
    await s.close();
  });

  it('of a partition that another member has is rejected, and that one goes on', async () => {
    const offsets = memoryOffsets();
    const { topic } = await numberedTopic(brokers, { records: 20, partitions: 2 });
    const group = unique('shared');
    const kafkas = [new Kafka({ brokers }), new Kafka({ brokers })];
    const held = new Map<KafkaSource, Set<number>>();
    const runs = kafkas.map((kafka) => {
      const source$ = fromTopic(kafka, topic, { group, offsets, properties: QUICK, drainTimeoutMs: 100 });
      const mine = new Set<number>();
      held.set(source$, mine);
      void kafka.events$.forEach((event) => {
        if (event.type === 'assigned') for (const { partition } of event.partitions) mine.add(partition);
        if (event.type === 'revoked') for (const { partition } of event.partitions) mine.delete(partition);
      });
      return drain(
        source$.pipe(
          commit(),
          concatMap((record) => of(record)),
        ),
      );
    });
    await until(() => [...held.values()].every(({ size }) => size === 1));
    for (const [source$, mine] of held) {
      for (const partition of [0, 1]) {
        const seeking = source$.seek({ topic, partition, offset: 5 });
        if (mine.has(partition)) expect(await seeking).toEqual([{ topic, partition, offset: 5 }]);
        else await expect(seeking).rejects.toThrow(NotAssignedError);
      }
    }
    await Promise.all(kafkas.map((kafka) => kafka.close()));
    await Promise.all(runs);
  });
});
