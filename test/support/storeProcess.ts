import type { ChildProcess } from 'node:child_process';
import { fork } from 'node:child_process';
import { once } from 'node:events';
import { readFileSync } from 'node:fs';
import { fileURLToPath } from 'node:url';
import { onTestFinished } from 'vitest';
import type { Order, Report } from '../programs/storeOwner.js';
import { eventually } from './eventually.js';

/** Everything that a test starts ends with it. */
function program(name: string, args: readonly string[] = []): ChildProcess {
  const child = fork(fileURLToPath(new URL(`../../.build/test/programs/${name}.js`, import.meta.url)), args);
  onTestFinished(() => {
    child.kill('SIGKILL');
  });
  return child;
}

/** What a process says next; an error if it ends before. */
async function hear(child: ChildProcess): Promise<Report> {
  const heard = new AbortController();
  const { signal } = heard;
  try {
    const [said] = (await Promise.race([
      once(child, 'message', { signal }),
      once(child, 'exit', { signal }).then(([code, killer]) => {
        throw new Error(`the process ended with ${String(killer ?? code)}`);
      }),
    ])) as [Report];
    return said;
  } finally {
    heard.abort();
  }
}

/** A process of its own that opens a store and does with it what it is told. */
export class StoreProcess {
  readonly #child: ChildProcess;

  constructor() {
    this.#child = program('storeOwner');
  }

  get pid(): number {
    return this.#child.pid as number;
  }

  async ask(order: Order): Promise<Report> {
    const answer = hear(this.#child);
    this.#child.send(order);
    return answer;
  }

  /** Waits until the signal has had its effect: the process is dead, or stopped. */
  async signal(signal: 'SIGKILL' | 'SIGSTOP'): Promise<void> {
    const ended = once(this.#child, 'exit');
    this.#child.kill(signal);
    await (signal === 'SIGKILL' ? ended : stopped(this.pid));
  }

  /** Resolves with the signal that ended it. */
  async end(): Promise<unknown> {
    const [, signal] = (await once(this.#child, 'exit')) as unknown[];
    return signal;
  }
}

/** What came of opening a store in a process that is killed right before a certain call to the file system. */
export async function openAndDie(directory: string, call: number): Promise<Report | 'killed'> {
  const child = program('storeOpener', [directory, 'SIGKILL', String(call)]);
  const ended = once(child, 'exit');
  const said = await Promise.race([once(child, 'message'), ended.then(() => undefined)]);
  if (said === undefined) {
    const [code, signal] = (await ended) as unknown[];
    if (signal !== 'SIGKILL') throw new Error(`the process ended with ${String(signal ?? code)}`);
    return 'killed';
  }
  child.kill('SIGKILL');
  await ended;
  return said[0] as Report;
}

/** A process that opens a store and stands still right before a certain call to the file system, until `goOn`. */
export async function openAndPause(
  directory: string,
  call: number,
): Promise<{ readonly pid: number; goOn: () => Promise<Report>; end: () => Promise<void> }> {
  const child = program('storeOpener', [directory, 'SIGSTOP', String(call)]);
  const said = hear(child);
  await Promise.race([said, stopped(child.pid as number)]);
  return {
    pid: child.pid as number,
    goOn: () => {
      child.kill('SIGCONT');
      return said;
    },
    end: async () => {
      const ended = once(child, 'exit');
      child.kill('SIGKILL');
      await ended;
    },
  };
}

async function stopped(pid: number): Promise<void> {
  await eventually(() => {
    const state = readFileSync(`/proc/${pid}/stat`, 'utf8').split(') ').at(-1)?.charAt(0);
    if (state !== 'T') throw new Error(`process ${pid} is in state ${String(state)}`);
  });
}
