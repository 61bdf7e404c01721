import type { Metadata } from 'node-rdkafka';
import { unknownTopics } from '../brokerErrors.js';
import { OptionError, UnknownTopicError } from '../errors.js';
import { checkOptions } from '../options.js';
import { TOPIC_NAME, isTopicName } from '../topicName.js';
import type { Admin, TopicDescription } from './admin.js';
import type { Call, Calls } from './calls.js';

export const CALL_OPTIONS = { timeoutMs: 'positive' } as const;
const CREATE_OPTIONS = { ...CALL_OPTIONS, partitions: 'positive', replicas: 'positive', config: 'object' } as const;
/** Leaves the number to the broker. */
const BROKERS_CHOICE = -1;

/** What is asked about and done to topics. */
export function topicAdmin(calls: Calls): Pick<Admin, 'brokers' | 'topics' | 'topic' | 'createTopic' | 'deleteTopic' | 'createPartitions'> {
  return {
    async brokers(options = {}) {
      checkOptions('admin.brokers', options, CALL_OPTIONS);
      return calls.run({ what: 'list the brokers' }, options, async ({ questions, subject, limit }) => {
        const { brokers } = await questions.metadata(undefined, subject, limit);
        return brokers.map(({ id, host, port }) => ({ id, host, port }));
      });
    },

    async topics(options = {}) {
      checkOptions('admin.topics', options, CALL_OPTIONS);
      return calls.run({ what: 'list the topics' }, options, allTopics);
    },

    async topic(topic, options = {}) {
      checkOptions('admin.topic', options, CALL_OPTIONS);
      checkTopic('admin.topic', topic);
      return calls.run({ what: `look up the topic ${topic}`, topics: [topic] }, options, (call) => describe(topic, call));
    },

    async createTopic(topic, options = {}) {
      checkOptions('admin.createTopic', options, CREATE_OPTIONS);
      checkTopic('admin.createTopic', topic);
      const { partitions = BROKERS_CHOICE, replicas = BROKERS_CHOICE, config = {} } = options;
      if (!Number.isInteger(partitions) || !Number.isInteger(replicas))
        throw new OptionError('admin.createTopic: `partitions` and `replicas` must be whole numbers from 1 up.');
      for (const [name, value] of Object.entries(config)) {
        if (typeof (value as unknown) !== 'string')
          throw new OptionError(`admin.createTopic: \`config\` takes text, and ${JSON.stringify(name)} is none.`);
      }
      await calls.run({ what: `create the topic ${topic}`, topics: [topic] }, options, async (call) => {
        await calls.topics.create(topic, { partitions, replicas, config }, call.subject, call.limit);
        await usable(topic, Math.max(1, partitions), call);
      });
    },

    async deleteTopic(topic, options = {}) {
      checkOptions('admin.deleteTopic', options, CALL_OPTIONS);
      checkTopic('admin.deleteTopic', topic);
      await calls.run({ what: `delete the topic ${topic}`, topics: [topic] }, options, async (call) => {
        await calls.topics.delete(topic, call.subject, call.limit);
        await call.limit.until(async () => (await find(topic, call)) === undefined);
      });
    },

    async createPartitions(topic, partitions, options = {}) {
      checkOptions('admin.createPartitions', options, CALL_OPTIONS);
      checkTopic('admin.createPartitions', topic);
      if (!Number.isInteger(partitions) || partitions < 1)
        throw new OptionError('admin.createPartitions: the number of partitions must be a whole number from 1 up.');
      await calls.run({ what: `make ${topic} ${partitions} partitions`, topics: [topic] }, options, async (call) => {
        await calls.topics.createPartitions(topic, partitions, call.subject, call.limit);
        await usable(topic, partitions, call);
      });
    },
  };
}

export async function allTopics({ questions, subject, limit }: Call): Promise<readonly TopicDescription[]> {
  const { topics } = await questions.metadata(undefined, subject, limit);
  return topics.map(inOurWords).sort((a, b) => (a.topic < b.topic ? -1 : 1));
}

export async function describe(topic: string, call: Call): Promise<TopicDescription> {
  const found = await find(topic, call);
  if (found === undefined) throw unknownTopics([topic]);
  return found;
}

export function checkTopic(where: string, topic: unknown): void {
  if (!isTopicName(topic)) throw new OptionError(`${where}: ${JSON.stringify(topic)} is no name of a topic: those are ${TOPIC_NAME}.`);
}

async function find(topic: string, { questions, subject, limit }: Call): Promise<TopicDescription | undefined> {
  try {
    const { topics } = await questions.metadata(topic, { ...subject, topics: [topic] }, limit);
    const found = topics.find(({ name }) => name === topic);
    return found === undefined || found.partitions.length === 0 ? undefined : inOurWords(found);
  } catch (error) {
    if (error instanceof UnknownTopicError) return undefined;
    throw error;
  }
}

/** Resolves when the topic has so many partitions, or more, and each has a leader. */
function usable(topic: string, partitions: number, call: Call): Promise<void> {
  return call.limit.until(async () => {
    const found = (await find(topic, call))?.partitions ?? [];
    return found.length >= partitions && found.every(({ leader }) => leader !== undefined);
  });
}

function inOurWords({ name, partitions }: Metadata['topics'][number]): TopicDescription {
  const described = partitions.map(({ id, leader, replicas, isrs }) => ({
    topic: name,
    partition: id,
    leader: leader < 0 ? undefined : leader,
    replicas,
    inSync: isrs,
  }));
  return { topic: name, partitions: described.sort((a, b) => a.partition - b.partition) };
}
