import type { Cluster } from '../cluster.js';

/** How many threads libuv's pool has by default. */
const DEFAULT_THREADS = 4;

let waiting = 0;
/** The clusters that were told already. */
const told = new WeakSet<Cluster>();

/**
 * A client that waits for records holds a thread of libuv's pool, and so does each commit. Where hardly any is left, everything of Node that needs
 * one waits as well, and the cluster's events say so, once. Answers what gives the thread back.
 */
export function holdThread(cluster: Cluster): () => void {
  waiting += 1;
  const threads = Number(process.env['UV_THREADPOOL_SIZE'] ?? DEFAULT_THREADS);
  if (waiting >= threads - 1 && !told.has(cluster)) {
    told.add(cluster);
    cluster.emit({
      type: 'notice',
      message:
        `${waiting} sources wait for records, each in one of the ${threads} threads that Node has for such work; commits, files and look-ups of ` +
        `names have to wait for the others. Start Node with UV_THREADPOOL_SIZE=${DEFAULT_THREADS + waiting} in its environment, or more.`,
    });
  }
  let held = true;
  return () => {
    if (held) waiting -= 1;
    held = false;
  };
}
