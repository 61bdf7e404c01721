import { rmSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import type { KafkaRxError } from '../../../src/index.js';
import { left, numbered, openSpill, readAll, written } from '../spilling.js';

/** Fills a small disk, makes room again, and says what is there in the end. */
async function fill(folder: string): Promise<object> {
  const path = join(folder, 'spill');
  const ballast = join(folder, 'ballast');
  const spill = await openSpill(path);
  writeFileSync(ballast, Buffer.alloc(400_000));
  const kept: number[] = [];
  let refusals = '';
  const attempt = async (from: number): Promise<boolean> => {
    try {
      await written(spill, numbered(from, from + 20));
      kept.push(...Array.from({ length: 20 }, (_, i) => from + i));
      return true;
    } catch (error) {
      refusals = String(error);
      return false;
    }
  };
  let next = 0;
  while (await attempt(next)) next += 20;
  for (let i = 0; i < 20; i += 1) await attempt((next += 20));
  rmSync(ballast);
  const tookMore = await attempt((next += 20));
  await spill.close();
  const again = await openSpill(path);
  const found = (await readAll(again)).map(left);
  await again.close();
  return {
    refusals,
    tookMore,
    kept: kept.length,
    missing: kept.filter((n) => !found.includes(n)).length,
    invented: found.filter((n) => n >= next + 20).length,
  };
}

const [folder, what] = process.argv.slice(2) as [string, 'fill' | 'open'];
try {
  process.stdout.write(JSON.stringify(what === 'fill' ? await fill(folder) : await openSpill(join(folder, 'spill'))));
} catch (error) {
  process.stdout.write(JSON.stringify({ error: String(error), code: (error as KafkaRxError).code }));
}
