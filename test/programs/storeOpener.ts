import fs from 'node:fs';
import { createRequire, syncBuiltinESMExports } from 'node:module';
import type { StoreFault } from './storeOwner.js';

/**
 * Opens the store and stays, but sends itself a signal right before one of the calls by which `openOffsets` looks at or changes the
 * directory. So a test can put a crash, or the work of others, between any two of them.
 */
const [directory = '', signal = '', call = ''] = process.argv.slice(2);

const { openOffsets } = await import('../../src/offsets/lmdb.js');
// Loading it is no part of what is looked at.
createRequire(import.meta.url)('lmdb');
let left = Number(call);
for (const [name, original] of Object.entries(fs) as [string, unknown][]) {
  if (!name.endsWith('Sync') || typeof original !== 'function') continue;
  Object.assign(fs, {
    [name]: (...args: unknown[]): unknown => {
      left -= 1;
      if (left === 0) process.kill(process.pid, signal);
      return Reflect.apply(original, fs, args) as unknown;
    },
  });
}
syncBuiltinESMExports();

try {
  openOffsets(directory);
  process.send?.({ value: left > 0 ? 'opened without a signal' : 'opened' });
} catch (error) {
  const { name, message, code } = error as StoreFault;
  process.send?.({ error: { name, message, code } });
}
process.on('disconnect', () => process.exit());
