import type { TopicPartition } from '../index.js';
import { Kafka, openOffsets } from '../index.js';
import type { Snapshot } from '../offsets/snapshot.js';
import { readSnapshot } from '../offsets/snapshot.js';
import type { OffsetsCall } from './offsetsArguments.js';
import type { Answer } from './offsetsReads.js';
import { beyond } from './offsetsReads.js';
import type { Remembered } from './offsetsWrites.js';
import { remember } from './offsetsWrites.js';
import type { Which } from './selection.js';
import { damageIn, selected } from './selection.js';
import { UsageError } from '../commandLine.js';

/** What became of one partition of the group. */
interface Given extends TopicPartition {
  /** Where the group goes on. */
  readonly frontier: number;
  /** What the group had committed before, if it had. */
  readonly committed?: number;
  /** How many records beyond the frontier are finished: a group cannot know that. */
  readonly beyond: number;
}

/** What became of one partition of the store. */
interface Taken extends TopicPartition {
  readonly committed: number;
  /** Where the store goes on. */
  readonly frontier: number;
  readonly taken: boolean;
}

/** Commits what is remembered to the group, also back: a source goes by the group where that is further, so a reset has to reach it. */
export async function toGroup({ directory, json, brokers = [], ...which }: OffsetsCall): Promise<Answer> {
  const { group = '' } = which;
  const found = known(directory, readSnapshot(directory, 'offsets'), which);
  if (found.length === 0) throw new UsageError(`${directory} remembers nothing${ofTopic(which)} for ${group}.`);
  const topics = [...new Set(found.map(({ topic }) => topic))];
  await using kafka = new Kafka({ brokers });
  const before = new Map((await kafka.admin.groupOffsets(group, { topics })).map((at) => [placeOf(at), at.offset]));
  await kafka.admin.commitGroupOffsets(
    group,
    found.map(({ topic, partition, frontier }) => ({ topic, partition, offset: frontier })),
  );
  const given = found.map(({ topic, partition, frontier, runs }): Given => {
    const committed = before.get(placeOf({ topic, partition }));
    return { topic, partition, frontier, ...(committed === undefined ? {} : { committed }), beyond: beyond(runs) };
  });
  return answer(given, json, ({ topic, partition, frontier, committed = 0, beyond: finished }) => {
    const back = committed > frontier ? `, back from ${committed}` : '';
    const lost = finished > 0 ? `; not taken along: ${finished} finished beyond it, which come again elsewhere` : '';
    return `${topic}/${partition}: group ${group} goes on at ${frontier}${back}${lost}`;
  });
}

/** Remembers what the group has committed, by the rule of a source that starts: whoever is further is right. */
export async function fromGroup({ directory, json, brokers = [], ...which }: OffsetsCall): Promise<Answer> {
  const { group = '', topic } = which;
  await using kafka = new Kafka({ brokers });
  const committed = await kafka.admin.groupOffsets(group, topic === undefined ? {} : { topics: [topic] });
  // Before a store is made of the directory.
  if (committed.length === 0) throw new UsageError(`group ${group} has committed nothing${ofTopic(which)} in this cluster.`);
  await using offsets = openOffsets(directory);
  const snapshot = readSnapshot(directory, 'offsets');
  const before = new Map(known(directory, snapshot, which).map((at) => [placeOf(at), at]));
  const changed: Remembered[] = [];
  const taken = committed.map(({ topic: name, partition, offset }): Taken => {
    const at = { topic: name, partition };
    const { frontier = -1, metadata = '' } = before.get(placeOf(at)) ?? {};
    if (frontier >= offset) return { ...at, committed: offset, frontier, taken: false };
    // What was finished beyond the frontier here says nothing of the work of others.
    changed.push({ ...at, frontier: offset, runs: [], metadata });
    return { ...at, committed: offset, frontier: offset, taken: true };
  });
  if (changed.length > 0) await remember(offsets, snapshot, group, changed);
  return answer(taken, json, ({ topic: name, partition, frontier, committed: offset, taken: moved }) => {
    const where = `${name}/${partition} of ${group}`;
    if (moved) return `${where} goes on at ${frontier}`;
    const why = frontier === offset ? 'like the group' : `the group is at ${offset}, and only reset goes back`;
    return `${where} stays at ${frontier}: ${why}`;
  });
}

/** What is remembered of them. Where that is damaged nobody knows how far it was. */
function known(directory: string, snapshot: Snapshot, which: Which): Snapshot['checkpoints'] {
  const damage = damageIn(directory, snapshot, which);
  if (damage !== undefined) throw damage;
  return selected(snapshot.checkpoints, which);
}

function placeOf({ topic, partition }: TopicPartition): string {
  return `${topic}/${partition}`;
}

function ofTopic({ topic }: Which): string {
  return topic === undefined ? '' : ` of ${topic}`;
}

function answer<T>(partitions: readonly T[], json: boolean, say: (at: T) => string): Answer {
  return { text: json ? `${JSON.stringify(partitions)}\n` : partitions.map((at) => `${say(at)}\n`).join(''), well: true };
}
