import { execFile } from 'node:child_process';
import { cp, symlink, writeFile } from 'node:fs/promises';
import { fileURLToPath } from 'node:url';
import { promisify } from 'node:util';
import { expect, it } from 'vitest';
import { temporaryFolder } from './support/temporaryFolder.js';

const here = (path: string): string => fileURLToPath(new URL(`../${path}`, import.meta.url));

it('an installation that cannot build the addon succeeds, and says what is slower without it', async () => {
  await using folder = await temporaryFolder();
  const native = `${folder.path}/native`;
  await cp(here('native'), native, { recursive: true, filter: (path) => !path.endsWith('/build') });
  await cp(here('package.json'), `${folder.path}/package.json`);
  await symlink(here('node_modules'), `${folder.path}/node_modules`);
  // In place of a machine without a compiler.
  const nodeGyp = `${folder.path}/node-gyp.cjs`;
  await writeFile(nodeGyp, 'process.exit(7);\n');

  const { stderr } = await promisify(execFile)(process.execPath, [`${native}/install.js`], {
    env: { ...process.env, npm_config_node_gyp: nodeGyp },
  });

  expect(stderr).toMatch(/^kafka-rx: the native reader and producer were not built, records will take longer: /m);
});
