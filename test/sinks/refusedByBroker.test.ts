import { Subject, from, take } from 'rxjs';
import { afterAll, afterEach, beforeAll, describe, expect, it, vi } from 'vitest';
import type { JvmBroker } from '../../broker/index.js';
import { authorizing, denyEverything, denyWrites, startJvmBroker } from '../../broker/index.js';
import { findJava } from '../../broker/java.js';
import type { KafkaRecord } from '../../src/index.js';
import {
  FencedError,
  Kafka,
  NotAuthorizedError,
  ProducerFencedError,
  fromTopic,
  groupOffsets,
  publish,
  publisher,
  toTopic,
  toTransaction,
} from '../../src/index.js';
import { numberedTopic } from '../support/numbered.js';
import { newProducerId, writeRaw } from '../support/rawRecords.js';
import { temporaryFolder } from '../support/temporaryFolder.js';
import { ways } from '../support/ways.js';
import { collect, failure } from './outcome.js';
import { created, unique } from './topics.js';
import { contents, counts } from './witness.js';

const java = await findJava().then(
  () => true,
  () => false,
);
const TOPIC_AUTHORIZATION_FAILED = 29;
const INVALID_PRODUCER_EPOCH = 47;
/** The client's own epochs count up from 0. */
const FAR_EPOCH = 100;

const silent = { debug: () => undefined, info: () => undefined, warn: () => undefined, error: () => undefined };

/** Numbers that are written to a topic, those that came out behind it, and why there will be no more. */
function numbersTo(topic: string, kafka: Kafka) {
  const source$ = new Subject<number>();
  const passed: number[] = [];
  const result = (n: number) => {
    passed.push(n);
  };
  const failed = failure(source$.pipe(toTopic(kafka, topic, (n) => ({ value: `${n}` }), { result })));
  return { source$, passed, failed };
}

function standStill(ms: number): void {
  const end = performance.now() + ms;
  while (performance.now() < end);
}

afterEach(() => {
  vi.unstubAllEnvs();
});

