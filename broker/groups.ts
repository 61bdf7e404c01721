import { connect } from 'node:net';

const LIST_GROUPS = 16;
const TIMEOUT_MS = 10_000;

/** The consumer groups that a broker knows, with or without members. Asked over a socket of its own, since node-rdkafka cannot. */
export async function groups(brokers: readonly string[]): Promise<readonly string[]> {
  return (await Promise.all(brokers.map(groupsOf))).flat();
}

function groupsOf(address: string): Promise<readonly string[]> {
  const colon = address.lastIndexOf(':');
  return new Promise((resolve, reject) => {
    const socket = connect({ host: address.slice(0, colon), port: Number(address.slice(colon + 1)) });
    let answer = Buffer.alloc(0);
    socket.setTimeout(TIMEOUT_MS, () => socket.destroy(new Error(`${address} did not answer within ${TIMEOUT_MS} ms`)));
    socket.on('error', reject);
    socket.on('close', () => {
      reject(new Error(`${address} hung up`));
    });
    socket.on('connect', () => socket.write(question()));
    socket.on('data', (chunk) => {
      answer = Buffer.concat([answer, chunk]);
      if (answer.length < 4 || answer.length < 4 + answer.readInt32BE(0)) return;
      resolve(names(answer));
      socket.destroy();
    });
  });
}

/** Version 0: size, key, version, correlation id, no client id. */
function question(): Buffer {
  const request = Buffer.alloc(14);
  request.writeInt32BE(10, 0);
  request.writeInt16BE(LIST_GROUPS, 4);
  request.writeInt16BE(-1, 12);
  return request;
}

/** Size, correlation id, error, number of groups; each is its name and the type of its protocol. */
function names(answer: Buffer): readonly string[] {
  let at = 14;
  const text = (): string => {
    const length = answer.readInt16BE(at);
    at += 2 + length;
    return answer.toString('utf8', at - length, at);
  };
  return Array.from({ length: answer.readInt32BE(10) }, () => {
    const name = text();
    text();
    return name;
  });
}
