import { randomBytes } from 'node:crypto';
import { chmodSync, renameSync, rmSync, statSync } from 'node:fs';
import type { Server, Socket } from 'node:net';
import { createServer } from 'node:net';
import { fromEvent, map, merge, takeUntil } from 'rxjs';
import { OptionError, StatsUnavailableError } from './errors.js';
import type { Client, Kafka } from './kafka.js';
import type { ProducerStats } from './sinks/producerStats.js';
import type { SourceStats } from './sources/sourceStats.js';

/** A line that is served: JSON, without librdkafka's own statistics, which are large. The first says who serves. */
export type ServedStats =
  | { readonly type: 'hello'; readonly format: 1; readonly pid: number }
  | ({ readonly type: 'source' } & Omit<SourceStats, 'rdkafkaStats'>)
  | ({ readonly type: 'producer' } & Omit<ProducerStats, 'rdkafkaStats'>);

export interface StatsServer extends AsyncDisposable {
  readonly path: string;
  /** Hangs up, and removes the socket. Never rejects. */
  close(): Promise<void>;
}

/** The longest path in bytes that a socket address holds on the systems we know, with a little to spare for the name that it has at first. */
const MAX_PATH_BYTES = 90;
const HANG_UP_MS = 1_000;

/**
 * Serves the statistics of all sources and producers of a `Kafka` at a unix domain socket, for `kafka-rx top`, or for whoever else reads JSON lines.
 *
 * Nothing is sampled while nobody is connected. Only this user can connect (the socket's mode is 0600). One who reads too slowly misses samples;
 * nothing is kept for him. A socket that a dead process has left behind is taken over, and so is that of a living one: the last one who serves
 * at a path is found there. It ends with the `Kafka`, and keeps no process alive.
 *
 * @param path Where the socket is to be, on a local disk, at most 90 bytes.
 * @throws {OptionError} for a path that cannot be one, {@link StatsUnavailableError} (as a rejection) where no socket can be made, `ClosedError`
 * if the `Kafka` was closed.
 *
 * @example
 * ```ts
 * await serveStats(kafka, './billing.sock'); // then: npx kafka-rx top ./billing.sock
 * ```
 */
export async function serveStats(kafka: Kafka, path: string): Promise<StatsServer> {
  if (typeof path !== 'string' || path === '') throw new OptionError('serveStats: the second argument is the path of the socket.');
  if (Buffer.byteLength(path) > MAX_PATH_BYTES)
    throw new OptionError(`serveStats: the path of a socket has at most ${MAX_PATH_BYTES} bytes: choose a shorter one, or a relative one.`);
  const sockets = new Set<Socket>();
  const server = createServer((socket) => {
    serve(kafka, socket, sockets);
  });
  const inode = await listen(server, path);
  let unregister = (): void => undefined;
  let closing: Promise<void> | undefined;
  const close = (): Promise<void> =>
    (closing ??= new Promise((resolve) => {
      unregister();
      removeUnlessTaken(path, inode);
      server.close(() => {
        resolve();
      });
      for (const socket of sockets) hangUp(socket);
    }));
  const client: Client = { kind: 'sink', close };
  try {
    unregister = kafka.register(client);
  } catch (error) {
    await close();
    throw error;
  }
  return { path, close, [Symbol.asyncDispose]: close };
}

/** It gets its name when it listens already, and in one step: whoever looks for it finds the one before, or this one. */
async function listen(server: Server, path: string): Promise<number> {
  const draft = `${path}.${randomBytes(4).toString('hex')}`;
  try {
    if (statSync(path, { throwIfNoEntry: false })?.isSocket() === false) throw new Error('there is a file that is no socket');
    await new Promise<void>((resolve, reject) => {
      server.once('error', reject);
      server.listen(draft, () => {
        server.off('error', reject);
        // As for want of descriptors: one who could not connect tries again.
        server.on('error', () => undefined);
        resolve();
      });
    });
    server.unref();
    chmodSync(draft, 0o600);
    renameSync(draft, path);
    return statSync(path).ino;
  } catch (cause) {
    server.close();
    const { code, message } = cause as NodeJS.ErrnoException;
    throw new StatsUnavailableError(
      `the statistics cannot be served at ${path} (${code ?? message}). Choose a path that this user may write to.`,
      {
        path,
        cause,
      },
    );
  }
}

/** Somebody else may serve there by now. A name that cannot be removed stays: the next one who serves takes it over. */
function removeUnlessTaken(path: string, inode: number): void {
  try {
    if (inodeAt(path) === inode) rmSync(path, { force: true });
  } catch {
    // Nobody waits for it.
  }
}

/** One who does not hang up, as a process that was stopped, is not waited for. */
function hangUp(socket: Socket): void {
  const patience = setTimeout(() => {
    socket.destroy();
  }, HANG_UP_MS);
  socket.once('close', () => {
    clearTimeout(patience);
  });
  socket.ref();
  socket.end();
}

function inodeAt(path: string): number | undefined {
  return statSync(path, { throwIfNoEntry: false })?.ino;
}

function serve(kafka: Kafka, socket: Socket, sockets: Set<Socket>): void {
  sockets.add(socket);
  socket.unref();
  socket.on('error', () => undefined);
  // What they say is nobody's business; unread, their hanging up would not be noticed.
  socket.resume();
  const say = (line: ServedStats): void => {
    if (!socket.writableNeedDrain) socket.write(`${JSON.stringify(line)}\n`);
  };
  say({ type: 'hello', format: 1, pid: process.pid });
  const samples$ = merge(
    kafka.stats$.pipe(map((stats) => ({ type: 'source' as const, ...stats, rdkafkaStats: undefined }))),
    kafka.producerStats$.pipe(map((stats) => ({ type: 'producer' as const, ...stats, rdkafkaStats: undefined }))),
  );
  void samples$
    .pipe(takeUntil(fromEvent(socket, 'close')))
    .forEach(say)
    .then(() => {
      sockets.delete(socket);
      socket.end();
    });
}
