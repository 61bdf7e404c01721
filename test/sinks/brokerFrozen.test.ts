import { setTimeout as delay } from 'node:timers/promises';
import { filter, firstValueFrom, take, tap } from 'rxjs';
import { afterAll, beforeAll, describe, expect, it, vi } from 'vitest';
import type { JvmBroker } from '../../broker/index.js';
import { startJvmBroker } from '../../broker/index.js';
import { findJava } from '../../broker/java.js';
import type { Delivery, DeliveryError, KafkaRecord, PublishOutcome } from '../../src/index.js';
import { DeliveryTimeoutError, Kafka, drain, fromTopic, groupOffsets, produceAll, publisher, toTransaction } from '../../src/index.js';
import { numberOf, numberedTopic } from '../support/numbered.js';
import { temporaryFolder } from '../support/temporaryFolder.js';
import { ways } from '../support/ways.js';
import { PARTITIONS, numbers, written } from './numberedInputs.js';
import { failure } from './outcome.js';
import { created, unique } from './topics.js';
import { contents, counts } from './witness.js';

/** More by `KAFKA_RX_RECORDS`. */
const RECORDS = Number(process.env['KAFKA_RX_RECORDS'] ?? 10_000);
const MESSAGE_TIMEOUT_MS = 500;
/** For so long the broker stands still: the client looks for what is too old once a second. */
const FROZEN_MS = MESSAGE_TIMEOUT_MS + 1_500;
const java = await findJava().then(
  () => true,
  () => false,
);

let broker: JvmBroker;
beforeAll(async () => {
  if (java) broker = await startJvmBroker();
});
afterAll(async () => {
  if (java) await broker.close();
});

describe.runIf(java).each(ways)('a broker that stands still for longer than messageTimeoutMs, on the %s path,', (way) => {
  beforeAll(() => {
    if (way === 'plain') vi.stubEnv('KAFKA_RX_PRODUCER', 'plain');
  });
  afterAll(() => {
    vi.unstubAllEnvs();
  });

  const open = (): Kafka => new Kafka({ brokers: broker.brokers });
  const standStill = async (): Promise<void> => {
    broker.freeze();
    await delay(FROZEN_MS);
    broker.thaw();
  };

  it('leaves no input of toTopic without an answer, nor with two', { timeout: 180_000 }, async () => {
    await using kafka = open();
    const topic = await created('frozen', PARTITIONS, {}, broker.brokers);
    let frozen: Promise<void> | undefined;

    const passed = await written(kafka, topic, {
      records: RECORDS,
      window: RECORDS / 40,
      options: { messageTimeoutMs: MESSAGE_TIMEOUT_MS },
      each: (n) => {
        if (n === RECORDS / 4) frozen = standStill();
      },
    });
    await frozen;

    expect(passed.count).toBe(RECORDS);
    expect(Array.from(passed.order)).toEqual(numbers(RECORDS));
    expect(passed.errors.size).toBeGreaterThan(0);
    await expectTrue(topic, (n) => ({ offset: passed.offsets[n] as number, error: passed.errors.get(n) }));
  });

  it('leaves no record of produceAll without a result', { timeout: 180_000 }, async () => {
    await using kafka = open();
    const topic = await created('frozen', PARTITIONS, {}, broker.brokers);
    const records = numbers(RECORDS).map((n) => ({ partition: n % PARTITIONS, value: `${n}` }));

    // Some are in the log, and most have to come, when it stops.
    const produced = produceAll(kafka, records, {
      topic,
      messageTimeoutMs: MESSAGE_TIMEOUT_MS,
      properties: { 'queue.buffering.max.messages': 100 },
    });
    await expect.poll(() => total(topic), { interval: 1 }).toBeGreaterThan(0);
    await standStill();
    const { offsets, errors } = await produced;

    expect(offsets).toHaveLength(RECORDS);
    expect(errors.length).toBeGreaterThan(0);
    expect(errors.length).toBeLessThan(RECORDS);
    await expectTrue(topic, (n) => offsets[n] as Delivery);
  });

  it('costs a publisher no message, and none is told of twice', { timeout: 180_000 }, async () => {
    await using kafka = open();
    await using folder = await temporaryFolder();
    const topic = await created('frozen', PARTITIONS, {}, broker.brokers);
    await using out = publisher(kafka, {
      topic,
      spill: `${folder.path}/spill`,
      attemptTimeoutMs: MESSAGE_TIMEOUT_MS,
      probeTimeoutMs: 500,
      maxBackoffMs: 200,
      retries: 1,
    });
    const outcomes: PublishOutcome[] = [];
    let replayed = 0;
    void out.outcomes$.forEach((outcome) => {
      if (outcome.replayed) replayed += 1;
      else outcomes.push(outcome);
    });
    const told = numbers(RECORDS).map(() => 0);
    let frozen: Promise<void> | undefined;
    await new Promise<void>((resolve) => {
      let next = 0;
      let open = 0;
      const send = (): void => {
        const n = next;
        next += 1;
        open += 1;
        out.send(`${n}`, `${n}`, {
          onOutcome: () => {
            told[n] = (told[n] as number) + 1;
            open -= 1;
            if (n === RECORDS / 4) frozen = standStill();
            if (next < RECORDS) send();
            else if (open === 0) resolve();
          },
        });
      };
      while (next < RECORDS / 40) send();
    });
    await frozen;
    await firstValueFrom(out.state$.pipe(filter((state) => state === 'kafka')), { defaultValue: undefined });

    expect(told).toEqual(numbers(RECORDS).map(() => 1));
    const spilled = outcomes.filter(({ where }) => where === 'disk').length;
    expect(outcomes.filter(({ where }) => where === 'kafka').length + spilled).toBe(RECORDS);
    expect(spilled).toBeGreaterThan(0);
    expect(replayed).toBe(spilled);
    expect(out.stats()).toMatchObject({ spilled, replayed, onDisk: { records: 0 } });
    const inLog = new Set((await contents(broker.brokers, topic)).map(({ value }) => Number(value)));
    expect(inLog.size).toBe(RECORDS);
  });

  async function total(topic: string): Promise<number> {
    return (await counts(broker.brokers, topic)).reduce((sum, count) => sum + count, 0);
  }

  /** What was acknowledged is where it is said to be. The rest may be there too, unless it is said that it is not. */
  async function expectTrue(topic: string, of: (n: number) => { offset: number; error?: DeliveryError | undefined }): Promise<void> {
    const found = new Map<string, number>();
    for (const { partition, offset, value } of await contents(broker.brokers, topic)) found.set(`${partition}/${offset}`, Number(value));
    const inLog = new Set(found.values());
    const wrong = numbers(RECORDS).filter((n) => {
      const { offset, error } = of(n);
      if (error === undefined) return found.get(`${n % PARTITIONS}/${offset}`) !== n;
      return !(error instanceof DeliveryTimeoutError) || (error.outcome === 'failed' && inLog.has(n));
    });
    expect(wrong).toEqual([]);
  }
});

