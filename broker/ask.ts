import { connect } from 'node:net';

const TIMEOUT_MS = 10_000;
/** Size, key, version, correlation id; and the length of the client's name, which it does without. */
const HEAD_BYTES = 4 + 2 + 2 + 4 + 2;

/**
 * One request in Kafka's protocol and its answer, over a socket of its own: for what node-rdkafka cannot ask. Its version must be one with
 * the old kind of headers.
 *
 * @returns what follows the correlation id.
 */
export function ask(address: string, key: number, version: number, body: Buffer): Promise<Buffer> {
  const colon = address.lastIndexOf(':');
  const request = Buffer.concat([Buffer.alloc(HEAD_BYTES), body]);
  request.writeInt32BE(request.length - 4);
  request.writeInt16BE(key, 4);
  request.writeInt16BE(version, 6);
  request.writeInt16BE(-1, 12);
  return new Promise((resolve, reject) => {
    const socket = connect({ host: address.slice(0, colon).replace(/^\[|\]$/g, ''), port: Number(address.slice(colon + 1)) });
    let answer = Buffer.alloc(0);
    socket.setTimeout(TIMEOUT_MS, () => socket.destroy(new Error(`${address} did not answer within ${TIMEOUT_MS} ms`)));
    socket.on('error', reject);
    socket.on('close', () => {
      reject(new Error(`${address} hung up`));
    });
    socket.on('connect', () => socket.write(request));
    socket.on('data', (chunk) => {
      answer = Buffer.concat([answer, chunk]);
      if (answer.length < 4 || answer.length < 4 + answer.readInt32BE(0)) return;
      resolve(answer.subarray(8));
      socket.destroy();
    });
  });
}

/** A text as the protocol has it. */
export function sized(text: string): Buffer {
  const bytes = Buffer.from(text);
  const length = Buffer.alloc(2);
  length.writeInt16BE(bytes.length);
  return Buffer.concat([length, bytes]);
}
