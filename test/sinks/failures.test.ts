import { randomBytes } from 'node:crypto';
import { createServer } from 'node:net';
import type { AddressInfo } from 'node:net';
import { once } from 'node:events';
import { inspect } from 'node:util';
import { concatMap, from, NEVER, of, Subject, tap, throwError } from 'rxjs';
import { describe, expect, inject, it, vi } from 'vitest';
import { deleteTopic } from '../../broker/index.js';
import type { Logger } from '../../src/index.js';
import { BrokerUnavailableError, DeliveryError, DeliveryTimeoutError, Kafka, toTopic } from '../../src/index.js';
import { embeddedKafka } from '../../src/testing/index.js';
import { collect, failure } from './outcome.js';
import { created, unique } from './topics.js';
import { contents, counts } from './witness.js';
import { eventually } from '../support/eventually.js';

const brokers = inject('brokers');
/** The embedded cluster makes every topic that it is asked for. */
const real = inject('brokerKind') !== 'embedded';
const soon = { 'message.timeout.ms': 1_000 };
const MSG_SIZE_TOO_LARGE = 10;

describe.runIf(real)('toTopic errors', () => {
  it('with a DeliveryError when the topic does not exist, once message.timeout.ms is over', async () => {
    await using kafka = new Kafka({ brokers });
    const topic = unique('nowhere');

    const error = await failure(of('x').pipe(toTopic(kafka, topic, (value) => ({ value }), { topicProperties: soon })));

    expect(error).toBeInstanceOf(DeliveryError);
    expect(error).toMatchObject({
      code: 'DELIVERY_TIMEOUT',
      topic,
      partition: undefined,
      kafkaCode: -192,
      outcome: 'failed',
      retriable: true,
    });
    expect(String(error)).toContain('check that it exists');
  });

  it('with a DeliveryError when the partition does not exist', async () => {
    await using kafka = new Kafka({ brokers });
    const topic = await created('few', 2);
    const known$ = new Subject<number>();

    // Asked before and after the client knows the topic: the first is told by a report, the second at once.
    const first = await failure(of(2).pipe(toTopic(kafka, topic, (partition) => ({ partition, value: 'x' }), { topicProperties: soon })));
    const second = failure(known$.pipe(toTopic(kafka, topic, (partition) => ({ partition, value: 'x' }), { result: () => { known$.next(9); } }))); // prettier-ignore
    known$.next(1);

    expect(first).toMatchObject({ code: 'UNKNOWN_DESTINATION', topic, partition: 2, kafkaCode: -190, outcome: 'failed', retriable: false });
    expect(await second).toMatchObject({
      code: 'UNKNOWN_DESTINATION',
      topic,
      partition: 9,
      kafkaCode: -190,
      outcome: 'failed',
      retriable: false,
    });
    await kafka.close();
    expect(await counts(brokers, topic)).toEqual([0, 1]);
  });

  it('with a DeliveryError when a record is too large: for the broker, for the client, for its queue', async () => {
    const topic = await created('small', 1, { 'max.message.bytes': '1000' });
    const large = randomBytes(1_500).toString('hex');
    const sinks = {
      broker: { properties: {}, kafkaCode: MSG_SIZE_TOO_LARGE, partition: 0, limitBytes: undefined },
      client: { properties: { 'message.max.bytes': 1_000 }, kafkaCode: MSG_SIZE_TOO_LARGE, partition: undefined, limitBytes: 1_000 },
      queue: { properties: { 'queue.buffering.max.kbytes': 1 }, kafkaCode: -184, partition: undefined, limitBytes: 1_024 },
    };

    for (const { properties, kafkaCode, partition, limitBytes } of Object.values(sinks)) {
      await using kafka = new Kafka({ brokers });
      const error = await failure(of(large).pipe(toTopic(kafka, topic, (value) => ({ key: 'k', value }), { properties })));

      expect(error).toMatchObject({
        code: 'RECORD_TOO_LARGE',
        topic,
        partition,
        kafkaCode,
        sizeBytes: 3_001,
        limitBytes,
        outcome: 'failed',
        retriable: false,
      });
      expect(String(error)).toMatch(/too large|larger than/);
      expect(inspect(error, { depth: 9, showHidden: true, maxStringLength: Infinity })).not.toContain(large.slice(0, 20));
    }
    expect(await contents(brokers, topic)).toEqual([]);
  });

  it('when a record is one byte larger than the client takes, and not before', async () => {
    const topic = await created('edge', 1);
    /** What the client counts for the format. */
    const overhead = 36;
    const write = async (bytes: number) => {
      await using kafka = new Kafka({ brokers, properties: { 'message.max.bytes': 2_000 } });
      return await collect(of(bytes).pipe(toTopic(kafka, topic, () => ({ key: 'key', value: Buffer.alloc(bytes - overhead - 3) }))));
    };

    expect(await write(2_000)).toEqual([2_000]);
    await expect(write(2_001)).rejects.toMatchObject({ code: 'RECORD_TOO_LARGE', limitBytes: 2_000, sizeBytes: 2_001 - overhead });
    expect(await counts(brokers, topic)).toEqual([1]);
  });

  it('when the topic is deleted meanwhile, and passes on nothing that was sent after', async () => {
    await using kafka = new Kafka({ brokers });
    const topic = await created('deleted', 1);
    const source$ = new Subject<number>();
    const passed: number[] = [];
    const failed = failure(
      source$.pipe(
        toTopic(kafka, topic, (n) => ({ value: `${n}` }), { properties: { 'topic.metadata.refresh.interval.ms': 100, 'topic.metadata.propagation.max.ms': 100 }, topicProperties: soon }), // prettier-ignore
        tap((n) => passed.push(n)),
        concatMap(() => deleteTopic(brokers, topic)),
        tap(() => {
          source$.next(2);
        }),
      ),
    );
    source$.next(1);

    expect(await failed).toMatchObject({ topic, code: expect.stringMatching(/UNKNOWN_DESTINATION|DELIVERY_TIMEOUT/) as string });
    expect(passed).toEqual([1]);
  });

  it('with a DeliveryError whose outcome is unknown when a record may have reached a broker that is gone', async () => {
    const cluster = await embeddedKafka({ topics: ['unanswered'] });
    await using kafka = new Kafka({ brokers: cluster.brokers });
    const source$ = new Subject<string>();
    const to = (value: string) => ({ partition: 3, value });
    const failed = failure(
      source$.pipe(
        toTopic(kafka, 'unanswered', to, { topicProperties: soon }),
        concatMap(() => cluster.close()),
        tap(() => {
          source$.next('lost');
        }),
      ),
    );

    source$.next('heard');

    const error = await failed;
    expect(error).toBeInstanceOf(DeliveryTimeoutError);
    expect(error).toMatchObject({ topic: 'unanswered', partition: 3, kafkaCode: -192, outcome: 'unknown', retriable: true });
    expect(String(error)).toContain('it may have been written all the same');
  });

  it('with a BrokerUnavailableError when no broker answers in time, and tells of it on events$ before', async () => {
    await using kafka = new Kafka({ brokers: [await nobody()], connectTimeoutMs: 1_000 });
    const seen: string[] = [];
    void kafka.events$.forEach(({ type }) => {
      // Without the addon there is a notice of that before.
      if (type !== 'notice') seen.push(type);
    });

    const error = await failure(NEVER.pipe(toTopic(kafka, 'out', () => null))).finally(() => seen.push('failed'));

    expect(error).toBeInstanceOf(BrokerUnavailableError);
    expect(error).toMatchObject({ code: 'BROKER_UNAVAILABLE', retriable: true, brokers: kafka.brokers });
    expect(String(error)).toContain(kafka.brokers[0]);
    expect(seen[0]).toBe('error');
    expect(seen.indexOf('error')).toBeLessThan(seen.indexOf('failed'));
  });

  it('with what `to`, the topic function or `result` throw, and asks them for nothing more', async () => {
    await using kafka = new Kafka({ brokers });
    const topic = await created('thrown', 1);
    const boom = new Error('boom');
    const throws = vi.fn((): never => {
      throw boom;
    });

    expect(await failure(of(1, 2, 3).pipe(toTopic(kafka, topic, throws)))).toBe(boom);
    expect(await failure(of(1, 2, 3).pipe(toTopic(kafka, throws, () => ({ value: 'x' }))))).toBe(boom);
    expect(throws).toHaveBeenCalledTimes(2);
    await kafka.close();
    expect(await counts(brokers, topic)).toEqual([0]);

    await using other = new Kafka({ brokers });
    expect(await failure(of(1, 2, 3).pipe(toTopic(other, topic, () => ({ value: 'x' }), { result: throws })))).toBe(boom);
    await other.close();
    expect(throws).toHaveBeenCalledTimes(3);
  });

  it("with its source's error, at once: what is not acknowledged by then does not go on", async () => {
    await using kafka = new Kafka({ brokers });
    const boom = new Error('boom');
    const source$ = new Subject<string>();
    const seen: unknown[] = [];
    source$.pipe(toTopic(kafka, await created('broken', 1), (value) => ({ value }))).subscribe({
      next: (value) => {
        seen.push(value);
        source$.next('second');
        source$.error(boom);
      },
      error: (error: unknown) => seen.push(error),
    });

    source$.next('first');

    await eventually(() => {
      expect(seen).toEqual(['first', boom]);
    });
    await kafka.close();
    expect(seen).toEqual(['first', boom]);
    expect(await failure(throwError(() => boom).pipe(toTopic(new Kafka({ brokers }), 'out', () => null)))).toBe(boom);
  });
});

