/** Exits with code 7 in the middle of reading: `exitsWhileReading.js <brokers> <topic> <group>`. */
import { Kafka, fromTopic, memoryOffsets, release } from '../../src/index.js';

const [brokers, topic, group] = process.argv.slice(2) as [string, string, string];
const kafka = new Kafka({ brokers: brokers.split(',') });
let seen = 0;
await fromTopic(kafka, topic, { group, offsets: memoryOffsets() })
  .pipe(release())
  .forEach(() => {
    seen += 1;
    if (seen === 5_000) process.exit(7);
  });
