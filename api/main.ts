/** `npm run api`: writes down the public names and their signatures, so that a change of one is seen in its diff. */
import { writeFile } from 'node:fs/promises';
import { fileURLToPath } from 'node:url';
import { fileOf, reports } from './report.js';

const root = fileURLToPath(new URL('../../', import.meta.url));
for (const [entry, report] of await reports(root)) await writeFile(`${root}api/${fileOf(entry)}`, report);
