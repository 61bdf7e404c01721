import { readSnapshot } from '../offsets/snapshot.js';
import { lineOf } from './checkpointLine.js';
import type { OffsetsCall } from './offsetsArguments.js';
import { damageIn, selected } from './selection.js';
import { table } from './table.js';
import { UsageError } from '../commandLine.js';

/** What a command has to say, and whether all is well. */
export interface Answer {
  readonly text: string;
  readonly well: boolean;
  readonly complaint?: string;
}

export function list({ directory, json, ...which }: OffsetsCall): Answer {
  const snapshot = readSnapshot(directory, 'offsets');
  const found = selected(snapshot.checkpoints, which);
  const rows = found.map(({ group, topic, partition, frontier, runs, epoch, metadata }) => [
    group,
    topic,
    partition,
    frontier,
    beyond(runs),
    runs.length / 2,
    epoch,
    metadata,
  ]);
  const headings = ['group', 'topic', 'partition', 'frontier', 'beyond it', 'runs', 'epoch', 'metadata'];
  const text = json ? `${JSON.stringify(found)}\n` : found.length === 0 ? 'Nothing is remembered.\n' : table(headings, rows);
  return withDamage(text, damageIn(directory, snapshot, which));
}

export function show({ directory, json, ...which }: OffsetsCall): Answer {
  const snapshot = readSnapshot(directory, 'offsets');
  const [found] = selected(snapshot.checkpoints, which);
  const damage = damageIn(directory, snapshot, which);
  if (damage !== undefined) throw damage;
  if (found === undefined) throw new UsageError(`${directory} remembers nothing of ${which.topic}/${which.partition} for ${which.group}.`);
  if (json) return { text: `${JSON.stringify(found)}\n`, well: true };
  const { group, topic, partition, frontier, runs, epoch, metadata, fingerprint } = found;
  const lines = [
    `${topic}/${partition} of ${group}`,
    `  frontier     ${frontier}: everything below is finished`,
    `  beyond it    ${beyond(runs)} finished, in ${runs.length / 2} runs`,
    ...pairs(runs).map(([from, to]) => `               ${from}${to - from > 1 ? ` to ${to - 1}` : ''}`),
    `  epoch        ${epoch}`,
    `  metadata     ${JSON.stringify(metadata)}`,
    ...(fingerprint === undefined ? [] : [`  fingerprint  of ${fingerprint.offset}`]),
  ];
  return { text: lines.map((line) => `${line}\n`).join(''), well: true };
}

export function verify({ directory, json }: OffsetsCall): Answer {
  const { manifest, transaction, checkpoints, damaged, damagedRecords } = readSnapshot(directory, 'all');
  const { id, format } = manifest;
  const groups = new Set(checkpoints.map(({ group }) => group)).size;
  const well = damagedRecords === 0;
  if (json)
    return {
      text: `${JSON.stringify({ id, format, transaction, groups, checkpoints: checkpoints.length, damaged, damagedRecords })}\n`,
      well,
    };
  const lines = [
    `store ${id}, format ${format}, transaction ${transaction}: ${checkpoints.length} checkpoints of ${groups} groups`,
    ...damaged.map(
      ({ group, topic, partition }) => `damaged: ${topic}/${partition} of ${group}; reset it, or restore the store from a backup`,
    ),
    well ? 'every page and every checksum is right' : `${damagedRecords} records are damaged`,
  ];
  return { text: lines.map((line) => `${line}\n`).join(''), well };
}

export function exported({ directory, ...which }: OffsetsCall): Answer {
  const snapshot = readSnapshot(directory, 'offsets');
  const lines = selected(snapshot.checkpoints, which).map((checkpoint) => `${JSON.stringify(lineOf(checkpoint))}\n`);
  return withDamage(lines.join(''), damageIn(directory, snapshot, which));
}

/** What cannot be read must not be missed in silence. */
function withDamage(text: string, damage: Error | undefined): Answer {
  return damage === undefined ? { text, well: true } : { text, well: false, complaint: damage.message };
}

function pairs(runs: readonly number[]): readonly (readonly [number, number])[] {
  return Array.from({ length: runs.length / 2 }, (_, i) => [runs[2 * i] as number, runs[2 * i + 1] as number]);
}

/** How many records beyond the frontier are finished. */
export function beyond(runs: readonly number[]): number {
  return pairs(runs).reduce((sum, [from, to]) => sum + to - from, 0);
}
