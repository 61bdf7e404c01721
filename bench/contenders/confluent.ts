/** @confluentinc/kafka-javascript: its promise API, with batches as large as its documentation allows. */
import { contend } from '../contend.js';
import type { Meter } from '../meter.js';
import { payloads, transformed } from '../payload.js';
import { peer, peerVersion } from '../peers.js';
import type { Task } from '../task.js';

/** What is used of it. */
interface Confluent {
  readonly KafkaJS: {
    readonly Kafka: new (options: object) => { consumer(options: object): Consumer; producer(options: object): Producer };
  };
  readonly librdkafkaVersion: string;
}
interface KafkaMessage {
  readonly key: Buffer | null;
  readonly value: Buffer | null;
}
interface Consumer {
  connect(): Promise<void>;
  subscribe(options: { topics: string[] }): Promise<void>;
  run(options: object & { eachBatch(payload: { batch: { messages: KafkaMessage[] } }): Promise<void> }): Promise<void>;
}
interface Producer {
  connect(): Promise<void>;
  send(options: { topic: string; messages: readonly KafkaMessage[] }): Promise<unknown>;
}

const CONSUMER = {
  'js.consumer.max.batch.size': 1_000,
  // By default it reads a second and a half ahead in one call, which blocks: this was the fastest of what we tried.
  'js.consumer.max.cache.size.per.worker.ms': 10,
  'fetch.queue.backoff.ms': 20,
  'fetch.wait.max.ms': 100,
  'queued.min.messages': 100_000,
  'queued.max.messages.kbytes': 16_384,
};
const RUN = { partitionsConsumedConcurrently: 1 };
const PRODUCER = {
  'enable.idempotence': true,
  'linger.ms': 5,
  'batch.num.messages': 10_000,
  'queue.buffering.max.messages': 200_000,
  'acks': 'all',
};
const BATCH = { records: 5_000, bytes: 2_000_000 };
const IN_FLIGHT = 4;
const ASSIGN = -175;

const { default: confluent } = await peer<{ default: Confluent }>('@confluentinc/kafka-javascript');

await contend(`${peerVersion('@confluentinc/kafka-javascript')} (librdkafka ${confluent.librdkafkaVersion})`, {
  consume: { settings: { ...CONSUMER, ...RUN, autoCommit: false, mode: 'eachBatch' }, run: consume },
  produce: { settings: { ...PRODUCER, batch: BATCH, batchesInFlight: IN_FLIGHT }, run: produce },
  transform: {
    settings: { consumer: CONSUMER, ...RUN, producer: PRODUCER, mode: 'eachBatch, one send per batch, autoCommit' },
    run: transform,
  },
});

function client({ brokers }: Task): InstanceType<Confluent['KafkaJS']['Kafka']> {
  return new confluent.KafkaJS.Kafka({ kafkaJS: { brokers, logLevel: 1 } });
}

async function eachBatch(task: Task, meter: Meter, autoCommit: boolean, each: (messages: KafkaMessage[]) => Promise<void>): Promise<void> {
  const consumer = client(task).consumer({
    ...CONSUMER,
    kafkaJS: { groupId: task.group, fromBeginning: true, autoCommit },
    rebalance_cb: ({ code }: { code: number }) => {
      if (code === ASSIGN) meter.start();
    },
  });
  await consumer.connect();
  await consumer.subscribe({ topics: [task.topic] });
  await consumer.run({ ...RUN, eachBatch: ({ batch }) => each(batch.messages) });
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

async function connectedProducer(task: Task): Promise<Producer> {
  const producer = client(task).producer({ ...PRODUCER, 'compression.codec': task.compression });
  await producer.connect();
  return producer;
}

async function produce(task: Task, meter: Meter): Promise<void> {
  const producer = await connectedProducer(task);
  const pool = payloads(10_000, task.bytes);
  const most = Math.min(BATCH.records, Math.floor(BATCH.bytes / task.bytes));
  let sent = 0;
  const send = async (): Promise<void> => {
    while (sent < task.records) {
      const from = sent;
      sent = Math.min(task.records, sent + most);
      const messages = Array.from({ length: sent - from }, (_, i) => pool[(from + i) % pool.length] as KafkaMessage);
      await producer.send({ topic: task.topic, messages });
      meter.count(messages.length);
    }
  };
  await producer.send({ topic: task.topic, messages: pool.slice(0, 1) });
  meter.start();
  await Promise.all(Array.from({ length: IN_FLIGHT }, send));
  meter.stop();
}

async function transform(task: Task, meter: Meter): Promise<void> {
  const producer = await connectedProducer(task);
  await eachBatch(task, meter, true, async (batch) => {
    const messages = batch.map(({ key, value }) => ({ key, value: transformed(value) }));
    await producer.send({ topic: task.output, messages });
    if (meter.count(messages.length)) meter.stop();
  });
  await meter.reached;
}
