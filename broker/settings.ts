import { randomBytes } from 'node:crypto';

/** What a single node that is both broker and controller needs, with small internal topics, for they make it start sooner. */
export const singleNode: Readonly<Record<string, string>> = {
  'process.roles': 'broker,controller',
  'node.id': '1',
  'controller.listener.names': 'CONTROLLER',
  'inter.broker.listener.name': 'INTERNAL',
  'listener.security.protocol.map': 'PLAINTEXT:PLAINTEXT,INTERNAL:PLAINTEXT,CONTROLLER:PLAINTEXT',
  'offsets.topic.num.partitions': '4',
  'offsets.topic.replication.factor': '1',
  'transaction.state.log.num.partitions': '4',
  'transaction.state.log.replication.factor': '1',
  'transaction.state.log.min.isr': '1',
  'share.coordinator.state.topic.num.partitions': '4',
  'share.coordinator.state.topic.replication.factor': '1',
  'share.coordinator.state.topic.min.isr': '1',
  // The files of a deleted topic are not to be deleted while something else is measured.
  'log.segment.delete.delay.ms': '100',
  // A misspelt topic in a test must be an error, not a new topic.
  'auto.create.topics.enable': 'false',
  // Tests of crashed members must not wait for the usual 6 s minimum.
  'group.min.session.timeout.ms': '1000',
  'group.initial.rebalance.delay.ms': '0',
};

/** 128 random bits as Kafka writes them. One that begins with "-" would look like an option to Kafka's tools. */
export function newClusterId(): string {
  const id = randomBytes(16).toString('base64url');
  return id.startsWith('-') ? newClusterId() : id;
}
