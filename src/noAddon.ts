import type { Cluster } from './cluster.js';

/** The clusters that were told already. */
const told = new WeakSet<Cluster>();

/** Says on the cluster's events, once, that there is no addon in use, and why. */
export function tellOfNoAddon(kafka: Cluster, reason: string): void {
  if (told.has(kafka)) return;
  told.add(kafka);
  kafka.emit({
    type: 'notice',
    message:
      `records go through node-rdkafka's own \`consume\` and \`produce\`, which are slower: the native path cannot be used (${reason}). ` +
      '`npm rebuild kafka-rx` builds it again.',
  });
}
