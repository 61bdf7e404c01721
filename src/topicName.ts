import { OptionError } from './errors.js';

/** The last name that was looked at and is one: record after record goes to the same topic, and the pattern costs more than the rest of the checks. */
let known: unknown;

/** Whether any broker would take it as the name of a topic. */
export function isTopicName(topic: unknown): topic is string {
  if (topic === known && topic !== undefined) return true;
  if (typeof topic !== 'string' || !/^[a-zA-Z0-9._-]{1,249}$/.test(topic) || topic === '.' || topic === '..') return false;
  known = topic;
  return true;
}

/** @throws {OptionError} unless any broker would take it as the name of a topic. */
export function checkTopicName(where: string, topic: unknown): asserts topic is string {
  if (!isTopicName(topic)) throw new OptionError(`${where}: ${JSON.stringify(topic)} is no name of a topic: those are ${TOPIC_NAME}.`);
}

/** For messages. */
export const TOPIC_NAME = "1 to 249 of a-z, A-Z, 0-9, '.', '_' and '-'";
