import { readFileSync, readdirSync } from 'node:fs';
import { join } from 'node:path';
import type { Block } from './block.js';
import { blockOf } from './block.js';
import { draw } from './draw.js';

/** Where the pictures are kept, for the README. */
export const FOLDER = 'docs/diagrams';
const TESTS = 'marbles/operators';

/** The diagram of each operator. */
export function blocks(root: string): Map<string, Block> {
  const tests = readdirSync(join(root, TESTS)).filter((file) => /^\w+\.test\.ts$/.test(file));
  return new Map(
    tests.sort().map((file) => [file.replace('.test.ts', ''), told(file, () => blockOf(readFileSync(join(root, TESTS, file), 'utf8')))]),
  );
}

/** The picture of each operator, by the name of its file. */
export function pictures(root: string): Map<string, string> {
  return new Map([...blocks(root)].map(([name, block]) => [`${name}.svg`, told(`${name}.test.ts`, () => draw(name, block))]));
}

/** Says in which file the fault is. */
function told<T>(file: string, work: () => T): T {
  try {
    return work();
  } catch (error) {
    throw new Error(`${TESTS}/${file}: ${error instanceof Error ? error.message : String(error)}`, { cause: error });
  }
}
