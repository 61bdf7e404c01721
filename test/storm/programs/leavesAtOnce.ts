import { setImmediate as turn } from 'node:timers/promises';
import { Kafka, commit, drain, fromTopic, memoryOffsets } from '../../../src/index.js';

/** Ends a source while it still connects, closes everything, and says what timers are left then: there is nothing for them to do. */
const [brokers = '', topic = ''] = process.argv.slice(2);
const kafka = new Kafka({ brokers: [brokers] });
const stop = new AbortController();
const ended = drain(fromTopic(kafka, topic, { group: topic, offsets: memoryOffsets(), signal: stop.signal }).pipe(commit()));
stop.abort();
await ended;
await kafka.close();
await turn();
process.stdout.write(JSON.stringify(process.getActiveResourcesInfo().filter((resource) => resource === 'Timeout')));
process.exit();