describe.runIf(java)('a broker that stands still while a source with toTransaction is stopped', () => {
  it('has the stream error with what kept it from committing, and the inputs come again', { timeout: 120_000 }, async () => {
    await using kafka = new Kafka({ brokers: broker.brokers });
    const { topic: inputs } = await numberedTopic(broker.brokers, { records: 20, partitions: 1 });
    const topic = await created('stopped', 1, {}, broker.brokers);
    const group = unique('stopped');
    const stop = new AbortController();
    const passed: number[] = [];
    // The group soon lets go of a member that does not answer.
    const impatient = { maxInFlight: 10, drainTimeoutMs: 300, properties: { 'session.timeout.ms': 2_000, 'heartbeat.interval.ms': 500 } };
    const copy$ = (signal: AbortSignal) =>
      fromTopic(kafka, inputs, { group, offsets: groupOffsets(kafka), ...impatient, signal }).pipe(
        tap((record) => {
          if (numberOf(record) !== 10 || signal !== stop.signal) return;
          broker.freeze();
          stop.abort();
        }),
        toTransaction<KafkaRecord>(kafka, topic, ({ value }) => ({ value }), {
          transactionalId: group,
          everyMs: 0,
          everyRecords: 10,
          properties: { 'transaction.timeout.ms': 1_000 },
        }),
        tap((record) => passed.push(numberOf(record))),
      );

    const error = await failure(copy$(stop.signal)).finally(() => {
      broker.thaw();
    });

    expect(error).toMatchObject({ retriable: true });
    expect(passed.length).toBeLessThan(20);
    await drain(copy$(new AbortController().signal).pipe(take(20 - passed.length)));
    expect(passed).toEqual(numbers(20));
  });
});