describe.runIf(java)('a broker that asks for rights', () => {
  let broker: JvmBroker;
  let address: string;
  beforeAll(async () => {
    // It looks for transactions that last too long more often than every ten seconds.
    broker = await startJvmBroker({ settings: { ...authorizing, 'transaction.abort.timed.out.transaction.cleanup.interval.ms': '200' } });
    address = broker.brokers[0] as string;
  });
  afterAll(() => broker.close());

  describe.each(ways)('on the %s path', (way) => {
    const open = (): Kafka => {
      if (way === 'plain') vi.stubEnv('KAFKA_RX_PRODUCER', 'plain');
      return new Kafka({ brokers: broker.brokers });
    };

    it('has toTopic error with a NotAuthorizedError when the right to write is taken away, and pass nothing on after that', async () => {
      await using kafka = open();
      const topic = await created('closed', 1, {}, broker.brokers);
      const { source$, passed, failed } = numbersTo(topic, kafka);

      source$.next(1);
      await expect.poll(() => passed).toEqual([1]);
      await denyWrites(address, topic);
      source$.next(2);
      source$.next(3);

      const error = await failed;
      expect(error).toBeInstanceOf(NotAuthorizedError);
      expect(error).toMatchObject({
        code: 'NOT_AUTHORIZED',
        topic,
        partition: 0,
        kafkaCode: TOPIC_AUTHORIZATION_FAILED,
        outcome: 'failed',
        retriable: false,
      });
      expect(String(error)).toContain('ask for the right to write to it');
      expect(passed).toEqual([1]);
      expect(await counts(broker.brokers, topic)).toEqual([1]);
    });

    it('has toTopic say so of a topic that may not even be looked at', async () => {
      await using kafka = open();
      const topic = await created('hidden', 1, {}, broker.brokers);
      await denyEverything(address, topic);

      const error = await failure(from(['a']).pipe(toTopic(kafka, topic, (value) => ({ value }), { messageTimeoutMs: 5_000 })));

      expect(error).toBeInstanceOf(NotAuthorizedError);
      expect(error).toMatchObject({ topic, kafkaCode: TOPIC_AUTHORIZATION_FAILED, outcome: 'failed' });
    });

    it('has a publisher drop what it may not write, with the reason, and go on with the rest', async () => {
      await using kafka = open();
      await using folder = await temporaryFolder();
      const [topic, closed] = [await created('open', 1, {}, broker.brokers), await created('closed', 1, {}, broker.brokers)];
      await denyWrites(address, closed);
      const troubles: unknown[] = [];
      void kafka.events$.forEach((event) => {
        if (event.type === 'error' && event.client === 'publisher') troubles.push(event.error);
      });
      await using out = publisher(kafka, { topic, spill: `${folder.path}/spill` });

      const told = await collect(from([topic, closed, topic, closed]).pipe(publish(out, (to) => ({ topic: to, value: 'v' }))));

      expect(told.map(({ where }) => where)).toEqual(['kafka', 'dropped', 'kafka', 'dropped']);
      expect(told[1]).toMatchObject({ reason: 'refused', error: expect.any(NotAuthorizedError) as Error });
      expect(troubles.filter((error) => error instanceof NotAuthorizedError).length).toBeGreaterThan(0);
      expect(await counts(broker.brokers, topic)).toEqual([2]);
    });

    it('has toTopic error with a ProducerFencedError when the epoch of its producer is over', async () => {
      await using kafka = open();
      const topic = await created('fenced', 1, {}, broker.brokers);
      // The next id is that of the producer, which nobody else is to write with; so somebody does.
      const id = (await newProducerId(address)) + 1;
      const { source$, passed, failed } = numbersTo(topic, kafka);
      source$.next(1);
      await expect.poll(() => passed).toEqual([1]);
      const usurper = { key: null, value: Buffer.from('usurper'), timestamp: 1, headers: [] };
      await writeRaw(address, topic, 0, [usurper], { id, epoch: FAR_EPOCH });
      source$.next(2);
      source$.next(3);

      const error = await failed;
      expect(error).toBeInstanceOf(ProducerFencedError);
      expect(error).toMatchObject({
        code: 'PRODUCER_FENCED',
        topic,
        partition: 0,
        kafkaCode: INVALID_PRODUCER_EPOCH,
        outcome: 'failed',
        retriable: false,
      });
      expect(passed).toEqual([1]);
      expect((await contents(broker.brokers, topic)).map(({ value }) => String(value))).toEqual(['1', 'usurper']);
    });

    it('has a publisher take another producer in place of one whose epoch is over, and lose nothing', async () => {
      await using kafka = open();
      await using folder = await temporaryFolder();
      const topic = await created('fenced', 1, {}, broker.brokers);
      const id = (await newProducerId(address)) + 1;
      await using out = publisher(kafka, { topic, spill: `${folder.path}/spill`, maxBackoffMs: 100 });
      const source$ = new Subject<string>();
      const places: string[] = [];
      void out.outcomes$.forEach(({ where }) => places.push(where));
      void source$.pipe(publish(out, (value) => ({ value }))).forEach(() => undefined);

      source$.next('1');
      await expect.poll(() => places).toEqual(['kafka']);
      await writeRaw(address, topic, 0, [{ key: null, value: Buffer.from('usurper'), timestamp: 1, headers: [] }], {
        id,
        epoch: FAR_EPOCH,
      });
      source$.next('2');
      source$.next('3');

      await expect.poll(() => places.filter((where) => where === 'kafka').length).toBe(3);
      const values = (await contents(broker.brokers, topic)).map(({ value }) => String(value));
      expect(values.toSorted()).toEqual(['1', '2', '3', 'usurper']);
    });
  });

  it('has toTransaction error, with nothing visible and nothing committed', async () => {
    await using kafka = new Kafka({ brokers: broker.brokers });
    const { topic: inputs } = await numberedTopic(broker.brokers, { records: 5, partitions: 1 });
    const closed = await created('closed', 1, {}, broker.brokers);
    await denyWrites(address, closed);
    const group = unique('denied');

    const error = await failure(
      fromTopic(kafka, inputs, { group, offsets: groupOffsets(kafka) }).pipe(
        toTransaction<KafkaRecord>(kafka, closed, ({ value }) => ({ value }), { transactionalId: group, everyMs: 20 }),
        take(5),
      ),
    );

    expect(error).toBeInstanceOf(NotAuthorizedError);
    expect(error).toMatchObject({ topic: closed, kafkaCode: TOPIC_AUTHORIZATION_FAILED, outcome: 'failed', retriable: false });
    expect(await counts(broker.brokers, closed)).toEqual([0]);
    expect(await kafka.admin.groupOffsets(group)).toEqual([]);
  });

  it('has toTransaction say that its transaction was open for too long, and not that another one has its id', async () => {
    const { topic: inputs } = await numberedTopic(broker.brokers, { records: 200, partitions: 1 });
    const topic = await created('slow', 1, {}, broker.brokers);
    const group = unique('slow');
    await using kafka = new Kafka({ brokers: broker.brokers, logger: silent });
    void kafka.events$.forEach((event) => {
      // The process stands still when the broker is being told of the transaction: before that, there is none which it could end.
      if (event.type === 'log' && event.message.includes('Registering partitions with transaction')) standStill(2_500);
    });

    const error = await failure(
      fromTopic(kafka, inputs, { group, offsets: groupOffsets(kafka), maxInFlight: 10 }).pipe(
        toTransaction<KafkaRecord>(kafka, topic, ({ value }) => ({ value }), {
          transactionalId: group,
          everyMs: 0,
          properties: { 'transaction.timeout.ms': 1_000, 'debug': 'eos' },
        }),
        take(200),
      ),
    );

    expect(error).toBeInstanceOf(FencedError);
    expect(String(error)).toMatch(/its transaction was open for \d+ ms, which is longer than `transaction.timeout.ms` \(1000\)/);
    expect(String(error)).toContain('They could not be reached for so long, or this process stood still');
  });
});
