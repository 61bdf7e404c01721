/** `npm run diagrams`: draws the operators again, from the tests that are their diagrams. */
import { writeFile } from 'node:fs/promises';
import { fileURLToPath } from 'node:url';
import { FOLDER, pictures } from './pictures.js';

const root = fileURLToPath(new URL('../../', import.meta.url));
for (const [name, picture] of pictures(root)) await writeFile(`${root}${FOLDER}/${name}`, picture);
