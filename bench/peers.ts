/**
 * The clients that kafka-rx is compared with. They are installed in bench/ only: the library has nothing to do with them, and whoever only
 * tests it never downloads them.
 */
import { spawn } from 'node:child_process';
import { once } from 'node:events';
import { existsSync, readFileSync } from 'node:fs';
import { createRequire } from 'node:module';
import { join } from 'node:path';
import { fileURLToPath, pathToFileURL } from 'node:url';

/** bench/ itself, of which this is the compiled copy in .build/. */
const folder = fileURLToPath(new URL('../../bench/', import.meta.url));
const require = createRequire(join(folder, 'package.json'));

/** Installs what is not there yet. A peer that cannot be had is left out: `missing` tells. */
export async function installPeers(): Promise<void> {
  if (existsSync(join(folder, 'node_modules', '.package-lock.json'))) return;
  process.stderr.write('Installing the peers into bench/node_modules, once. One of them may have to be compiled, which takes minutes.\n');
  // Where there is no prebuilt binary, linking dynamically is the only way in which Confluent's client builds with common packages.
  const npm = spawn('npm', ['ci'], { cwd: folder, stdio: ['ignore', 2, 2], env: { ...process.env, CKJS_LINKING: 'dynamic' } });
  const [code] = (await once(npm, 'exit')) as [number | null];
  if (code !== 0) process.stderr.write(`The peers could not all be installed: \`npm ci\` in bench/ ended with code ${code}.\n`);
}

/** A peer's module, as it exports itself. The type is what a contender uses of it. */
export async function peer<Module>(name: string): Promise<Module> {
  return (await import(pathToFileURL(require.resolve(name)).href)) as Module;
}

export function peerVersion(name: string): string {
  const manifest = JSON.parse(readFileSync(join(folder, 'node_modules', name, 'package.json'), 'utf8')) as { version: string };
  return manifest.version;
}

/** Why a peer cannot run, or `undefined` if it can. */
export function missing(name: string): string | undefined {
  if (existsSync(join(folder, 'node_modules', name, 'package.json'))) return undefined;
  return `${name} could not be installed here; \`npm install --prefix bench --foreground-scripts\` shows why`;
}

/** A Node of at least these versions: this one, or the one that npm brought. */
export function nodeOfAtLeast(versions: readonly string[]): string | undefined {
  if (meets(process.versions.node, versions)) return process.execPath;
  const name = `node-${process.platform}-${process.arch}`;
  const brought = join(folder, 'node_modules', name, 'bin', 'node');
  return existsSync(brought) && meets(peerVersion(name), versions) ? brought : undefined;
}

/** Each of `versions` opens a major; a later major than all of them will do too. */
function meets(version: string, versions: readonly string[]): boolean {
  const [major, minor] = version.split('.').map(Number) as [number, number];
  const bounds = versions.map((bound) => bound.split('.').map(Number) as [number, number]);
  return bounds.some(([from, least]) => major === from && minor >= least) || bounds.every(([from]) => major > from);
}
