import { join } from 'node:path';
import { readFileSync, readdirSync } from 'node:fs';
import { linesOf } from '../kill/runFolder.js';
import type { Dump } from '../kill/verify.js';
import type { StormEvidence, Step } from './judge.js';

/**
 * Where a storm leaves what it knows:
 *
 * - `journal`: the producer's, as in the kill loop;
 * - `log`: what members did and what was done to them, in the order in which it happened, for each line is one write to one file. A member's
 *   `G member store partition` when it was given a partition, and `T …` when that was taken;
 *   `F member store` when it was told of an error that is no end, as of a commit to the group that failed; its `S member store epoch partition offset id` when it
 *   sees a record, `E …` when its work on it is done, `D …` when it is told that its store remembers that. The supervisor's `K pid` before a
 *   SIGKILL, `Z pid` before a SIGSTOP, `C pid` after a SIGCONT, `Q pid` before it asks a process to end, `X pid code` when that has ended;
 *   and `M partition offset` when an observer sees that the group's own offset is another one;
 * - `dump-<store>.json`: what a store held at the end.
 */
export const stormFile = (folder: string) =>
  ({
    journal: join(folder, 'journal'),
    log: join(folder, 'log'),
    dump: (store: string): string => join(folder, `dump-${store}.json`),
  }) as const;

export function readStorm(folder: string): StormEvidence {
  const file = stormFile(folder);
  const sent = new Set<string>();
  const acked = new Map<string, { partition: number; offset: number }>();
  for (const line of linesOf(file.journal)) {
    const [kind, id, partition, offset] = line.split(' ') as [string, string, string, string];
    if (kind === 'I') sent.add(id);
    else if (kind === 'A') acked.set(id, { partition: Number(partition), offset: Number(offset) });
  }
  const dumps = new Map<string, Dump>();
  for (const name of readdirSync(folder)) {
    const [, store] = /^dump-(.+)\.json$/.exec(name) ?? [];
    if (store !== undefined) dumps.set(store, JSON.parse(readFileSync(join(folder, name), 'utf8')) as Dump);
  }
  return { sent, acked, dumps, steps: [...linesOf(file.log)].map(stepOf) };
}

export function stepOf(line: string): Step {
  const [kind = '', ...words] = line.split(' ');
  const [first = '', second = '', third = '', fourth = '', fifth = '', id = ''] = words;
  switch (kind) {
    case 'S':
    case 'E':
    case 'D':
      return { kind, member: first, store: second, epoch: Number(third), partition: Number(fourth), offset: Number(fifth), id };
    case 'G':
    case 'T':
      return { kind, member: first, store: second, partition: Number(third) };
    case 'F':
      return { kind, member: first, store: second };
    case 'K':
    case 'Z':
    case 'C':
    case 'Q':
      return { kind, pid: first };
    case 'M':
      return { kind, partition: Number(first), offset: Number(second) };
    case 'X':
      return { kind, pid: first, code: second };
    default:
      throw new Error(`the log has a line of no known kind: ${line}`);
  }
}
