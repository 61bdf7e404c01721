/** node-rdkafka by itself, tuned as well as we know: batches, first waiting for one record and then draining without a wait. */
import { createRequire } from 'node:module';
import type * as RdKafka from 'node-rdkafka';
import { Meter, taskOfThisProcess } from '../measured.js';

const { KafkaConsumer } = createRequire(import.meta.url)('node-rdkafka') as typeof RdKafka;

const task = taskOfThisProcess();
const meter = new Meter(task);
const consumer = new KafkaConsumer(
  {
    'metadata.broker.list': task.brokers.join(','),
    'group.id': task.group,
    'enable.auto.commit': false,
    'enable.auto.offset.store': false,
    'fetch.queue.backoff.ms': 20,
    'fetch.wait.max.ms': 100,
    'queued.min.messages': 100_000,
    'queued.max.messages.kbytes': 16_384,
  },
  { 'auto.offset.reset': 'earliest' },
);
const BATCH = 1_000;
const WAIT_MS = 100;

let bytes = 0;
const read = (hot: boolean): void => {
  consumer.setDefaultConsumeTimeout(hot ? 0 : WAIT_MS);
  consumer.consume(hot ? BATCH : 1, (error, messages) => {
    if (error as unknown) throw new Error(error.message, { cause: error });
    for (const { value } of messages) bytes += value?.length ?? 0;
    if (messages.length > 0 && meter.count(messages.length)) {
      meter.report();
      consumer.disconnect(() => {
        process.disconnect();
      });
      return;
    }
    read(messages.length > 0);
  });
};
consumer.connect({}, () => {
  consumer.subscribe([task.topic]);
  read(false);
});
process.on('exit', () => {
  if (bytes === 0) process.exitCode = 1;
});
