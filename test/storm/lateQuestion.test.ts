import type { KafkaConsumer } from 'node-rdkafka';
import { expect, inject, it } from 'vitest';
import { Kafka } from '../../src/index.js';
import { rdkafka } from '../../src/rdkafka.js';
import { groupMember } from '../../src/sources/consumer.js';
import { resolveSourceOptions } from '../../src/sources/sourceOptions.js';
import { numberedTopic, unique } from '../support/numbered.js';

const REVOKE_PARTITIONS = -174;

type Question = (error: { readonly code: number }, partitions: readonly object[]) => void;

/*
 * FAILS NOW: the client hands its questions over by the event loop, so one may come when it is closed already. Then neither answer can be given,
 * the second one throws into the event loop, and that ends the process (`KafkaConsumer is disconnected`). Storms meet this by chance.
 */
it('a question of the group that comes when the client is closed harms nobody', async () => {
  const brokers = inject('brokers');
  const { topic } = await numberedTopic(brokers, { records: 1 });
  await using kafka = new Kafka({ brokers });
  const clients = rdkafka() as { KafkaConsumer: typeof KafkaConsumer };
  const { KafkaConsumer: original } = clients;
  let ask: Question = () => undefined;
  clients.KafkaConsumer = function (settings: { rebalance_cb: Question }, topicSettings: object) {
    ask = settings.rebalance_cb;
    return new original(settings, topicSettings);
  } as never;
  const listener = { onAssigned: () => undefined, onRevoked: () => undefined, onFatal: () => undefined };
  try {
    const member = groupMember(kafka, { group: unique('late'), topics: [topic], ...resolveSourceOptions('test', {}) }, listener);
    await member.connect();
    await member.close();
  } finally {
    clients.KafkaConsumer = original;
  }
  expect(() => {
    ask({ code: REVOKE_PARTITIONS }, [{ topic, partition: 0 }]);
  }).not.toThrow();
});
