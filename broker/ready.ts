import { once } from 'node:events';
import { connect } from 'node:net';
import { setTimeout as delay } from 'node:timers/promises';
import { askMetadata } from './metadata.js';
import type { Supervised } from './supervised.js';

const WITHIN_MS = 60_000;

/** Resolves when the broker at `address` answers a metadata request and counts itself in; rejects when it ends first, or takes too long. */
export async function untilReady(address: string, broker: Supervised): Promise<void> {
  let ended: string | undefined;
  void broker.ended.then((why) => (ended = why));
  const deadline = Date.now() + WITHIN_MS;
  let reason: unknown;
  while (Date.now() < deadline) {
    if (ended !== undefined) throw new Error(`it ${ended} before it answered`);
    try {
      // Asking the socket first spares librdkafka its growing pauses between attempts.
      await listens(address);
      const { brokers } = await askMetadata([address], { timeoutMs: 2_000 });
      if (brokers.length > 0) return;
    } catch (error) {
      reason = error;
    }
    await delay(50);
  }
  throw new Error(`it did not answer within ${WITHIN_MS / 1_000} s`, { cause: reason });
}

async function listens(address: string): Promise<void> {
  const [host, port] = address.split(':') as [string, string];
  const socket = connect({ host, port: Number(port) });
  try {
    await once(socket, 'connect');
  } finally {
    socket.destroy();
  }
}
