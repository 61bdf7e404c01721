import { execFile } from 'node:child_process';
import { join } from 'node:path';
import { fileURLToPath } from 'node:url';
import { promisify } from 'node:util';
import { describe, expect, inject, it } from 'vitest';
import { createTopic } from '../broker/index.js';
import { unique } from './support/numbered.js';
import { temporaryFolder } from './support/temporaryFolder.js';

const run = promisify(execFile);
const PROGRAM = fileURLToPath(new URL('../.build/test/programs/longRun.js', import.meta.url));
/** Ten million is what is promised; the default is what fits into everyday. */
const RECORDS = Number(process.env['KAFKA_RX_LONG_RUN'] ?? 200_000);
/** Before a heap has its size, memory says nothing. */
const SAYS_SOMETHING = 5_000_000;

interface Held {
  readonly residentBytes: readonly number[];
  readonly descriptors: readonly number[];
}

describe.runIf(process.platform === 'linux')('a long run', () => {
  it('that writes and reads takes no more memory, and no more descriptors, the longer it lasts', { timeout: 1_800_000 }, async () => {
    const brokers = inject('brokers');
    const topic = unique('long');
    await createTopic(brokers, topic, { partitions: 4 });
    await using folder = await temporaryFolder();

    const { stdout } = await run(process.execPath, [PROGRAM, brokers.join(), topic, String(RECORDS), join(folder.path, 'offsets')]);

    for (const [what, { residentBytes, descriptors }] of Object.entries(JSON.parse(stdout) as Record<string, Held>)) {
      const middle = residentBytes.length / 2;
      process.stderr.write(`${RECORDS} ${what}, RSS in MiB: ${residentBytes.map((bytes) => Math.round(bytes / 2 ** 20)).join(' ')}\n`);
      expect(residentBytes).toHaveLength(40);
      expect(Math.max(...descriptors.slice(middle)), what).toBeLessThanOrEqual(Math.max(...descriptors.slice(0, middle)));
      if (RECORDS >= SAYS_SOMETHING)
        expect(Math.max(...residentBytes.slice(middle)), what).toBeLessThanOrEqual(1.05 * Math.max(...residentBytes.slice(0, middle)));
    }
  });
});
