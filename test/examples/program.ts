import type { ChildProcessByStdio } from 'node:child_process';
import { spawn } from 'node:child_process';
import { once } from 'node:events';
import { copyFile, mkdir, symlink, writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import type { Readable } from 'node:stream';
import { fileURLToPath } from 'node:url';

const ROOT = fileURLToPath(new URL('../..', import.meta.url));

/** A program of `examples/` that runs. */
export interface Running extends AsyncDisposable {
  /** What it has printed so far. */
  readonly lines: () => readonly string[];
  /** Asks it to end, and answers how it did. */
  readonly end: () => Promise<[code: number | null, signal: string | null]>;
}

/** Puts an example into a folder as a user has it: a program of its own, with kafka-rx and rxjs among its packages. */
export async function installed(name: string, folder: string): Promise<void> {
  const packages = join(folder, 'node_modules');
  await mkdir(join(packages, 'kafka-rx'), { recursive: true });
  await copyFile(join(ROOT, 'package.json'), join(packages, 'kafka-rx', 'package.json'));
  await symlink(join(ROOT, '.build', 'src'), join(packages, 'kafka-rx', 'dist'));
  await symlink(join(ROOT, 'node_modules', 'rxjs'), join(packages, 'rxjs'));
  await writeFile(join(folder, 'package.json'), '{"type":"module"}');
  await copyFile(join(ROOT, '.build', 'examples', name, 'main.js'), join(folder, 'main.js'));
}

/** Starts the example of that folder; it is killed at the end of the block. */
export function started(folder: string, env: Readonly<Record<string, string>>): Running {
  const child: ChildProcessByStdio<null, Readable, null> = spawn(process.execPath, ['main.js'], {
    cwd: folder,
    env: { ...process.env, ...env },
    stdio: ['ignore', 'pipe', 'inherit'],
  });
  const exited = once(child, 'exit') as Promise<[number | null, string | null]>;
  let out = '';
  child.stdout.setEncoding('utf8').on('data', (chunk: string) => (out += chunk));
  return {
    lines: () => out.split('\n').slice(0, -1),
    end: () => {
      child.kill('SIGTERM');
      return exited;
    },
    [Symbol.asyncDispose]: async () => {
      child.kill('SIGKILL');
      await exited;
    },
  };
}
