export { embeddedKafka } from './embedded.js';
export type { EmbeddedKafka, EmbeddedKafkaOptions } from './embedded.js';
export { memoryOffsets } from '../offsets/memory.js';
