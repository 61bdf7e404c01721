import { unknownTopics } from '../brokerErrors.js';
import { OptionError } from '../errors.js';
import { checkOptions } from '../options.js';
import type { Position, TopicPartition } from '../position.js';
import { nameOf } from '../position.js';
import type { Admin, GroupLag, GroupOptions, LogPlace } from './admin.js';
import type { Call, Calls } from './calls.js';
import { EARLIEST, LATEST } from './idleConsumer.js';
import { CALL_OPTIONS, allTopics, checkTopic, describe } from './topicAdmin.js';

const GROUP_OPTIONS = { ...CALL_OPTIONS, topics: 'array' } as const;

/** What is asked about and done to offsets, those of logs and those of groups. */
export function groupAdmin(
  calls: Calls,
): Pick<Admin, 'offsets' | 'groupOffsets' | 'commitGroupOffsets' | 'resetGroupOffsets' | 'groupLag'> {
  /** What the group has committed of the topics; by default of all. */
  async function committed(group: string, { topics }: GroupOptions, call: Call): Promise<readonly Position[]> {
    const partitions =
      topics === undefined ? (await allTopics(call)).flatMap((topic) => topic.partitions) : await partitionsOf(topics, call);
    return calls.as(group, call, (member) => member.committed(partitions, call.subject, call.limit));
  }

  return {
    async offsets(topic, place, options = {}) {
      checkOptions('admin.offsets', options, CALL_OPTIONS);
      checkTopic('admin.offsets', topic);
      checkPlace('admin.offsets', place);
      return calls.run({ what: `look up the offsets of ${topic}`, topics: [topic] }, options, async (call) =>
        offsetsAt(place, await partitionsOf([topic], call), call),
      );
    },

    async groupOffsets(group, options = {}) {
      checkGroup('admin.groupOffsets', group, options);
      return calls.run(subjectOf('look up the offsets of', group, options), options, (call) => committed(group, options, call));
    },

    async commitGroupOffsets(group, positions, options = {}) {
      checkOptions('admin.commitGroupOffsets', options, CALL_OPTIONS);
      checkGroup('admin.commitGroupOffsets', group, {});
      checkPositions(positions);
      const topics = [...new Set(positions.map(({ topic }) => topic))];
      await calls.run(subjectOf('commit offsets of', group, { topics }), options, async (call) => {
        // A broker takes offsets of partitions that are not there as well.
        const known = new Set((await partitionsOf(topics, call)).map(nameOf));
        const strange = positions.find((position) => !known.has(nameOf(position)));
        if (strange !== undefined) throw new OptionError(`admin.commitGroupOffsets: ${nameOf(strange)} is no partition of this cluster.`);
        await calls.as(group, call, (member) => member.commit(positions, call.subject, call.limit));
      });
    },

    async resetGroupOffsets(group, place, options) {
      checkGroup('admin.resetGroupOffsets', group, options);
      checkPlace('admin.resetGroupOffsets', place);
      const topics = (options as GroupOptions).topics ?? [];
      if (topics.length === 0)
        throw new OptionError('admin.resetGroupOffsets: `topics` is missing: name those that the group is to begin anew.');
      return calls.run(subjectOf('reset the offsets of', group, options), options, async (call) => {
        const positions = await offsetsAt(place, await partitionsOf(topics, call), call);
        await calls.as(group, call, (member) => member.commit(positions, call.subject, call.limit));
        return positions;
      });
    },

    async groupLag(group, options = {}) {
      checkGroup('admin.groupLag', group, options);
      return calls.run(subjectOf('look up the lag of', group, options), options, async (call) => {
        const found = await committed(group, options, call);
        const topics = options.topics ?? [...new Set(found.map(({ topic }) => topic))];
        const partitions = await partitionsOf(topics, call);
        const start = offsetOf(await offsetsAt('earliest', partitions, call));
        const end = offsetOf(await offsetsAt('latest', partitions, call));
        const next = offsetOf(found);
        return partitions.map((partition) => lagOf(partition, next.get(nameOf(partition)), start, end));
      });
    },
  };
}

type OffsetOf = ReadonlyMap<string, number>;

function lagOf({ topic, partition }: TopicPartition, committed: number | undefined, starts: OffsetOf, ends: OffsetOf): GroupLag {
  const name = nameOf({ topic, partition });
  const [start, end] = [starts.get(name) ?? 0, ends.get(name) ?? 0];
  return { topic, partition, committed, start, end, lag: Math.max(0, end - Math.max(start, committed ?? start)) };
}

async function partitionsOf(topics: readonly string[], call: Call): Promise<readonly TopicPartition[]> {
  const [only] = topics;
  if (only !== undefined && topics.length === 1) return (await describe(only, call)).partitions;
  // One question about all of them: each holds a thread of the pool.
  const known = new Map((await allTopics(call)).map(({ topic, partitions }) => [topic, partitions]));
  const missing = topics.filter((topic) => !known.has(topic));
  if (missing.length > 0) throw unknownTopics(missing);
  return topics.flatMap((topic) => known.get(topic) ?? []);
}

async function offsetsAt(
  place: LogPlace,
  partitions: readonly TopicPartition[],
  { questions, subject, limit }: Call,
): Promise<readonly Position[]> {
  const time = place === 'earliest' ? EARLIEST : place === 'latest' ? LATEST : place.timestamp;
  const found = await questions.offsetsAt(partitions, time, subject, limit);
  const older = found.filter(({ offset }) => offset < 0);
  if (older.length === 0) return found;
  // Nothing is as young as that: the end of the log.
  const ends = offsetOf(await questions.offsetsAt(older, LATEST, subject, limit));
  return found.map((position) => ({ ...position, offset: ends.get(nameOf(position)) ?? position.offset }));
}

/** By the names of the partitions. */
function offsetOf(positions: readonly Position[]): OffsetOf {
  return new Map(positions.map((position) => [nameOf(position), position.offset]));
}

function subjectOf(what: string, group: string, { topics }: GroupOptions): Call['subject'] {
  return { what: `${what} group ${group}`, group, ...(topics === undefined ? {} : { topics }) };
}

function checkGroup(where: string, group: unknown, options: GroupOptions): void {
  checkOptions(where, options, GROUP_OPTIONS);
  if (typeof group !== 'string' || group === '') throw new OptionError(`${where}: the group must be a string that is not empty.`);
  for (const topic of options.topics ?? []) checkTopic(where, topic);
}

function checkPlace(where: string, place: unknown): void {
  if (place === 'earliest' || place === 'latest') return;
  const { timestamp } = (place ?? {}) as { timestamp?: unknown };
  if (typeof timestamp === 'number' && Number.isFinite(timestamp) && timestamp >= 0) return;
  throw new OptionError(`${where}: a place is 'earliest', 'latest' or { timestamp } in milliseconds since the epoch.`);
}

function checkPositions(positions: readonly Position[]): void {
  if (!Array.isArray(positions) || positions.length === 0)
    throw new OptionError('admin.commitGroupOffsets: the positions must be an array of { topic, partition, offset } that is not empty.');
  for (const { topic, partition, offset } of positions as readonly Position[]) {
    checkTopic('admin.commitGroupOffsets', topic);
    if (!Number.isInteger(partition) || partition < 0 || !Number.isSafeInteger(offset) || offset < 0)
      throw new OptionError('admin.commitGroupOffsets: partitions and offsets are whole numbers from 0 up.');
  }
}
