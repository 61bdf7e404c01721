import fs from 'node:fs';
import { syncBuiltinESMExports } from 'node:module';
import { join } from 'node:path';
import type { KafkaRxError } from '../../src/errors.js';
import type { Checkpoint, OffsetStore } from '../../src/offsets/store.js';
import { GROUP } from './journal.js';

/** Uses a store while something happens to its disk, and says line by line what came of it. */
const [mishap, folder] = process.argv.slice(2) as [string, string];
const directory = join(folder, 'offsets');
const say = (line: unknown): void => {
  fs.writeSync(1, `${JSON.stringify(line)}\n`);
};
process.on('unhandledRejection', (error) => {
  say({ unhandled: String(error) });
});
// What LMDB says of an error it says to the console too.
console.error = () => undefined;

let looks = 0;
const { statfsSync } = fs;
fs.statfsSync = ((path: string) => {
  looks += 1;
  return statfsSync(path);
}) as typeof fs.statfsSync;
syncBuiltinESMExports();
const { openOffsets } = await import('../../src/offsets/lmdb.js');

function checkpoint(frontier: number, runs: readonly number[] = []): Checkpoint {
  return { topic: 'orders', partition: 0, epoch: 1, frontier, runs, metadata: '' };
}

async function write(store: OffsetStore, frontier: number, runs?: readonly number[]): Promise<void> {
  try {
    await (store.write(GROUP, [checkpoint(frontier, runs)]) as Promise<unknown>);
    say({ durable: frontier });
  } catch (error) {
    const { name, message, retriable } = error as KafkaRxError;
    say({ failed: frontier, name, message, retriable });
  }
}

function opened(options?: Parameters<typeof openOffsets>[1]): OffsetStore | undefined {
  try {
    return openOffsets(directory, options);
  } catch (error) {
    const { name, message, retriable } = error as KafkaRxError;
    say({ name, message, retriable });
    return undefined;
  }
}

const ballast = join(folder, 'ballast');
function fillTheDisk(): void {
  const file = fs.openSync(ballast, 'a');
  try {
    for (let size = 1 << 20; size >= 1; size = Math.floor(size / 4)) {
      try {
        for (;;) fs.writeSync(file, Buffer.alloc(size, 1));
      } catch {
        // So much no longer fits.
      }
    }
  } finally {
    fs.closeSync(file);
  }
}
const makeRoom = (): void => {
  fs.rmSync(ballast, { force: true });
};

async function lookedAgain(): Promise<void> {
  for (const until = looks + 2; looks < until;) await new Promise((resolve) => setImmediate(resolve));
}

/** More than the file has room for from the start. */
const MANY_RUNS = Array.from({ length: 150_000 }, (_, i) => 1_000_000 + 3 * i);

async function fullDisk(): Promise<void> {
  const store = opened() as OffsetStore;
  await (store.claim(GROUP, [{ topic: 'orders', partition: 0 }]) as Promise<unknown>);
  await write(store, 1);
  for (let cycle = 1; cycle <= 20; cycle += 1) {
    fillTheDisk();
    const writing = write(store, 1 + cycle, MANY_RUNS);
    const first = await Promise.race([writing.then(() => 'settled'), lookedAgain().then(() => 'waits')]);
    if (first === 'settled') say({ settledOnAFullDisk: cycle });
    makeRoom();
    await writing;
  }
  await store.close();
  const impatient = opened({ commitTimeoutMs: 200 }) as OffsetStore;
  fillTheDisk();
  await write(impatient, 100, MANY_RUNS.concat(5_000_000, 5_000_001));
  makeRoom();
  await write(impatient, 101);
  fillTheDisk();
  await impatient.close();
  opened();
  makeRoom();
  const again = opened() as OffsetStore;
  say({ remembered: (await (again.list(GROUP) as Promise<readonly Checkpoint[]>)).map(({ frontier }) => frontier) });
  await again.close();
}

async function disk(change: () => void, many = 4): Promise<void> {
  const store = opened({ commitTimeoutMs: 5_000 }) as OffsetStore;
  await (store.claim(GROUP, [{ topic: 'orders', partition: 0 }]) as Promise<unknown>);
  await write(store, 1);
  change();
  for (let frontier = 2; frontier < 2 + many; frontier += 1) await write(store, frontier);
  await store.close();
  say('closed');
}

switch (mishap) {
  case 'full':
    await fullDisk();
    break;
  case 'open':
    await opened()?.close();
    break;
  case 'deleted':
    await disk(() => {
      fs.rmSync(directory, { recursive: true });
    });
    break;
  case 'replaced':
    await disk(() => {
      fs.cpSync(join(directory, 'data.mdb'), join(directory, 'copy'));
      fs.renameSync(join(directory, 'copy'), join(directory, 'data.mdb'));
    });
    break;
  case 'cut off':
    await disk(() => {
      fs.truncateSync(join(directory, 'data.mdb'), 3 * 4_096);
    });
    break;
  default:
    // A plan for `faults.c`.
    await disk(() => {
      fs.writeFileSync(process.env['FAULT_PLAN'] as string, mishap);
    });
}
