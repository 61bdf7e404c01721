import { execFileSync } from 'node:child_process';
import { appendFileSync, rmSync } from 'node:fs';
import { join } from 'node:path';
import type { Publisher } from '../../../src/index.js';
import { Kafka, SpillError, publisher } from '../../../src/index.js';

/**
 * What becomes of messages when the disk below a publisher is full, or read-only, for a while; `folder` is a small file system of its own:
 * `badDisk.js <full|read-only> <folder> <address that never answers> <brokers> <topic>`.
 */
const [mishap, folder, silent, brokers, topic] = process.argv.slice(2) as ['full' | 'read-only', string, string, string, string];
const spill = join(folder, 'spill');
const ballast = join(folder, 'ballast');
const options = { topic, spill, attemptTimeoutMs: 300, probeTimeoutMs: 300, maxBackoffMs: 20, retries: 0 };

function fill(): void {
  for (let bytes = 2 ** 16; bytes >= 1; bytes /= 4) {
    try {
      for (;;) appendFileSync(ballast, Buffer.alloc(bytes));
    } catch {
      // So much no longer fits.
    }
  }
}

const disk = {
  'full': {
    spoil: fill,
    mend: () => {
      rmSync(ballast);
    },
  },
  'read-only': {
    // What is open stays writable beneath: no file of it can be made.
    spoil: () => execFileSync('mount', ['-t', 'tmpfs', '-o', 'ro', 'none', spill]),
    mend: () => execFileSync('umount', [spill]),
  },
}[mishap];

/** What was told on `events$`, without saying it again and again. */
const told = new Set<string>();

function open(at: string): Kafka {
  const kafka = new Kafka({ brokers: at.split(',') });
  void kafka.events$.forEach((event) => {
    if (event.type === 'error' && event.error instanceof SpillError) told.add(`${event.error.reason}: ${event.error.message}`);
  });
  return kafka;
}

/** Sends so many of 8,192 bytes and more, and answers where they went. */
async function fates(out: Publisher, name: string, count = 20): Promise<string[]> {
  const value = (i: number): string => `${name}${i} `.padEnd(8_192);
  const all = Array.from(
    { length: count },
    (_, i) =>
      new Promise<string>((resolve) => {
        out.send(null, value(i), {
          onOutcome: ({ where, reason }) => {
            resolve(reason === undefined ? where : `${where} ${reason}`);
          },
        });
      }),
  );
  return [...new Set(await Promise.all(all))];
}

const said: Record<string, unknown> = {};
{
  await using kafka = open(silent);
  const out = publisher(kafka, { ...options, maxSpillBytes: 8 * 100_000 });
  said['before'] = await fates(out, 'before');
  disk.spoil();
  said['amid'] = await fates(out, 'amid');
  disk.mend();
  said['after'] = await fates(out, 'after');
  said['dropped'] = out.stats().dropped.disk;
}
{
  await using kafka = open(brokers);
  const out = publisher(kafka, options);
  for (const until = 40; out.stats().replayed < until;) await new Promise((resolve) => setTimeout(resolve, 5));
  disk.spoil();
  said['while Kafka is there'] = await fates(out, 'there');
  disk.mend();
}
process.stdout.write(JSON.stringify({ ...said, told: [...told] }));
