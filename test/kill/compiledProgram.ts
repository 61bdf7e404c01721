import { fileURLToPath } from 'node:url';

/** The compiled program of this name, whether this file is compiled itself or not: a test runner takes it as it is. */
export function compiledProgram(name: string): string {
  const folder = import.meta.url.endsWith('.ts') ? '../../.build/test/kill/programs/' : 'programs/';
  return fileURLToPath(new URL(`${folder}${name}.js`, import.meta.url));
}
