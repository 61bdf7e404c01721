export { embeddedKafka } from './embedded.js';
export type { EmbeddedKafka, EmbeddedKafkaOptions } from './embedded.js';
export { topicMarbles } from './topicMarbles.js';
export type { ExpectedRecords, TopicMarbles, TopicMarblesOptions } from './topicMarbles.js';
export type { MarbleTopic, MarbleTopicOptions, MarbleValue } from './marbleTopic.js';
export { memoryOffsets } from '../offsets/memory.js';
