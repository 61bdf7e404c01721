import { ask, sized } from './ask.js';

const ALTER_CLIENT_QUOTAS = 49;
const VERSION = 0;

/** Lets clients of this id write or fetch so many bytes a second: faster ones are throttled. */
export async function setClientQuota(
  address: string,
  clientId: string,
  quota: 'producer_byte_rate' | 'consumer_byte_rate',
  bytesPerSecond: number,
): Promise<void> {
  const rate = Buffer.alloc(8);
  rate.writeDoubleBE(bytesPerSecond);
  const one = Buffer.from([0, 0, 0, 1]);
  // One entry: an entity of one part, and one operation, which removes nothing; not only validated.
  const body = Buffer.concat([one, one, sized('client-id'), sized(clientId), one, sized(quota), rate, Buffer.from([0, 0])]);
  const answer = await ask(address, ALTER_CLIENT_QUOTAS, VERSION, body);
  // Throttle time; one entry, which begins with its error.
  const code = answer.readInt16BE(8);
  if (code !== 0) throw new Error(`the broker did not set a quota for the client ${clientId} (code ${code})`);
}
