import { spawn, type ChildProcess } from 'node:child_process';
import { closeSync, openSync, rmSync } from 'node:fs';
import type { Socket } from 'node:net';

/**
 * Becomes the command, after leaving a watcher in the same process group.
 *
 * The watcher reads a pipe that only the Node process holds open. However that process ends, SIGKILL included, the system closes the pipe,
 * and the watcher kills the command (whose process id is the shell's, `$$`) and removes the data.
 */
const script = `
data=$1; shift
exec 3<&0 </dev/null
(cat <&3 >/dev/null; kill -9 $$ 2>/dev/null; sleep 1; rm -rf -- "$data") &
exec 3<&-
exec "$@"
`;

export interface Supervised {
  /** Resolves when the command has ended by itself or was killed, with what is known of why. */
  readonly ended: Promise<string>;
  /** From now on the command does not keep Node from exiting, until somebody waits for it to be killed. */
  background(): void;
  /** Stops the command where it is (SIGSTOP), until it is thawed or killed. */
  freeze(): void;
  thaw(): void;
  /** Kills the command at once (SIGKILL), leaves its data, and resolves when it is gone. */
  kill(): Promise<void>;
}

/** Runs a command that cannot outlive this process, its output appended to `log`; if this process dies first, `data` is removed. */
export function startSupervised(command: string, args: readonly string[], { data, log }: { data: string; log: string }): Supervised {
  const output = openSync(log, 'a', 0o600);
  // Detached: it leads a group of its own, so that Ctrl-C in a terminal reaches Node only, and one signal reaches command and watcher.
  const child = spawn('sh', ['-c', script, 'sh', data, command, ...args], { stdio: ['pipe', output, output], detached: true });
  closeSync(output);

  const kill = (what: 'command' | 'group'): void => {
    if (child.pid === undefined) return;
    try {
      process.kill(what === 'group' ? -child.pid : child.pid, 'SIGKILL');
    } catch {
      // Nobody is left there.
    }
  };
  const atExit = (): void => {
    // The watcher lives on, to do the same again if this process is killed meanwhile.
    kill('command');
    rmSync(data, { recursive: true, force: true, maxRetries: 5, retryDelay: 50 });
  };
  process.on('exit', atExit);

  let gone = false;
  const ended = new Promise<string>((resolve) => {
    const end = (why: string): void => {
      gone = true;
      process.off('exit', atExit);
      // Now the watcher, before it takes the end of the command for that of this process and removes the data.
      kill('group');
      resolve(why);
    };
    child.once('error', (error) => {
      end(`did not run (${error.message})`);
    });
    child.once('exit', (code, by) => {
      end(by ? `was killed by ${by}` : `ended with code ${code}`);
    });
  });

  const signal = (name: 'SIGSTOP' | 'SIGCONT'): void => {
    if (!gone) child.kill(name);
  };

  return {
    ended,
    freeze: () => {
      signal('SIGSTOP');
    },
    thaw: () => {
      signal('SIGCONT');
    },
    background: () => {
      holdOpen(child, false);
    },
    async kill() {
      if (gone) return;
      holdOpen(child, true);
      kill('group');
      await ended;
    },
  };
}

function holdOpen(child: ChildProcess, hold: boolean): void {
  const pipe = child.stdin as Socket | null;
  if (hold) {
    child.ref();
    pipe?.ref();
  } else {
    child.unref();
    pipe?.unref();
  }
}
