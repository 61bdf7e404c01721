import type { JvmBroker } from '../../broker/index.js';
import { startJvmBroker } from '../../broker/index.js';
import { singleNode } from '../../broker/settings.js';

/** In the new protocol it is the broker that says how long it waits for a member that it does not hear of; by default 45 s, and no less. */
export const SESSION_TIMEOUT_MS = 2_000;

/** A broker that soon notices when a member of the new protocol is gone. */
export function startMembersBroker(): Promise<JvmBroker> {
  Object.assign(singleNode, {
    'group.consumer.min.session.timeout.ms': '1000',
    'group.consumer.session.timeout.ms': String(SESSION_TIMEOUT_MS),
    'group.consumer.min.heartbeat.interval.ms': '100',
    'group.consumer.heartbeat.interval.ms': '300',
  });
  return startJvmBroker();
}
