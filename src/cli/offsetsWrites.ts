import { lastValueFrom, from, toArray } from 'rxjs';
import type { Checkpoint, OffsetStore, TopicPartition } from '../index.js';
import { StoreFailedError, openOffsets } from '../index.js';
import type { Snapshot } from '../offsets/snapshot.js';
import { readSnapshot } from '../offsets/snapshot.js';
import { parseLines } from './checkpointLine.js';
import { withFinished } from './finished.js';
import type { OffsetsCall } from './offsetsArguments.js';
import type { Answer } from './offsetsReads.js';
import { damageIn, selected } from './selection.js';
import { UsageError } from '../commandLine.js';

/** What is to be remembered of a partition. */
export type Remembered = Omit<Checkpoint, 'epoch'>;

export async function reset({ directory, json, group = '', topic = '', partition, offset = 0 }: OffsetsCall): Promise<Answer> {
  const after = await change(directory, group, ({ checkpoints, damaged }) => {
    // Also what is damaged: that mends it.
    const known = selected([...checkpoints, ...damaged], { group, topic }).map((at) => at.partition);
    const wanted = partition === undefined ? known : [partition];
    if (wanted.length === 0) throw new UsageError(`${directory} remembers nothing of ${topic} for ${group}; name a --partition.`);
    return wanted.map((each) => ({ topic, partition: each, frontier: offset, runs: [], metadata: '' }));
  });
  return told(after, json, ({ partition: each }) => `${topic}/${each} of ${group} goes on at ${offset}`);
}

export async function skip({ directory, json, group = '', topic = '', partition = 0, offset = 0 }: OffsetsCall): Promise<Answer> {
  const where = `${topic}/${partition} of ${group}`;
  const which = { group, topic, partition };
  const after = await change(directory, group, (snapshot) => {
    const damage = damageIn(directory, snapshot, which);
    if (damage !== undefined) throw damage;
    const [found] = selected(snapshot.checkpoints, which);
    if (found === undefined) throw new UsageError(`${directory} remembers nothing of ${where}: reset it first.`);
    const changed = withFinished(found, offset);
    return changed === undefined ? [] : [changed];
  });
  if (after.length === 0 && !json) return { text: `the record at ${offset} of ${where} is finished already\n`, well: true };
  return told(after, json, () => `the record at ${offset} of ${where} is finished`);
}

export async function imported({ directory, json }: OffsetsCall, text: string): Promise<Answer> {
  const groups = new Map<string, Remembered[]>();
  const lines = parseLines(text);
  for (const { group, ...line } of lines) groups.set(group, [...(groups.get(group) ?? []), line]);
  if (lines.length === 0) throw new UsageError('import: there is nothing to import. What export has written comes in by standard input.');
  await using offsets = openOffsets(directory);
  const snapshot = readSnapshot(directory, 'offsets');
  for (const [group, remembered] of groups) await remember(offsets, snapshot, group, remembered);
  if (json) return { text: `${JSON.stringify({ groups: groups.size, checkpoints: lines.length })}\n`, well: true };
  return { text: `${lines.length} checkpoints of ${groups.size} groups are remembered\n`, well: true };
}

/** Changes what is remembered of a group by what is remembered: while it is open here, nobody else has it. */
async function change(directory: string, group: string, changed: (now: Snapshot) => readonly Remembered[]): Promise<readonly Remembered[]> {
  // To open a directory that is none would make a store of it; and what makes no sense is said before it is opened.
  changed(readSnapshot(directory, 'offsets'));
  await using offsets = openOffsets(directory);
  const snapshot = readSnapshot(directory, 'offsets');
  const after = changed(snapshot);
  if (after.length > 0) await remember(offsets, snapshot, group, after);
  return after;
}

/** All or none. */
export async function remember(
  offsets: OffsetStore,
  { epochOf }: Snapshot,
  group: string,
  remembered: readonly Remembered[],
): Promise<void> {
  const checkpoints = remembered.map((each) => ({ ...each, epoch: epochOf(group, each) }));
  const refused = await lastValueFrom(from(offsets.reset(group, checkpoints)).pipe(toArray()), { defaultValue: [] });
  if (refused.flat().length > 0) throw new StoreFailedError('the store did not take what it was given.');
}

function told(after: readonly Remembered[], json: boolean, say: (at: TopicPartition) => string): Answer {
  return { text: json ? `${JSON.stringify(after)}\n` : after.map((at) => `${say(at)}\n`).join(''), well: true };
}
