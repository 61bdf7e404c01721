import { execFileSync } from 'node:child_process';
import { existsSync } from 'node:fs';
import { join } from 'node:path';
import { fileURLToPath } from 'node:url';

/** Why nothing can be preloaded here, or `undefined` where it can. On a build server that is an error: nothing would be tested. */
export const unable: string | undefined = (() => {
  if (process.platform !== 'linux') return refuse('LD_PRELOAD needs Linux');
  try {
    execFileSync('cc', ['--version'], { stdio: 'ignore' });
    return undefined;
  } catch {
    return refuse('there is no C compiler `cc`');
  }
})();

function refuse(reason: string): string {
  if (process.env['CI'] !== undefined && process.env['CI'] !== 'false')
    throw new Error(`This must be tested on a build server, but ${reason}.`);
  process.stderr.write(`\nNot tested: what the disk does to a store, because ${reason}.\n`);
  return reason;
}

/** The path of a library for LD_PRELOAD, compiled from `name.c` beside this file. */
export function compiled(name: string, folder: string): string {
  const library = join(folder, `${name}.so`);
  const source = fileURLToPath(new URL(`${name}.c`, import.meta.url));
  if (!existsSync(library)) execFileSync('cc', ['-shared', '-fPIC', '-O1', '-w', '-o', library, source, '-ldl', '-lpthread']);
  return library;
}
