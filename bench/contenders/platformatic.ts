/** @platformatic/kafka: its stream of messages in flowing mode, and large sends. */
import { contend } from '../contend.js';
import type { Meter } from '../meter.js';
import { payloads, transformed } from '../payload.js';
import type { Payload } from '../payload.js';
import { peer, peerVersion } from '../peers.js';
import type { Compression, Task } from '../task.js';

/** What is used of it. */
interface Platformatic {
  readonly Consumer: new (options: object) => Consumer;
  readonly Producer: new (options: object) => Producer;
}
interface Received {
  readonly partition: number;
  readonly offset: bigint;
  readonly key: Buffer | null;
  readonly value: Buffer | null;
}
interface Consumer {
  on(event: string, listener: () => void): void;
  consume(options: { topics: string[]; mode: string; fallbackMode: string }): Promise<Stream>;
  commit(options: { offsets: readonly { topic: string; partition: number; offset: bigint; leaderEpoch: number }[] }): Promise<unknown>;
}
interface Stream {
  on(event: 'data', listener: (message: Received) => void): void;
  on(event: 'error', listener: (error: Error) => void): void;
  pause(): void;
  resume(): void;
}
interface Producer {
  send(options: {
    messages: readonly { topic: string; key: Buffer | null; value: Buffer }[];
    acks: number;
    compression: Compression;
  }): Promise<unknown>;
}

const CONSUMER = { autocommit: false, maxWaitTime: 100, maxBytesPerPartition: 1_048_576, highWaterMark: 1_024 };
const PRODUCER = { acks: -1 };
const BATCH = { records: 5_000, bytes: 2_000_000 };
const IN_FLIGHT = 4;

const { Consumer, Producer } = await peer<Platformatic>('@platformatic/kafka');

await contend(peerVersion('@platformatic/kafka'), {
  consume: { settings: { ...CONSUMER, mode: "stream.on('data')" }, run: consume },
  produce: { settings: { ...PRODUCER, batch: BATCH, batchesInFlight: IN_FLIGHT }, run: produce },
  transform: {
    settings: {
      consumer: CONSUMER,
      producer: PRODUCER,
      mode: "stream.on('data'), one send and one commit per batch",
      batch: BATCH.records,
    },
    run: transform,
  },
});

async function open(task: Task, meter: Meter, each: (message: Received, stream: Stream) => void): Promise<Consumer> {
  const consumer = new Consumer({ clientId: 'bench', bootstrapBrokers: task.brokers, groupId: task.group });
  consumer.on('consumer:group:join', () => {
    meter.start();
  });
  const stream = await consumer.consume({ ...CONSUMER, topics: [task.topic], mode: 'committed', fallbackMode: 'earliest' });
  stream.on('error', (error) => {
    throw error;
  });
  stream.on('data', (message) => {
    each(message, stream);
  });
  return consumer;
}

async function consume(task: Task, meter: Meter): Promise<void> {
  await open(task, meter, ({ key, value }) => {
    if (meter.record(key, value)) meter.stop();
  });
  await meter.reached;
}

async function produce(task: Task, meter: Meter): Promise<void> {
  const producer = new Producer({ clientId: 'bench', bootstrapBrokers: task.brokers });
  const pool = payloads(10_000, task.bytes);
  const most = Math.min(BATCH.records, Math.floor(BATCH.bytes / task.bytes));
  let sent = 0;
  const send = async (): Promise<void> => {
    while (sent < task.records) {
      const from = sent;
      sent = Math.min(task.records, sent + most);
      const messages = Array.from({ length: sent - from }, (_, i) => {
        const { key, value } = pool[(from + i) % pool.length] as Payload;
        return { topic: task.topic, key, value };
      });
      await producer.send({ ...PRODUCER, messages, compression: task.compression });
      meter.count(messages.length);
    }
  };
  const [{ key, value }] = pool as [Payload];
  await producer.send({ ...PRODUCER, messages: [{ topic: task.topic, key, value }], compression: task.compression });
  meter.start();
  await Promise.all(Array.from({ length: IN_FLIGHT }, send));
  meter.stop();
}

async function transform(task: Task, meter: Meter): Promise<void> {
  const producer = new Producer({ clientId: 'bench', bootstrapBrokers: task.brokers });
  let batch: Received[] = [];
  let seen = 0;
  const consumer = await open(task, meter, (message, stream) => {
    batch.push(message);
    seen += 1;
    if (batch.length < BATCH.records && seen < task.records) return;
    const full = batch;
    batch = [];
    stream.pause();
    pass(full).then(
      () => {
        stream.resume();
      },
      (error: unknown) => {
        throw error;
      },
    );
  });
  const pass = async (full: readonly Received[]): Promise<void> => {
    const messages = full.map(({ key, value }) => ({ topic: task.output, key, value: transformed(value) }));
    await producer.send({ ...PRODUCER, messages, compression: task.compression });
    const positions = new Map(full.map(({ partition, offset }) => [partition, offset + 1n]));
    const offsets = [...positions].map(([partition, offset]) => ({ topic: task.topic, partition, offset, leaderEpoch: 0 }));
    await consumer.commit({ offsets });
    if (meter.count(full.length)) meter.stop();
  };
  await meter.reached;
}
