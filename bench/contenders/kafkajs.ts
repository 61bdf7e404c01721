/** KafkaJS: whole batches, as its documentation advises for speed. */
import { contend } from '../contend.js';
import type { Meter } from '../meter.js';
import { payloads, transformed } from '../payload.js';
import { peer, peerVersion } from '../peers.js';
import type { Task } from '../task.js';

/** What is used of it. */
interface KafkaJs {
  readonly Kafka: new (options: { clientId: string; brokers: readonly string[]; logLevel: number }) => {
    consumer(options: object): Consumer;
    producer(options: object): Producer;
  };
  readonly CompressionTypes: { readonly None: number; readonly LZ4: number };
  readonly CompressionCodecs: Record<number, () => Codec>;
  readonly Partitioners: { readonly DefaultPartitioner: unknown };
}
interface Codec {
  compress(encoder: { readonly buffer: Buffer }): Promise<Buffer>;
  decompress(buffer: Buffer): Promise<Buffer>;
}
interface KafkaMessage {
  readonly key: Buffer | null;
  readonly value: Buffer | null;
}
interface Consumer {
  readonly events: { readonly GROUP_JOIN: string };
  on(event: string, listener: () => void): void;
  connect(): Promise<void>;
  subscribe(options: { topics: string[]; fromBeginning: boolean }): Promise<void>;
  run(options: { autoCommit: boolean; eachBatch(payload: { batch: { messages: KafkaMessage[] } }): Promise<void> }): Promise<void>;
}
interface Producer {
  connect(): Promise<void>;
  send(options: { topic: string; acks: number; compression: number; messages: readonly KafkaMessage[] }): Promise<unknown>;
}
interface Lz4 {
  compressFrameSync(data: Buffer): Buffer;
  decompressFrameSync(data: Buffer): Buffer;
}

const CONSUMER = { maxWaitTimeInMs: 100, maxBytes: 10_485_760, maxBytesPerPartition: 1_048_576 };
const RUN = { partitionsConsumedConcurrently: 4 };
const SEND = { acks: -1 };
const BATCH = { records: 5_000, bytes: 2_000_000 };
const IN_FLIGHT = 4;
const CODEC = 'lz4: lz4-napi, for it has none of its own';

const { default: kafkaJs } = await peer<{ default: KafkaJs }>('kafkajs');
const { CompressionCodecs, CompressionTypes, Partitioners } = kafkaJs;
const { default: lz4 } = await peer<{ default: Lz4 }>('lz4-napi');
CompressionCodecs[CompressionTypes.LZ4] = () => ({
  compress: (encoder) => Promise.resolve(lz4.compressFrameSync(encoder.buffer)),
  decompress: (buffer) => Promise.resolve(lz4.decompressFrameSync(buffer)),
});

await contend(peerVersion('kafkajs'), {
  consume: { settings: { ...CONSUMER, ...RUN, autoCommit: false, mode: 'eachBatch', codec: CODEC }, run: consume },
  produce: { settings: { ...SEND, batch: BATCH, batchesInFlight: IN_FLIGHT, codec: CODEC }, run: produce },
  transform: {
    settings: { ...CONSUMER, ...RUN, ...SEND, mode: 'eachBatch, one send per batch, autoCommit', codec: CODEC },
    run: transform,
  },
});

function client({ brokers }: Task): InstanceType<KafkaJs['Kafka']> {
  return new kafkaJs.Kafka({ clientId: 'bench', brokers, logLevel: 1 });
}

async function eachBatch(task: Task, meter: Meter, autoCommit: boolean, each: (messages: KafkaMessage[]) => Promise<void>): Promise<void> {
  const consumer = client(task).consumer({ ...CONSUMER, groupId: task.group });
  consumer.on(consumer.events.GROUP_JOIN, () => {
    meter.start();
  });
  await consumer.connect();
  await consumer.subscribe({ topics: [task.topic], fromBeginning: true });
  await consumer.run({ ...RUN, autoCommit, eachBatch: ({ batch }) => each(batch.messages) });
}

async function consume(task: Task, meter: Meter): Promise<void> {
  await eachBatch(task, meter, false, (messages) => {
    let last = false;
    for (const { key, value } of messages) last = meter.record(key, value);
    if (last) meter.stop();
    return Promise.resolve();
  });
  await meter.reached;
}

async function produce(task: Task, meter: Meter): Promise<void> {
  const producer = client(task).producer({ createPartitioner: Partitioners.DefaultPartitioner });
  await producer.connect();
  const pool = payloads(10_000, task.bytes);
  const most = Math.min(BATCH.records, Math.floor(BATCH.bytes / task.bytes));
  let sent = 0;
  const send = async (): Promise<void> => {
    while (sent < task.records) {
      const from = sent;
      sent = Math.min(task.records, sent + most);
      const messages = Array.from({ length: sent - from }, (_, i) => pool[(from + i) % pool.length] as KafkaMessage);
      await producer.send({ ...SEND, topic: task.topic, compression: codecOf(task), messages });
      meter.count(messages.length);
    }
  };
  await producer.send({ ...SEND, topic: task.topic, compression: codecOf(task), messages: pool.slice(0, 1) });
  meter.start();
  await Promise.all(Array.from({ length: IN_FLIGHT }, send));
  meter.stop();
}

async function transform(task: Task, meter: Meter): Promise<void> {
  const producer = client(task).producer({ createPartitioner: Partitioners.DefaultPartitioner });
  await producer.connect();
  await eachBatch(task, meter, true, async (batch) => {
    const messages = batch.map(({ key, value }) => ({ key, value: transformed(value) }));
    await producer.send({ ...SEND, topic: task.output, compression: codecOf(task), messages });
    if (meter.count(messages.length)) meter.stop();
  });
  await meter.reached;
}

function codecOf({ compression }: Task): number {
  return compression === 'lz4' ? CompressionTypes.LZ4 : CompressionTypes.None;
}
