import { embeddedKafka } from '../../../src/testing/index.js';

/** A cluster in a process of its own, so that it can be stopped and go on with all that it has. */
const { brokers } = await embeddedKafka({ topics: [process.argv[2] as string] });
process.send?.(brokers);
process.on('disconnect', () => process.exit());
