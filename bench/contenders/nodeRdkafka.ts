/** node-rdkafka by itself, tuned as well as we know. */
import type { Assignment, LibrdKafkaError, Message, Producer as RdProducer } from 'node-rdkafka';
import { contend } from '../contend.js';
import type { Meter } from '../meter.js';
import { LARGE_BYTES, payloads, transformed } from '../payload.js';
import type { Payload } from '../payload.js';
import { connected, nodeRdkafkaVersion, rdkafka } from '../rdkafka.js';
import type { Task } from '../task.js';

const CONSUMER = {
  'enable.auto.commit': false,
  'enable.auto.offset.store': false,
  // The default of a second lets a fast consumer run dry.
  'fetch.queue.backoff.ms': 20,
  'fetch.wait.max.ms': 100,
  'queued.min.messages': 100_000,
  'queued.max.messages.kbytes': 16_384,
};
const CONSUMER_TOPIC = { 'auto.offset.reset': 'earliest' } as const;
const PRODUCER = {
  'enable.idempotence': true,
  'linger.ms': 5,
  'batch.num.messages': 10_000,
  'queue.buffering.max.messages': 200_000,
  'dr_cb': true,
  // A flush says that all were written; reports are for those that were not.
  'delivery.report.only.error': true,
};
/** As kafka-rx writes where it only writes; a flush waits for neither. */
const WRITER = { ...PRODUCER, 'linger.ms': 50, 'batch.num.messages': 1_000 };
const WRITER_OF_LARGE = { ...WRITER, 'batch.num.messages': 700, 'max.in.flight': 2 };
/** Waits for the first message, then takes what is there without waiting: the timeout of `consume` is per message. */
const LOOP = { batch: 1_000, waitMs: 100 };
/** Records between two flushes. */
const WINDOW = 50_000;
const TRANSFORM_WINDOW = 20_000;
const FLUSH_MS = 10_000;
const ASSIGN = -175;

type Commit = (offsets: readonly { topic: string; partition: number; offset: number }[]) => void;

await contend(nodeRdkafkaVersion(), {
  consume: { settings: { ...CONSUMER, loop: LOOP }, run: consume },
  produce: { settings: { ...WRITER, of1KB: WRITER_OF_LARGE, acks: 'all', window: WINDOW }, run: produce },
  transform: { settings: { consumer: CONSUMER, producer: PRODUCER, loop: LOOP, window: TRANSFORM_WINDOW }, run: transform },
});

/** Calls `each` with every batch, one at a time, until it says no. */
async function read(task: Task, meter: Meter, each: (messages: Message[], commit: Commit) => Promise<boolean> | boolean): Promise<void> {
  const { KafkaConsumer } = rdkafka();
  const consumer = new KafkaConsumer(
    {
      ...CONSUMER,
      'metadata.broker.list': task.brokers.join(','),
      'group.id': task.group,
      'rebalance_cb': (error: LibrdKafkaError, partitions: Assignment[]) => {
        if (error.code === ASSIGN) {
          meter.start();
          consumer.assign(partitions);
        } else consumer.unassign();
      },
    },
    CONSUMER_TOPIC,
  );
  await connected(consumer);
  consumer.subscribe([task.topic]);
  const commit: Commit = (offsets) => {
    consumer.commitSync([...offsets]);
  };
  await new Promise<void>((resolve, reject) => {
    const next = (hot: boolean): void => {
      consumer.setDefaultConsumeTimeout(hot ? 0 : LOOP.waitMs);
      consumer.consume(hot ? LOOP.batch : 1, (error, messages) => {
        if (error as unknown) {
          reject(new Error(error.message, { cause: error }));
          return;
        }
        const more = each(messages, commit);
        if (more === true) next(messages.length > 0);
        else if (more === false) resolve();
        else
          more.then((really) => {
            if (really) next(messages.length > 0);
            else resolve();
          }, reject);
      });
    };
    next(false);
  });
}

async function consume(task: Task, meter: Meter): Promise<void> {
  let last = false;
  await read(task, meter, (messages) => {
    for (const { key, value } of messages) last = meter.record(key as Buffer | null, value);
    return !last;
  });
  meter.stop();
}

async function produce(task: Task, meter: Meter): Promise<void> {
  const producer = await connectedProducer(task, task.bytes >= LARGE_BYTES ? WRITER_OF_LARGE : WRITER);
  const pool = payloads(10_000, task.bytes);
  const [{ key, value }] = pool as [Payload];
  producer.produce(task.topic, null, value, key);
  await flushed(producer);
  meter.start();
  for (let sent = 0; sent < task.records;) {
    const until = Math.min(task.records, sent + WINDOW);
    const from = sent;
    for (; sent < until; sent += 1) {
      const { key, value } = pool[sent % pool.length] as Payload;
      producer.produce(task.topic, null, value, key);
    }
    await flushed(producer);
    meter.count(until - from);
  }
  meter.stop();
}

async function transform(task: Task, meter: Meter): Promise<void> {
  const producer = await connectedProducer(task, PRODUCER);
  const positions = new Map<number, number>();
  let open = 0;
  let seen = 0;
  await read(task, meter, async (messages, commit) => {
    for (const { partition, offset, key, value } of messages) {
      producer.produce(task.output, null, transformed(value), key);
      positions.set(partition, offset + 1);
    }
    open += messages.length;
    seen += messages.length;
    if (open > 0 && (open >= TRANSFORM_WINDOW || messages.length === 0 || seen >= task.records)) {
      await flushed(producer);
      commit([...positions].map(([partition, offset]) => ({ topic: task.topic, partition, offset })));
      meter.count(open);
      open = 0;
    }
    return seen < task.records || open > 0;
  });
  meter.stop();
}

async function connectedProducer({ brokers, compression }: Task, producerSettings: typeof PRODUCER): Promise<RdProducer> {
  const { Producer } = rdkafka();
  const settings = { ...producerSettings, 'metadata.broker.list': brokers.join(','), 'compression.codec': compression };
  const producer = new Producer(settings, { acks: -1 });
  await connected(producer);
  producer.on('delivery-report', (error) => {
    if (error as unknown) throw new Error('a record was not written', { cause: error });
  });
  return producer;
}

function flushed(producer: RdProducer): Promise<void> {
  return new Promise((resolve, reject) => {
    producer.flush(FLUSH_MS, (error) => {
      if (error as unknown) reject(new Error('the flush failed', { cause: error }));
      else resolve();
    });
  });
}
