import { afterEach, beforeEach, describe, expect, it, vi } from 'vitest';
import { DeliveryError, ProducerFencedError, RecordTooLargeError } from '../../src/errors.js';
import { Kafka } from '../../src/kafka.js';
import { KafkaOutlet } from '../../src/sinks/kafkaOutlet.js';
import { outgoing } from '../../src/sinks/outgoing.js';
import { meterOf } from '../../src/sinks/producerMeter.js';
import * as producers from '../../src/sinks/producer.js';
import type { Sent } from '../../src/sinks/transport.js';

/** The clients that were made, each with what it was given and has not settled. As real ones do, they settle nothing once they are let go of. */
let clients: { readonly sent: Sent[]; ended: boolean }[];

beforeEach(() => {
  clients = [];
  vi.spyOn(producers, 'ProducerClient').mockImplementation(function client() {
    const made = { sent: [] as Sent[], ended: false };
    clients.push(made);
    return {
      headerValues: 'bytes',
      connect: () => Promise.resolve(),
      probe: () => Promise.resolve(),
      send: (sent: Sent) => made.sent.push(sent),
      end: () => {
        made.ended = true;
        return Promise.resolve();
      },
    } as never;
  });
});

afterEach(() => {
  vi.restoreAllMocks();
});

function options(kafkaCode: number) {
  return { topic: 'orders', partition: 0, kafkaCode, outcome: 'unknown', retriable: false } as const;
}

function failure(kafkaCode: number): DeliveryError {
  const of = options(kafkaCode);
  return [45, 47, 59].includes(kafkaCode) ? new ProducerFencedError('as planned', of) : new DeliveryError('as planned', of);
}

/** Three records on their way, and what was heard of each. */
function sending(): { outlet: KafkaOutlet; heard: unknown[] } {
  const kafka = new Kafka({ brokers: ['b:1'] });
  const outlet = new KafkaOutlet(kafka, {
    meter: meterOf(kafka, 'publisher', {}),
    properties: {},
    topicProperties: {},
    probeTimeoutMs: 100,
    onAllBrokersDown: () => undefined,
  });
  const heard: unknown[] = [];
  for (const value of ['a', 'b', 'c']) {
    outlet.send(
      outgoing({ value }, 'orders', (topic) => topic, 'bytes'),
      (error) => heard.push([value, error?.kafkaCode, error?.retriable]),
    );
  }
  return { outlet, heard };
}

/** The client says this of the second of them. */
async function outcomes(kafkaCode: number): Promise<unknown[]> {
  const { heard } = sending();
  const [first] = clients;
  first?.sent[0]?.acknowledged(0, 7, 1);
  first?.sent[1]?.failed(failure(kafkaCode));
  await Promise.resolve();
  return [heard, first?.ended];
}

describe('the way to Kafka', () => {
  it.each([
    ['failed for good', -150],
    ['emptied its queue, for it has failed', -152],
    ['lost its sequence', 45],
    ['has an old epoch', 47],
    ['is not known any more', 59],
  ])('of a client that %s, all that it had open is tried again with another one', async (_, code) => {
    expect(await outcomes(code)).toEqual([
      [
        ['a', undefined, undefined],
        ['b', -150, true],
        ['c', -150, true],
      ],
      true,
    ]);
  });

  it('leaves a record that failed by itself, and keeps the client', async () => {
    expect(await outcomes(29)).toEqual([
      [
        ['a', undefined, undefined],
        ['b', 29, false],
      ],
      false,
    ]);
  });

  it('sends a record by itself that was refused for the size of its batch, and only then gives it up', async () => {
    const { outlet, heard } = sending();
    const tooLarge = new RecordTooLargeError('as planned', { ...options(10), sizeBytes: 1, limitBytes: undefined });
    for (const sent of clients[0]?.sent ?? []) sent.failed(tooLarge);
    await Promise.resolve();
    expect(heard).toEqual([]);
    const [a, b, c] = clients[1]?.sent ?? [];
    a?.acknowledged(0, 1, 1);
    b?.failed(tooLarge);
    // It is of no use any more; the next goes by another one.
    c?.failed(failure(-150));
    expect(heard).toEqual([
      ['a', undefined, undefined],
      ['b', 10, false],
      ['c', -150, true],
    ]);
    expect(clients.map(({ ended }) => ended)).toEqual([false, true]);
    await outlet.close();
    expect(clients.map(({ ended }) => ended)).toEqual([true, true]);
  });
});
