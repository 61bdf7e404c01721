import { closeSync, openSync, readFileSync, unlinkSync, writeFileSync } from 'node:fs';
import type { Server } from 'node:net';
import { createServer } from 'node:net';
import { join } from 'node:path';
import { Worker } from 'node:worker_threads';
import { StoreLockedError, StoreUnavailableError } from '../errors.js';

/** The longest path that a socket address holds on the systems we know, with a little to spare. */
const MAX_SOCKET_PATH = 100;
/** How long a socket may take to say whether somebody listens. The kernel answers for a stopped owner too. */
const PROBE_MS = 5_000;

/**
 * Takes the directory for this process, or throws a {@link StoreLockedError}. Synchronous.
 *
 * The lock is a unix socket bound inside the directory: the kernel knows whether somebody listens on it. An owner that was stopped still
 * does; one that was killed does not, and what it left behind is taken over. It works between containers that share the directory.
 */
export function lock(directory: string): () => Promise<void> {
  // A long path is reached through a handle on its directory.
  const handle = join(directory, 'owner.sock').length > MAX_SOCKET_PATH ? openSync(directory, 'r') : undefined;
  const path = handle === undefined ? join(directory, 'owner.sock') : `/proc/self/fd/${handle}/owner.sock`;
  const pidFile = join(directory, 'owner.pid');
  let server = bind(path);
  if (server === undefined) {
    if (listens(path)) {
      if (handle !== undefined) closeSync(handle);
      throw locked(directory, pidFile);
    }
    unlinkSync(path);
    server = bind(path);
    if (server === undefined) throw locked(directory, pidFile);
  }
  writeFileSync(pidFile, `${process.pid}\n`, { mode: 0o600 });
  const owner = server;
  return () =>
    new Promise((resolve) => {
      owner.close(() => {
        if (handle !== undefined) closeSync(handle);
        resolve();
      });
    });
}

/** A server that listens on the path, or nothing if the path is taken. */
function bind(path: string): Server | undefined {
  const server = createServer((socket) => socket.destroy());
  let failure: NodeJS.ErrnoException | undefined;
  // The socket is bound within the call; only the news of a failure comes later.
  server.on('error', (error) => (failure = error));
  server.listen({ path, exclusive: true });
  if (!server.listening) {
    if (failure !== undefined) throw new StoreUnavailableError('the lock could not be taken', { path, cause: failure });
    return undefined;
  }
  server.unref();
  return server;
}

/** Whether a live process listens. Node has no synchronous connect, so a short-lived thread asks. */
function listens(path: string): boolean {
  const answer = new Int32Array(new SharedArrayBuffer(4));
  const worker = new Worker(PROBE, { eval: true, workerData: { path, answer } });
  worker.unref();
  Atomics.wait(answer, 0, 0, PROBE_MS);
  void worker.terminate();
  // No answer is no proof that nobody is there.
  return answer[0] !== NOBODY;
}

const NOBODY = 2;
const PROBE = `
  const { workerData: { path, answer } } = require('node:worker_threads');
  const say = (word) => { Atomics.store(answer, 0, word); Atomics.notify(answer, 0); };
  require('node:net').connect(path)
    .on('connect', () => say(1))
    .on('error', ({ code }) => say(code === 'ECONNREFUSED' || code === 'ENOENT' ? ${NOBODY} : 1));
`;

function locked(directory: string, pidFile: string): StoreLockedError {
  let owner = 'another process';
  try {
    const pid = readFileSync(pidFile, 'utf8').trim();
    owner = pid === String(process.pid) ? 'this process itself' : `process ${pid}`;
  } catch {
    // The owner has not written its number yet.
  }
  return new StoreLockedError(
    `the offset store ${directory} is in use by ${owner}: close that one first, or open another directory. One store has one owner; share the opened store within a process.`,
    { path: directory },
  );
}
