import { fork } from 'node:child_process';
import { mkdir } from 'node:fs/promises';
import { join } from 'node:path';
import { fileURLToPath } from 'node:url';
import type { Contender } from './contenders.js';
import { missing, nodeOfAtLeast } from './peers.js';
import type { Account, Message, Task } from './task.js';

export interface RunOptions {
  readonly patienceMs: number;
  /** Called when the contender has its partitions and its clock runs. */
  readonly onReady?: () => void;
}

/** Runs a contender in a process of its own, so that memory and CPU time are its own; rejects with the reason if it gives no account. */
export async function run(contender: Contender, task: Task, { patienceMs, onReady }: RunOptions): Promise<Account> {
  const reason = cannotRun(contender);
  if (reason !== undefined) throw new Error(reason);
  await mkdir(task.folder, { recursive: true });
  const child = fork(fileURLToPath(new URL(`./contenders/${contender.program}.js`, import.meta.url)), [JSON.stringify(task)], {
    execPath: contender.node === undefined ? process.execPath : nodeOfAtLeast(contender.node),
    execArgv: [...(contender.execArgv ?? [])],
    env: { ...process.env, KAFKAJS_NO_PARTITIONER_WARNING: '1', ...contender.environment },
    stdio: ['ignore', 'ignore', 'pipe', 'ipc'],
  });
  let account: Account | undefined;
  let complaint = '';
  child.stderr?.on('data', (chunk: Buffer) => {
    complaint = `${complaint}${chunk.toString()}`.slice(-4_000);
  });
  child.on('message', (message: Message) => {
    if (message.type === 'account') account = message.account;
    else onReady?.();
  });
  const patience = setTimeout(() => {
    child.kill('SIGKILL');
  }, patienceMs);
  const code = await new Promise<number | string | null>((resolve) => {
    child.once('close', (status, by) => {
      resolve(by ?? status);
    });
  });
  clearTimeout(patience);
  if (account !== undefined) return account;
  if (child.killed) throw new Error(`it was not through after ${patienceMs / 1_000} s`);
  throw new Error(`it ended with ${code ?? 'no code'}: ${lastError(complaint)}`);
}

/** The folder in which a run may keep what it wants. */
export function folderOf(all: string, { name }: Contender, id: string): string {
  return join(all, `${id}-${name.replaceAll(/[^a-z-]/g, '')}`);
}

function cannotRun({ peer, node }: Contender): string | undefined {
  if (node !== undefined && nodeOfAtLeast(node) === undefined) {
    return `it needs Node ${node.join(' or ')}, this is ${process.version}, and npm brought none for this platform`;
  }
  return peer === undefined ? undefined : missing(peer);
}

/** The line of an uncaught error that says what it is. */
function lastError(complaint: string): string {
  const lines = complaint.trim().split('\n');
  return lines.findLast((line) => /^\S*Errors?\b.*:/.test(line)) ?? lines.at(-1) ?? 'without a word';
}
