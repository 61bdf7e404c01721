import { afterEach, beforeEach, describe, expect, it, vi } from 'vitest';
import { DeliveryError, ProducerFencedError } from '../../src/errors.js';
import { Kafka } from '../../src/kafka.js';
import { KafkaOutlet } from '../../src/sinks/kafkaOutlet.js';
import { outgoing } from '../../src/sinks/outgoing.js';
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

function failure(kafkaCode: number): DeliveryError {
  const options = { topic: 'orders', partition: 0, kafkaCode, outcome: 'unknown', retriable: false } as const;
  return [45, 47, 59].includes(kafkaCode) ? new ProducerFencedError('as planned', options) : new DeliveryError('as planned', options);
}

/** Three records, of which the client says this of the second, and what was heard of each. */
async function outcomes(kafkaCode: number): Promise<unknown[]> {
  const outlet = new KafkaOutlet(new Kafka({ brokers: ['b:1'] }), {
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
    expect(await outcomes(10)).toEqual([
      [
        ['a', undefined, undefined],
        ['b', 10, false],
      ],
      false,
    ]);
  });
});
