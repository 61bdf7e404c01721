import { take } from 'rxjs';
import { Kafka, commit, drain, fromTopic, openOffsets, toTopic } from '../../src/index.js';

/** Uses everything, closes it, and ends because nothing is left that would keep it alive. */
const [brokers, from, to, store] = process.argv.slice(2) as [string, string, string, string];
const kafka = new Kafka({ brokers: brokers.split(',') });
const offsets = openOffsets(store);
await drain(fromTopic(kafka, from, { group: from, offsets }).pipe(toTopic(kafka, to), commit(), take(100)));
await kafka.close();
await offsets.close();
