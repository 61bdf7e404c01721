import { readFileSync, readdirSync } from 'node:fs';
import { join } from 'node:path';
import { fileURLToPath } from 'node:url';

const ROOT = fileURLToPath(new URL('../..', import.meta.url));

/** An example as a reader sees it. */
export interface Snippet {
  readonly where: string;
  readonly code: string;
}

/** Every TypeScript example of the README and of the doc comments in `src/`. */
export function snippets(): Snippet[] {
  const files = readdirSync(join(ROOT, 'src'), { recursive: true, encoding: 'utf8' }).filter((name) => name.endsWith('.ts'));
  return [
    ...blocks('README.md', readFileSync(join(ROOT, 'README.md'), 'utf8')),
    ...files.sort().flatMap((name) => blocks(`src/${name}`, readFileSync(join(ROOT, 'src', name), 'utf8').replace(/^ \* ?/gm, ''))),
  ];
}

function blocks(file: string, text: string): Snippet[] {
  return [...text.matchAll(/^```ts\n(.*?)^```$/gms)].map(([, code], index) => ({ where: `${file} ${index + 1}`, code: code as string }));
}
