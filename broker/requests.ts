import { ask } from './ask.js';

const API_VERSIONS = 18;
const VERSION = 0;

/**
 * The requests (by their key in Kafka's protocol) that a broker says it knows.
 *
 * node-rdkafka does not tell, and a request that a broker does not know only times out there.
 */
export async function knownRequests(address: string): Promise<ReadonlySet<number>> {
  return keys(await ask(address, API_VERSIONS, VERSION, Buffer.alloc(0)));
}

/** Error, number of rows; each row is a key and its lowest and highest version. */
function keys(answer: Buffer): ReadonlySet<number> {
  return new Set(Array.from({ length: answer.readInt32BE(2) }, (_, row) => answer.readInt16BE(6 + 6 * row)));
}
