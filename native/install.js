/**
 * Builds the native reader and producer, after kafka-rx was installed. Where that fails the installation has not: records then
 * go through node-rdkafka's own `consume` and `produce`, and `events$` says so.
 *
 * In `postinstall`, because npm runs all `install` scripts at once, and node-rdkafka has to be built before.
 */
import { spawnSync } from 'node:child_process';
import { createHash } from 'node:crypto';
import { existsSync, readFileSync, readdirSync, realpathSync } from 'node:fs';
import { createRequire } from 'node:module';
import { dirname, join } from 'node:path';
import process from 'node:process';
import { fileURLToPath } from 'node:url';

const here = dirname(fileURLToPath(import.meta.url));

try {
  build();
} catch (error) {
  process.stderr.write(`kafka-rx: the native reader and producer were not built, records will take longer: ${error.message}\n`);
}

function build() {
  if (process.platform !== 'linux') throw new Error(`it is built on Linux only, and this is ${process.platform}`);
  // Wherever the package manager has put it.
  const rdkafkaPackage = realpathSync(createRequire(import.meta.url).resolve('node-rdkafka/package.json'));
  const rdkafka = dirname(rdkafkaPackage);
  const nan = dirname(createRequire(rdkafkaPackage).resolve('nan/package.json'));
  if (!existsSync(join(rdkafka, 'build/deps/librdkafka.so.1'))) throw new Error('node-rdkafka was not built together with its librdkafka');
  const { version } = JSON.parse(readFileSync(rdkafkaPackage, 'utf8'));
  // What is built from other sources than those that lie here is not used.
  const hash = createHash('sha256');
  for (const file of readdirSync(here).sort()) if (/\.(cc|h)$/.test(file)) hash.update(readFileSync(join(here, file)));
  const source_hash = `sha256-${hash.digest('hex')}`;
  const settings = { rdkafka, nan, rdkafka_version: version, source_hash };
  const defines = Object.entries(settings).map(([name, value]) => `-D${name}=${value}`);
  const { status, error } = nodeGyp(['rebuild', `--directory=${here}`, '--', ...defines]);
  if (error !== undefined) throw error;
  if (status !== 0) throw new Error(`node-gyp ended with code ${status}`);
}

/** The one that comes with npm; another package manager has one in its path. */
function nodeGyp(options) {
  const ofNpm = process.env.npm_config_node_gyp;
  const [command, ...first] = ofNpm === undefined ? ['node-gyp'] : [process.execPath, ofNpm];
  return spawnSync(command, [...first, ...options], { stdio: 'inherit' });
}
