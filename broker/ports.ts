import { randomInt } from 'node:crypto';
import { once } from 'node:events';
import { createServer } from 'node:net';

/**
 * A port of 127.0.0.1 for each name, free now and all different.
 *
 * They lie below the range from which the system takes ports by itself (as for `listen(0)`): there an outgoing connection can take the port of
 * a broker that is being restarted, and a client that calls while nobody listens can even end up connected to itself.
 */
export async function freePorts<Name extends string>(...names: readonly Name[]): Promise<Record<Name, number>> {
  const ports = new Map<Name, number>();
  for (const name of names) {
    let port = randomInt(20_000, 30_000);
    while ([...ports.values()].includes(port) || !(await isFree(port))) port = randomInt(20_000, 30_000);
    ports.set(name, port);
  }
  return Object.fromEntries(ports) as Record<Name, number>;
}

async function isFree(port: number): Promise<boolean> {
  const server = createServer();
  try {
    await once(server.listen(port, '127.0.0.1'), 'listening');
    await once(server.close(), 'close');
    return true;
  } catch {
    return false;
  }
}
