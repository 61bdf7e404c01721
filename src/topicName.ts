/** Whether any broker would take it as the name of a topic. */
export function isTopicName(topic: unknown): topic is string {
  return typeof topic === 'string' && /^[a-zA-Z0-9._-]{1,249}$/.test(topic) && topic !== '.' && topic !== '..';
}

/** For messages. */
export const TOPIC_NAME = "1 to 249 of a-z, A-Z, 0-9, '.', '_' and '-'";
