import { connect } from 'node:net';
import { createInterface } from 'node:readline';
import type { ServedStats } from '../index.js';
import { StatsUnavailableError } from '../index.js';

/** A sample that a pipeline serves. */
export type Sample = Exclude<ServedStats, { readonly type: 'hello' }>;

/** The samples that are served at a path, until whoever serves them ends, or `signal` aborts. @throws {StatsUnavailableError} if nobody does. */
export async function* servedStats(path: string, signal: AbortSignal): AsyncGenerator<Sample> {
  const socket = connect(path);
  const hangUp = (): void => {
    socket.destroy();
  };
  signal.addEventListener('abort', hangUp);
  try {
    await new Promise<void>((resolve, reject) => {
      socket.once('connect', resolve);
      socket.once('error', (cause: NodeJS.ErrnoException) => {
        reject(nobodyThere(path, cause));
      });
      socket.once('close', resolve);
    });
    // A pipeline that is killed hangs up like one that ends.
    socket.on('error', () => undefined);
    const lines = createInterface({ input: socket });
    // By itself it notices only a socket that ends, not one that breaks off.
    socket.once('close', () => {
      lines.close();
    });
    for await (const line of lines) {
      const said = parsed(line, path);
      if (said.type !== 'hello') yield said;
    }
  } finally {
    signal.removeEventListener('abort', hangUp);
    socket.destroy();
  }
}

function nobodyThere(path: string, cause: NodeJS.ErrnoException): StatsUnavailableError {
  return new StatsUnavailableError(
    `nobody serves statistics at ${path} (${cause.code ?? cause.message}). Does the pipeline run, and call serveStats(kafka, '${path}')?`,
    { path, cause },
  );
}

function parsed(line: string, path: string): ServedStats {
  let said: ServedStats | undefined;
  try {
    said = JSON.parse(line) as ServedStats;
  } catch {
    // It is somebody else's socket.
  }
  if (said?.type === 'source' || said?.type === 'producer') return said;
  if (said?.type === 'hello' && (said.format as number) === 1) return said;
  throw new StatsUnavailableError(`what is served at ${path} are no statistics that this version of kafka-rx can read.`, { path });
}
