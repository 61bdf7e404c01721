import { brokerError, isUnknownTopic, unknownTopics } from '../brokerErrors.js';
import type { KafkaRxError } from '../errors.js';
import { AuthorizationError, GroupActiveError, TopicExistsError } from '../errors.js';
import type { RdkafkaError } from '../rdkafka.js';
import type { TimeLimit } from './timeLimit.js';

/** What a question or an order is about. */
export interface Subject {
  /** Completes the sentence "could not …". */
  readonly what: string;
  readonly topics?: readonly string[];
  readonly group?: string;
}

/** Of the request: the client's, the queue's, and the broker's own. */
const TIMED_OUT: ReadonlySet<number> = new Set([-185, -192, 7]);
const TOPIC_EXISTS = 36;
/** For the topic, the group, the cluster. */
const NOT_AUTHORIZED: ReadonlySet<number> = new Set([29, 30, 31]);
/** Who commits is none of the members that the group has: generation, member, epoch; and a group that is not empty. */
const GROUP_ACTIVE: ReadonlySet<number> = new Set([22, 25, 27, 68, 110, 113]);

/** The error that a call rejects with, for one of the client's. */
export function adminError({ what, topics = [], group = '' }: Subject, error: RdkafkaError, limit: TimeLimit): KafkaRxError {
  const { code, message } = error;
  if (TIMED_OUT.has(code)) return limit.error();
  if (isUnknownTopic(code) && topics.length > 0) return unknownTopics(topics);
  if (code === TOPIC_EXISTS) return new TopicExistsError(`could not ${what}: there is one of this name already.`, { topics });
  if (NOT_AUTHORIZED.has(code))
    return new AuthorizationError(`could not ${what}: ${message}. Give the user this right, or log in as another one.`, {
      kafkaCode: code,
    });
  if (GROUP_ACTIVE.has(code)) {
    return new GroupActiveError(
      `could not ${what}: group ${group} has members, and only they can commit its offsets. Stop them first (${message}).`,
      { group },
    );
  }
  return brokerError(`could not ${what}`, error);
}
