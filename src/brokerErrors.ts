import type { Cluster } from './cluster.js';
import { BrokerError, BrokerUnavailableError, OptionError, UnknownTopicError } from './errors.js';
import type { RdkafkaError } from './rdkafka.js';

/** The group has put the member out: its offsets are not taken any more. */
export const PUT_OUT: ReadonlySet<number> = new Set([
  ...[25, 82, 110], // unknown member, fenced instance, fenced member epoch
  ...[-142, -144], // assignment lost, fenced by a static member of the same name
]);
/** The topic is not there, or not any more. */
export const UNKNOWN_TOPIC_OR_PARTITION = 3;
/** A rebalance goes on: the member keeps its partitions, and has yet to hear of the new generation. */
export const REBALANCING: readonly number[] = [22, 27, 113];
/** No answer, or the coordinator moves: the same question will be answered in a while. */
export const NO_ANSWER: readonly number[] = [-195, -187, -185, -168, 14, 15, 16];
/** The partition's leader is another one by now: the client asks who it is. */
export const LEADER_MOVES: readonly number[] = [5, 6, 74, 75];
/** The same in the client's own words: for a topic, and for a partition. */
const UNKNOWN_HERE: ReadonlySet<number> = new Set([-188, -190]);

/** Whether an error says that a topic, or one of its partitions, is not there. */
export function isUnknownTopic(code: number): boolean {
  return code === UNKNOWN_TOPIC_OR_PARTITION || UNKNOWN_HERE.has(code);
}

/** An error of the client as one of ours. */
export function brokerError(what: string, { code, message }: RdkafkaError): BrokerError {
  return new BrokerError(`${what}: ${message} (code ${code})`, { kafkaCode: code });
}

/** The topics that were named do not exist. */
export function unknownTopics(topics: readonly string[]): UnknownTopicError {
  const [names, verb] = topics.length === 1 ? [topics.join(), 'does'] : [topics.join(', '), 'do'];
  return new UnknownTopicError(
    `${names} ${verb} not exist on this cluster: create ${topics.length === 1 ? 'it' : 'them'} first, or check the spelling.`,
    { topics },
  );
}

/** Nobody has answered. */
export function unavailable({ brokers, connectTimeoutMs }: Cluster, cause: RdkafkaError): BrokerUnavailableError {
  return new BrokerUnavailableError(
    `no broker answered within ${connectTimeoutMs} ms (${cause.message}): tried ${brokers.join(', ')}. ` +
      'Check the addresses, the network and the security settings, or raise `connectTimeoutMs`.',
    { brokers, cause },
  );
}

/** The client did not even try. */
export function refused(cause: Pick<Error, 'message'>): OptionError {
  return new OptionError(
    `the client refused a setting of the consumer: ${cause.message.trim()}. Check \`properties\` and \`topicProperties\`.`,
    { cause },
  );
}
