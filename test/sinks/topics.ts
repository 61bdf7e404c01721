import { randomUUID } from 'node:crypto';
import { inject } from 'vitest';
import { createTopic, type TopicOptions } from '../../broker/index.js';

/** A name that no other test has. */
export function unique(name: string): string {
  return `${name}-${randomUUID().slice(0, 8)}`;
}

/** Makes a topic under a name that no other test has. */
export async function created(
  name: string,
  partitions: number,
  config: TopicOptions['config'] = {},
  brokers = inject('brokers'),
): Promise<string> {
  const topic = unique(name);
  await createTopic(brokers, topic, { partitions, config });
  return topic;
}
