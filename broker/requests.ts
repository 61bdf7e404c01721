import { connect } from 'node:net';

const API_VERSIONS = 18;

/**
 * The requests (by their key in Kafka's protocol) that a broker says it knows.
 *
 * Asked over a socket of its own, since node-rdkafka does not tell, and a request that a broker does not know only times out there.
 */
export function knownRequests(address: string): Promise<ReadonlySet<number>> {
  const colon = address.lastIndexOf(':');
  const host = address.slice(0, colon).replace(/^\[|\]$/g, '');
  return new Promise((resolve, reject) => {
    const socket = connect({ host, port: Number(address.slice(colon + 1)) });
    let answer = Buffer.alloc(0);
    socket.setTimeout(10_000, () => socket.destroy(new Error(`${address} did not answer within 10 s`)));
    socket.on('error', reject);
    socket.on('close', () => {
      reject(new Error(`${address} hung up`));
    });
    socket.on('connect', () => socket.write(question()));
    socket.on('data', (chunk) => {
      answer = Buffer.concat([answer, chunk]);
      if (answer.length < 4 || answer.length < 4 + answer.readInt32BE(0)) return;
      resolve(keys(answer));
      socket.destroy();
    });
  });
}

/** ApiVersions, version 0: size, key, version, correlation id, no client id. */
function question(): Buffer {
  const request = Buffer.alloc(14);
  request.writeInt32BE(10, 0);
  request.writeInt16BE(API_VERSIONS, 4);
  request.writeInt16BE(-1, 12);
  return request;
}

/** Size, correlation id, error, number of rows; each row is a key and its lowest and highest version. */
function keys(answer: Buffer): ReadonlySet<number> {
  return new Set(Array.from({ length: answer.readInt32BE(10) }, (_, row) => answer.readInt16BE(14 + 6 * row)));
}
