import { lastValueFrom, from, toArray } from 'rxjs';
import type { Checkpoint, TopicPartition } from '../index.js';
import { StoreFailedError, openOffsets } from '../index.js';
import { readSnapshot } from '../offsets/snapshot.js';
import { parseLines } from './checkpointLine.js';
import { withFinished } from './finished.js';
import type { OffsetsCall } from './offsetsArguments.js';
import type { Answer } from './offsetsReads.js';
import { UsageError } from './usage.js';

/** What is to be remembered of a partition. */
type Remembered = Omit<Checkpoint, 'epoch'>;

export async function reset({ directory, group = '', topic = '', partition, offset = 0, json }: OffsetsCall): Promise<Answer> {
  const { checkpoints } = readSnapshot(directory, 'offsets');
  const known = checkpoints.filter((at) => at.group === group && at.topic === topic).map((at) => at.partition);
  // A checkpoint that is damaged is none of those, but can be named.
  const wanted = partition === undefined ? known : [partition];
  if (wanted.length === 0) throw new UsageError(`${directory} remembers nothing of ${topic} for ${group}; name a --partition.`);
  const after = wanted.map((each) => ({ topic, partition: each, frontier: offset, runs: [], metadata: '' }));
  await remember(directory, new Map([[group, after]]));
  return told(after, json, ({ partition: each }) => `${topic}/${each} of ${group} goes on at ${offset}`);
}

export async function skip({ directory, group = '', topic = '', partition = 0, offset = 0, json }: OffsetsCall): Promise<Answer> {
  const where = `${topic}/${partition} of ${group}`;
  const { checkpoints } = readSnapshot(directory, 'offsets');
  const found = checkpoints.find((at) => at.group === group && at.topic === topic && at.partition === partition);
  if (found === undefined) throw new UsageError(`${directory} remembers nothing of ${where}: reset it first.`);
  const after = withFinished(found, offset);
  if (after !== undefined) await remember(directory, new Map([[group, [after]]]));
  const already = after === undefined ? ' already' : '';
  return told([after ?? found], json, () => `the record at ${offset} of ${where} is finished${already}`);
}

export async function imported({ directory, json }: OffsetsCall, text: string): Promise<Answer> {
  const groups = new Map<string, Remembered[]>();
  const lines = parseLines(text);
  for (const { group, ...line } of lines) groups.set(group, [...(groups.get(group) ?? []), line]);
  if (lines.length === 0) throw new UsageError('import: there is nothing to import. What export has written comes in by standard input.');
  await remember(directory, groups);
  if (json) return { text: `${JSON.stringify({ groups: groups.size, checkpoints: lines.length })}\n`, well: true };
  return { text: `${lines.length} checkpoints of ${groups.size} groups are remembered\n`, well: true };
}

/** All of a group or none. While it is open here nobody else has it, so the epochs are those that were read. */
async function remember(directory: string, groups: ReadonlyMap<string, readonly Remembered[]>): Promise<void> {
  await using offsets = openOffsets(directory);
  const snapshot = readSnapshot(directory, 'offsets');
  for (const [group, remembered] of groups) {
    const checkpoints = remembered.map((each) => ({ ...each, epoch: snapshot.epochOf(group, each) }));
    const refused = await lastValueFrom(from(offsets.reset(group, checkpoints)).pipe(toArray()), { defaultValue: [] });
    if (refused.flat().length > 0) throw new StoreFailedError(`the store ${directory} did not take what it was given.`);
  }
}

function told(after: readonly Remembered[], json: boolean, say: (at: TopicPartition) => string): Answer {
  return { text: json ? `${JSON.stringify(after)}\n` : after.map((at) => `${say(at)}\n`).join(''), well: true };
}
