import { NotAssignedError, OptionError } from '../errors.js';
import type { Position, TopicPartition } from '../position.js';
import { bare, nameOf } from '../position.js';
import { isTopicName } from '../topicName.js';
import type { ReadPlace } from './readPlaces.js';
import { checkPlace, isCount } from './readPlaces.js';

/** Where partitions are to go on: at an offset, or at a place in each. */
export type SeekTarget =
  | Position
  | {
      /** Default: every topic of which the source has partitions. */
      readonly topic?: string;
      /** Default: every partition of those that the source has. */
      readonly partition?: number;
      readonly to: ReadPlace;
    };

/** A partition that is to go on elsewhere. */
export interface Sought extends TopicPartition {
  readonly place: ReadPlace;
}

/** @throws {OptionError} for what is no target. */
export function targetsOf(to: SeekTarget | readonly SeekTarget[]): readonly SeekTarget[] {
  const targets = Array.isArray(to) ? (to as readonly SeekTarget[]) : [to as SeekTarget];
  if (targets.length === 0) throw new OptionError("seek: no position was given. For all partitions say seek({ to: 'earliest' }).");
  for (const target of targets) checkTarget(target);
  return targets;
}

/** Which of these partitions are meant; the last target that names one counts. */
export function soughtIn(partitions: readonly TopicPartition[], targets: readonly SeekTarget[]): readonly Sought[] {
  return partitions.flatMap((partition) => {
    const target = targets.findLast((one) => names(one, partition));
    return target === undefined ? [] : [{ ...bare(partition), place: placeOf(target) }];
  });
}

/** @throws {NotAssignedError} if there is nothing that a target means. */
export function assertAssigned(targets: readonly SeekTarget[], found: readonly TopicPartition[]): void {
  const missing = targets.filter((target) => !found.some((partition) => names(target, partition)));
  if (missing.length > 0) throw notAssigned(missing.map(partitionOf).filter((partition) => partition !== undefined));
}

export function notAssigned(partitions: readonly TopicPartition[]): NotAssignedError {
  const what = partitions.length === 0 ? 'no partition like that is' : `${partitions.map(nameOf).join(', ')}: not`;
  return new NotAssignedError(
    `seek: ${what} assigned to this source now; nothing of it was moved. Wait for the \`assigned\` event, or ask the member that has it.`,
    { partitions },
  );
}

function checkTarget(target: unknown): void {
  if (typeof target !== 'object' || target === null)
    throw new OptionError('seek: a target is { topic, partition, offset }, or { to } with a place.');
  const { topic, partition, offset, to, ...unknown } = target as Record<string, unknown>;
  const [strange] = Object.keys(unknown);
  // A record is a position, too: what else it has does no harm.
  if (offset === undefined && strange !== undefined)
    throw new OptionError(`seek: unknown option \`${strange}\`: a target has topic, partition, and to or offset.`);
  if ((offset === undefined) === (to === undefined)) throw new OptionError('seek: a target has either an `offset`, or a place `to`.');
  if (topic !== undefined && !isTopicName(topic)) throw new OptionError(`seek: ${JSON.stringify(topic)} is no name of a topic.`);
  if (partition !== undefined && !isCount(partition)) throw new OptionError('seek: `partition` must be a whole number from 0 up.');
  if (to !== undefined) {
    checkPlace('seek: `to`', to);
    return;
  }
  if (!isCount(offset)) throw new OptionError('seek: `offset` must be a whole number from 0 up.');
  if (topic === undefined || partition === undefined)
    throw new OptionError('seek: an `offset` needs a `topic` and a `partition`; the same one in several partitions is { to: offset }.');
}

function placeOf(target: SeekTarget): ReadPlace {
  return 'to' in target ? target.to : target.offset;
}

function names(target: SeekTarget, { topic, partition }: TopicPartition): boolean {
  return (target.topic ?? topic) === topic && (target.partition ?? partition) === partition;
}

function partitionOf({ topic, partition }: SeekTarget): TopicPartition | undefined {
  return topic === undefined || partition === undefined ? undefined : { topic, partition };
}
