import { EventEmitter } from 'node:events';
import type { KafkaConsumer } from 'node-rdkafka';
import { from, lastValueFrom } from 'rxjs';
import { afterEach, beforeEach, describe, expect, it } from 'vitest';
import type { Properties } from '../../src/index.js';
import { Kafka } from '../../src/index.js';
import { rdkafka } from '../../src/rdkafka.js';
import type { Membership } from '../../src/sources/membership.js';
import { groupMember } from '../../src/sources/consumer.js';
import { resolveSourceOptions } from '../../src/sources/sourceOptions.js';

const ASSIGN_PARTITIONS = -175;
const REVOKE_PARTITIONS = -174;
const TOPIC = 'orders';

type Ask = (error: { readonly code: number }, partitions: readonly object[]) => void;

/** A client that answers nothing by itself, and writes down how it is answered. Which questions a real one asks while it closes is up to chance. */
class Client extends EventEmitter {
  readonly answers: string[] = [];
  readonly ask: Ask;
  #disconnected: (() => void) | undefined;

  constructor(settings: { readonly rebalance_cb: Ask }) {
    super();
    this.ask = settings.rebalance_cb;
  }

  readonly getClient = (): object => ({
    consume: (_timeoutMs: number, _max: number, done: (error: null, messages: []) => void) =>
      setImmediate(() => {
        this.onRead();
        done(null, []);
      }),
  });
  /** What a read brings beside records. */
  onRead = (): void => undefined;
  readonly unsubscribe = (): void => {
    this.answers.push('unsubscribe');
  };
  readonly rebalanceProtocol = (): string => 'COOPERATIVE';
  readonly subscribe = (): void => undefined;
  readonly resume = (): void => undefined;
  readonly queryWatermarkOffsets = (): void => undefined;
  readonly connect = (_options: object, done: () => void): void => {
    done();
  };
  readonly getMetadata = (_options: object, done: (error: null, metadata: object) => void): void => {
    done(null, { topics: [{ name: TOPIC, partitions: [{}] }] });
  };
  readonly disconnect = (done: () => void): void => {
    this.answers.push('disconnect');
    this.#disconnected = done;
  };
  readonly incrementalAssign = (partitions: readonly object[]): void => {
    this.answers.push(`assign ${partitions.length}`);
  };
  readonly incrementalUnassign = (partitions: readonly object[]): void => {
    this.answers.push(`unassign ${partitions.length}`);
  };
  readonly unassign = (): void => {
    this.answers.push('unassign all');
  };

  get disconnecting(): boolean {
    return this.#disconnected !== undefined;
  }

  isGone(): void {
    this.#disconnected?.();
  }
}

describe('what the group asks a member that closes', () => {
  const clients = rdkafka() as { KafkaConsumer: typeof KafkaConsumer };
  const { KafkaConsumer: original } = clients;
  let client: Client;
  let member: Membership;

  beforeEach(async () => {
    clients.KafkaConsumer = class extends Client {
      constructor(settings: never) {
        super(settings);
        // eslint-disable-next-line @typescript-eslint/no-this-alias -- It is made deep inside.
        client = this;
      }
    } as never;
    member = await connected();
  });
  afterEach(() => {
    clients.KafkaConsumer = original;
  });

  async function connected(properties: Properties = {}): Promise<Membership> {
    const kafka = new Kafka({ brokers: ['localhost:9092'], properties });
    const listener = { onAssigned: () => undefined, onRevoked: () => undefined, onFatal: () => undefined };
    const joining = groupMember(kafka, { group: 'billing', topics: [TOPIC], ...resolveSourceOptions('test', {}) }, listener);
    await lastValueFrom(from(joining.connect()), { defaultValue: undefined });
    return joining;
  }

  const close = (): Promise<void> => lastValueFrom(from(member.close()), { defaultValue: undefined });
  const partition = { topic: TOPIC, partition: 0 };
  const gives = (): void => {
    client.ask({ code: ASSIGN_PARTITIONS }, [partition]);
  };
  const takes = (): void => {
    client.ask({ code: REVOKE_PARTITIONS }, [partition]);
  };
  async function untilDisconnecting(): Promise<void> {
    while (!client.disconnecting) await new Promise((resolve) => setImmediate(resolve));
  }

  it.each([
    ['partitions are given', gives, 'assign 0'],
    ['partitions are taken', takes, 'unassign 0'],
  ])('gets an answer of its own kind when it was asked before: %s', async (_name, ask, answer) => {
    ask();
    const closed = close();
    await untilDisconnecting();
    client.isGone();
    await closed;
    expect(client.answers).toEqual([answer, 'unsubscribe', 'disconnect']);
  });

  it('gets one answer to all that was asked before, of the last one\u2019s kind', async () => {
    takes();
    gives();
    gives();
    const closed = close();
    await untilDisconnecting();
    client.isGone();
    await closed;
    member.assign([{ ...partition, offset: 0 }]);
    member.unassign([partition]);
    expect(client.answers).toEqual(['assign 0', 'unsubscribe', 'disconnect']);
  });

  it.each([
    ['partitions are given', gives, 'assign 0'],
    ['partitions are taken', takes, 'unassign 0'],
  ])('gets an answer of its own kind when the last read brought it: %s', async (_name, ask, answer) => {
    const closed = close();
    ask();
    await untilDisconnecting();
    client.isGone();
    await closed;
    expect(client.answers).toEqual([answer, 'unsubscribe', 'disconnect']);
  });

  it('gets everything back before the client closes: one that closes blocks a thread until it is answered', async () => {
    gives();
    member.assign([{ ...partition, offset: 5 }]);
    client.onRead = () => {
      client.onRead = () => undefined;
      takes();
    };
    const closed = close();
    await untilDisconnecting();
    client.isGone();
    await closed;
    expect(client.answers).toEqual(['assign 1', 'unsubscribe', 'unassign 0', 'disconnect']);
  });

  it('is not provoked where a member has a place of its own: it would lose that', async () => {
    member = await connected({ 'group.instance.id': 'first' });
    const closed = close();
    await untilDisconnecting();
    client.isGone();
    await closed;
    expect(client.answers).toEqual(['disconnect']);
  });

  it('gets one answer while the client closes, for that ends it, and the next one would wait for a client that is gone', async () => {
    gives();
    member.assign([{ ...partition, offset: 5 }]);
    const closed = close();
    await untilDisconnecting();
    takes();
    takes();
    client.isGone();
    await closed;
    expect(client.answers).toEqual(['assign 1', 'unsubscribe', 'disconnect', 'unassign all']);
  });

  it('gets none when the client is closed: it could only throw into the event loop', async () => {
    const closed = close();
    await untilDisconnecting();
    client.isGone();
    await closed;
    takes();
    expect(client.answers).toEqual(['unsubscribe', 'disconnect']);
  });
});
