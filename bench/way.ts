import type { AddonOrReason } from '../src/addon.js';

/** How kafka-rx reads, or writes. */
export type Way = 'native' | 'plain';

/** Which way it really goes. Who asks for the native one gets no other: the figures would bear the wrong name. */
export function way(variable: 'KAFKA_RX_READER' | 'KAFKA_RX_PRODUCER', asked: string | undefined, found: AddonOrReason): Way {
  if (asked === 'plain') return 'plain';
  if ('addon' in found) return 'native';
  if (asked === 'native') throw new Error(`${variable}=native was asked for, and there is no addon: ${found.reason}`);
  return 'plain';
}
