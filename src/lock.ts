import { randomBytes } from 'node:crypto';
import { chmodSync, closeSync, linkSync, openSync, readFileSync, readdirSync, rmSync, writeFileSync } from 'node:fs';
import type { Server } from 'node:net';
import { createServer } from 'node:net';
import { join } from 'node:path';
import { Worker } from 'node:worker_threads';
import { StoreLockedError, StoreUnavailableError } from './errors.js';

/** The longest path in bytes that a socket address holds on the systems we know, with a little to spare: a longer one is cut off silently. */
const MAX_SOCKET_PATH = 100;
/** How long a socket may take to say whether somebody listens. The kernel answers for a stopped owner too. */
const PROBE_MS = 5_000;

/** What is locked, and who owns it, in the words of the messages. */
export interface Locked {
  /** Such as `offset store`. */
  readonly what: string;
  /** What to do instead of opening it twice in one process. */
  readonly share: string;
}

/**
 * Takes the directory for this process, or throws a {@link StoreLockedError}. Synchronous.
 *
 * The lock is a unix socket inside the directory: the kernel knows whether somebody listens on it. An owner that was stopped still does;
 * one that was killed does not, and is succeeded. It works between containers that share the directory.
 *
 * Every owner has a socket of its own, `owner.<n>.sock`, with a number one above that of the owner before. So nobody ever removes or
 * reuses the name that decides, and of any number of successors exactly one gets the next number. A socket gets its name when it already
 * listens, so one that does not is dead; and only the owner removes names, those below its own, so the highest number only rises.
 */
export function lock(directory: string, locked: Locked): () => Promise<void> {
  const draft = `owner.${randomBytes(6).toString('hex')}.draft`;
  // A long path is reached through a handle on its directory.
  const handle = Buffer.byteLength(join(directory, draft)) > MAX_SOCKET_PATH ? openSync(directory, 'r') : undefined;
  const at = (name: string): string => (handle === undefined ? join(directory, name) : `/proc/self/fd/${handle}/${name}`);
  const server = createServer((socket) => socket.destroy());
  const unlock = (): Promise<void> =>
    new Promise((resolve) => {
      server.close(() => {
        if (handle !== undefined) closeSync(handle);
        resolve();
      });
    });
  try {
    bind(server, directory, at(draft), locked);
    const mine = succeed(directory, draft, at, locked);
    chmodSync(join(directory, socketName(mine)), 0o600);
    writeFileSync(join(directory, PID_FILE), `${mine} ${process.pid}\n`, { mode: 0o600 });
    tidy(directory, mine);
  } catch (error) {
    void unlock();
    throw error;
  }
  return unlock;
}

/** Holds the number of an owner and of its process. */
const PID_FILE = 'owner.pid';
const SOCKET = /^owner\.(\d+)\.sock$/;
const DRAFT = /^owner\.\w+\.draft$/;

function socketName(number: number): string {
  return `owner.${number}.sock`;
}

/** The number of the last owner, dead or alive; 0 if there was none. */
function lastOwner(directory: string): number {
  return Math.max(0, ...readdirSync(directory).map((name) => Number(SOCKET.exec(name)?.[1] ?? 0)));
}

/** Makes the draft the last owner's successor. */
function succeed(directory: string, draft: string, at: (name: string) => string, locked: Locked): number {
  for (;;) {
    const last = lastOwner(directory);
    if (last > 0) {
      const answer = knock(at(socketName(last)));
      if (answer === 'EACCES') throw unlockable(directory, locked, 'it belongs to another user (EACCES)');
      if (answer !== 'ECONNREFUSED' && answer !== 'ENOENT') throw inUse(directory, locked);
    }
    const mine = last + 1;
    try {
      linkSync(join(directory, draft), join(directory, socketName(mine)));
      return mine;
    } catch (cause) {
      // Somebody was quicker: and either took the number, or has already tidied up.
      const { code } = cause as NodeJS.ErrnoException;
      if (code === 'EEXIST') continue;
      if (code === 'ENOENT') throw inUse(directory, locked);
      throw unlockable(directory, locked, String(code), cause);
    }
  }
}

/**
 * Removes what earlier owners, and those that did not become one, have left behind. The drafts go first: whoever looked before a number
 * was taken can then no longer take it when it is free again.
 */
function tidy(directory: string, mine: number): void {
  const names = readdirSync(directory);
  const drafts = names.filter((name) => DRAFT.test(name));
  const sockets = names.filter((name) => Number(SOCKET.exec(name)?.[1] ?? mine) < mine);
  for (const name of [...drafts, ...sockets]) rmSync(join(directory, name), { force: true });
}

function bind(server: Server, directory: string, path: string, locked: Locked): void {
  // The socket is bound within the call; only the news of a failure comes later.
  server.on('error', () => undefined);
  server.listen({ path, exclusive: true });
  if (!server.listening) throw unlockable(directory, locked, 'the system takes no unix socket there');
  server.unref();
}

/**
 * How the owner answers: with nothing if it lives, or with the system's word for what is wrong.
 * Node has no synchronous connect, so a short-lived thread asks.
 */
function knock(path: string): string {
  const answer = new Int32Array(new SharedArrayBuffer(4 + MAX_ANSWER_BYTES));
  // Options of the process, such as `--input-type=module`, are not for this thread.
  const worker = new Worker(KNOCK, { eval: true, workerData: { path, answer }, execArgv: [] });
  worker.on('error', () => undefined);
  worker.unref();
  Atomics.wait(answer, 0, 0, PROBE_MS);
  void worker.terminate();
  // No answer is no proof that nobody is there.
  return Buffer.from(answer.buffer, 4, Math.max(0, Atomics.load(answer, 0) - 1)).toString();
}

const MAX_ANSWER_BYTES = 32;
const KNOCK = `
  const { workerData: { path, answer } } = require('node:worker_threads');
  const say = (word) => {
    const { written } = new TextEncoder().encodeInto(word, new Uint8Array(answer.buffer, 4));
    Atomics.store(answer, 0, 1 + written);
    Atomics.notify(answer, 0);
  };
  require('node:net').connect(path).on('connect', () => say('')).on('error', ({ code }) => say(code));
`;

function unlockable(directory: string, { what }: Locked, reason: string, cause?: unknown): StoreUnavailableError {
  return new StoreUnavailableError(
    `the ${what} ${directory} cannot be used: its lock cannot be taken, ${reason}. Choose a directory on a local disk that this user may write to.`,
    { path: directory, cause },
  );
}

function inUse(directory: string, { what, share }: Locked): StoreLockedError {
  return new StoreLockedError(
    `the ${what} ${directory} is in use by ${nameOfOwner(directory)}: close that one first, or open another directory. ${share}`,
    { path: directory },
  );
}

/** The file may still be that of the owner before, or half written. */
function nameOfOwner(directory: string): string {
  let text = '';
  try {
    text = readFileSync(join(directory, PID_FILE), 'utf8');
  } catch {
    // No owner has ever come so far.
  }
  const [, number, pid] = /^(\d+) (\d+)\n$/.exec(text) ?? [];
  if (pid === undefined || Number(number) !== lastOwner(directory)) return 'another process';
  return pid === String(process.pid) ? 'this process itself' : `process ${pid}`;
}
