/** node-rdkafka as its README begins: flowing mode, one report per message, and the settings that it comes with. */
import { contend } from '../contend.js';
import type { Meter } from '../meter.js';
import { payloads, transformed } from '../payload.js';
import type { Payload } from '../payload.js';
import { connected, nodeRdkafkaVersion, rdkafka } from '../rdkafka.js';
import type { Task } from '../task.js';

const CONSUMER = { rebalance_cb: true };
const PRODUCER = { dr_cb: true };
const POLL_MS = 100;
/** How long to wait when the client's queue is full. */
const FULL_MS = 1;

await contend(nodeRdkafkaVersion(), {
  consume: { settings: { ...CONSUMER, mode: 'flowing' }, run: consume },
  produce: { settings: { ...PRODUCER, setPollInterval: POLL_MS }, run: produce },
  transform: {
    settings: { consumer: { ...CONSUMER, mode: 'flowing' }, producer: { ...PRODUCER, setPollInterval: POLL_MS } },
    run: transform,
  },
});

async function flow(task: Task, meter: Meter, each: (key: Buffer | null, value: Buffer | null) => void): Promise<void> {
  const { KafkaConsumer } = rdkafka();
  const consumer = new KafkaConsumer(
    { ...CONSUMER, 'metadata.broker.list': task.brokers.join(','), 'group.id': task.group },
    { 'auto.offset.reset': 'earliest' },
  );
  consumer.on('rebalance', () => {
    meter.start();
  });
  consumer.on('data', ({ key, value }) => {
    each(key as Buffer | null, value);
  });
  await connected(consumer);
  consumer.subscribe([task.topic]);
  consumer.consume();
}

async function consume(task: Task, meter: Meter): Promise<void> {
  await flow(task, meter, (key, value) => {
    if (meter.record(key, value)) meter.stop();
  });
  await meter.reached;
}

async function produce(task: Task, meter: Meter): Promise<void> {
  const send = await sender(task, task.topic, meter);
  const pool = payloads(10_000, task.bytes);
  const sendFrom = (first: number): void => {
    for (let i = first; i < task.records; i += 1) {
      const { key, value } = pool[i % pool.length] as Payload;
      if (!send(key, value)) {
        setTimeout(sendFrom, FULL_MS, i);
        return;
      }
    }
  };
  sendFrom(0);
  await meter.reached;
}

async function transform(task: Task, meter: Meter): Promise<void> {
  const send = await sender(task, task.output, meter);
  const waiting: (readonly [Buffer | null, Buffer])[] = [];
  let head = 0;
  const sendWaiting = (): void => {
    for (; head < waiting.length; head += 1) {
      const [key, value] = waiting[head] as (typeof waiting)[number];
      if (!send(key, value)) {
        setTimeout(sendWaiting, FULL_MS);
        return;
      }
    }
    waiting.length = head = 0;
  };
  await flow(task, meter, (key, value) => {
    waiting.push([key, transformed(value)]);
    if (waiting.length === 1) sendWaiting();
  });
  await meter.reached;
}

/** Answers whether there was room. */
async function sender(task: Task, topic: string, meter: Meter): Promise<(key: Buffer | null, value: Buffer) => boolean> {
  const { Producer, CODES } = rdkafka();
  const producer = new Producer(
    { ...PRODUCER, 'metadata.broker.list': task.brokers.join(','), 'compression.codec': task.compression },
    { acks: -1 },
  );
  await connected(producer);
  producer.setPollInterval(POLL_MS);
  producer.on('delivery-report', (error) => {
    if (error as unknown) throw new Error('a record was not written', { cause: error });
    meter.start();
    if (meter.count(1)) meter.stop();
  });
  return (key, value) => {
    try {
      producer.produce(topic, null, value, key);
      return true;
    } catch (error) {
      if ((error as { code?: unknown }).code === CODES.ERRORS.ERR__QUEUE_FULL) {
        producer.poll();
        return false;
      }
      throw error;
    }
  };
}