describe.runIf(real)('no error, event or line of log of toTopic', () => {
  it('holds a password or a payload', async () => {
    const [password, payload] = ['canary-password-7391', 'canary-payload-2846'];
    const log: unknown[] = [];
    const line = (context: object, message: string): void => void log.push(context, message);
    const logger: Logger = { debug: line, info: line, warn: line, error: line };
    const printed = vi.spyOn(process.stderr, 'write').mockReturnValue(true);
    const options = { logger, connectTimeoutMs: 1_000, properties: { debug: 'all' } };
    const sasl = { mechanism: 'SCRAM-SHA-256', username: 'someone', password } as const;
    const [missing, topic] = [unique('nowhere'), await created('secret', 4)];
    const records = [
      { value: payload, headers: { h: payload } },
      { value: payload, headers: { h: `${payload}\ud800` } },
    ];
    const kafkas: Kafka[] = [];
    const open = (more: object): Kafka => {
      const kafka = new Kafka({ brokers, ...options, ...more });
      void kafka.events$.forEach((event) => log.push(event));
      kafkas.push(kafka);
      return kafka;
    };

    const errors = await Promise.all([
      failure(NEVER.pipe(toTopic(open({ sasl }), topic, () => null))),
      failure(NEVER.pipe(toTopic(open({ sasl: { ...sasl, mechanism: 'PLAIN' }, brokers: [await nobody()] }), topic, () => null))),
      failure(NEVER.pipe(toTopic(open({ sasl }), topic, () => null, { properties: { 'sasl.mechanisms': 'none' } }))),
      failure(from(records).pipe(toTopic(open({}), topic, (record) => record))),
      failure(of(payload).pipe(toTopic(open({}), missing, (value) => ({ key: value, value }), { topicProperties: soon }))),
      failure(of(payload).pipe(toTopic(open({}), topic, (value) => ({ partition: 9, key: value, value }), { topicProperties: soon }))),
    ]);
    await Promise.all(kafkas.map((kafka) => kafka.close()));
    const shown = inspect([errors, log, printed.mock.calls], {
      depth: 12,
      showHidden: true,
      maxArrayLength: Infinity,
      maxStringLength: Infinity,
    });
    printed.mockRestore();

    expect(errors.map((error) => (error as { code: string }).code)).toEqual([
      'BROKER_UNAVAILABLE',
      'BROKER_UNAVAILABLE',
      'CLIENT_UNAVAILABLE',
      'INVALID_RECORD',
      'DELIVERY_TIMEOUT',
      'UNKNOWN_DESTINATION',
    ]);
    expect(log.length).toBeGreaterThan(20);
    expect(shown).not.toContain(password);
    expect(shown).not.toContain(payload);
  });
});

/** An address at which nobody answers. */
async function nobody(): Promise<string> {
  const server = createServer().listen(0, '127.0.0.1');
  await once(server, 'listening');
  const { port } = server.address() as AddressInfo;
  server.close();
  await once(server, 'close');
  return `127.0.0.1:${port}`;
}
