import { closeSync, existsSync, openSync, readFileSync, readSync } from 'node:fs';
import { join } from 'node:path';
import type { Dump, Evidence, How, Life, Sighting } from './verify.js';

/**
 * Where a run leaves what it knows, for whoever judges it:
 *
 * - `journal`: the producer's `I id` before a record is sent, `A id partition offset` when the broker has it, `U id` when nobody knows; and
 *   the supervisor's `R maxInFlight` at the start and `K time life how bytes` at each end of a process, with the length of `effects` then;
 * - `effects`: the pipeline's `S pid epoch partition offset id` when it sees a record, and `E …` when its work on it is done;
 * - `dump-<life>.json`: what the store held when that process had ended.
 */
export const fileIn = (folder: string) =>
  ({
    journal: join(folder, 'journal'),
    effects: join(folder, 'effects'),
    dump: (life: number): string => join(folder, `dump-${life}.json`),
  }) as const;

export function readRun(folder: string): Evidence {
  const file = fileIn(folder);
  const sent = new Set<string>();
  const acked = new Map<string, { partition: number; offset: number }>();
  const ends: { life: number; how: How; bytes: number }[] = [];
  let maxInFlight = 0;
  for (const line of linesOf(file.journal)) {
    const [kind, ...words] = line.split(' ') as [string, ...string[]];
    const [first = '', second = '', third = '', fourth = ''] = words;
    if (kind === 'R') maxInFlight = Number(first);
    else if (kind === 'I') sent.add(first);
    else if (kind === 'A') acked.set(first, { partition: Number(second), offset: Number(third) });
    else if (kind === 'K') ends.push({ life: Number(second), how: third.replaceAll('_', ' ') as How, bytes: Number(fourth) });
    else if (kind !== 'U') throw new Error(`the journal has a line of no known kind: ${line}`);
  }
  const lives: Life[] = [];
  let from = 0;
  for (const { life, how, bytes } of ends) {
    const sightings = [...linesOf(file.effects, from, bytes)].map(sighting);
    lives.push({ life, how, sightings, dump: JSON.parse(readFileSync(file.dump(life), 'utf8')) as Dump });
    from = bytes;
  }
  return { maxInFlight, sent, acked, lives };
}

function sighting(line: string): Sighting {
  const [kind, , epoch, partition, offset, id] = line.split(' ') as [string, string, string, string, string, string | undefined];
  if ((kind !== 'S' && kind !== 'E') || id === undefined) throw new Error(`the effects have a line of no known kind: ${line}`);
  return { kind, epoch: Number(epoch), partition: Number(partition), offset: Number(offset), id };
}

const CHUNK_BYTES = 1 << 20;

/** The lines between two places of a file, which may be larger than memory and may still grow; answers where the last of them ends. */
export function* linesOf(path: string, from = 0, to = Infinity): Generator<string, number> {
  if (!existsSync(path)) return from;
  const file = openSync(path, 'r');
  try {
    const chunk = Buffer.allocUnsafe(CHUNK_BYTES);
    let rest = '';
    let at = from;
    for (;;) {
      const bytes = readSync(file, chunk, 0, Math.min(CHUNK_BYTES, to - at), at);
      if (bytes === 0) return at - rest.length;
      at += bytes;
      const lines = (rest + chunk.toString('latin1', 0, bytes)).split('\n');
      rest = lines.pop() as string;
      for (const line of lines) yield line.trimEnd();
    }
  } finally {
    closeSync(file);
  }
}
