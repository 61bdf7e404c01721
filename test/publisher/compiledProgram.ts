import { fileURLToPath } from 'node:url';

/** The compiled program of this name. */
export function compiledSpillProgram(name: string): string {
  return fileURLToPath(new URL(`../../.build/test/publisher/programs/${name}.js`, import.meta.url));
}
