import type { Checkpoint } from '../index.js';
import type { GroupCheckpoint } from '../offsets/snapshot.js';
import { UsageError } from '../commandLine.js';

type Retry = NonNullable<Checkpoint['retries']>[number];

/** A checkpoint as it is exported: without its epoch, which belongs to the store. */
export type Line = Omit<GroupCheckpoint, 'epoch'>;

export function lineOf({ group, topic, partition, frontier, runs, metadata, retries, fingerprint }: GroupCheckpoint): Line {
  return {
    ...{ group, topic, partition, frontier, runs, metadata },
    ...(retries === undefined ? {} : { retries }),
    ...(fingerprint === undefined ? {} : { fingerprint }),
  };
}

/** Reads what was exported. @throws {UsageError} that names the first line that is no checkpoint. */
export function parseLines(text: string): readonly Line[] {
  const lines: Line[] = [];
  const seen = new Set<string>();
  text.split('\n').forEach((each, i) => {
    if (each.trim() === '') return;
    const wrong = (why: string): UsageError => new UsageError(`line ${i + 1} is no checkpoint: ${why}.`);
    let parsed: unknown;
    try {
      parsed = JSON.parse(each);
    } catch {
      throw wrong('it is not JSON');
    }
    const line = checked(parsed, wrong);
    const place = JSON.stringify([line.group, line.topic, line.partition]);
    if (seen.has(place)) throw wrong(`${line.topic}/${line.partition} of ${line.group} has had a line before`);
    seen.add(place);
    lines.push(line);
  });
  return lines;
}

function checked(parsed: unknown, wrong: (why: string) => UsageError): Line {
  const {
    group,
    topic,
    partition,
    frontier,
    runs,
    metadata = '',
    retries,
    fingerprint,
  } = Object(parsed) as Partial<Record<keyof Checkpoint | 'group', unknown>>;
  if (typeof group !== 'string' || group === '') throw wrong('`group` is a name');
  if (typeof topic !== 'string' || topic === '') throw wrong('`topic` is a name');
  if (!isOffset(partition)) throw wrong('`partition` is a whole number from 0 up');
  if (!isOffset(frontier)) throw wrong('`frontier` is a whole number from 0 up');
  if (!Array.isArray(runs) || !areRuns(frontier, runs))
    throw wrong('`runs` is [from, to, from, to, …], ascending, apart, and beyond the frontier');
  if (typeof metadata !== 'string') throw wrong('`metadata` is text');
  if (retries !== undefined && !(Array.isArray(retries) && retries.every((retry) => isRetry(frontier, retry))))
    throw wrong('`retries` are { offset, name, failed, due }, none below the frontier');
  const line = { group, topic, partition, frontier, runs, metadata, ...(retries === undefined ? {} : { retries: retries }) };
  if (fingerprint === undefined) return line;
  const { offset, timestamp, crc } = Object(fingerprint) as Partial<Record<string, unknown>>;
  if (!isOffset(offset) || offset >= frontier || !Number.isSafeInteger(timestamp) || !isOffset(crc) || crc > 0xffff_ffff)
    throw wrong('`fingerprint` is none of ours');
  return { ...line, fingerprint: { offset, timestamp: timestamp as number, crc } };
}

export function isOffset(value: unknown): value is number {
  return Number.isSafeInteger(value) && (value as number) >= 0;
}

function isRetry(frontier: number, retry: unknown): retry is Retry {
  const { offset, name, failed, due } = Object(retry) as Partial<Record<string, unknown>>;
  return isOffset(offset) && offset >= frontier && typeof name === 'string' && isOffset(failed) && isOffset(due);
}

function areRuns(frontier: number, runs: readonly unknown[]): runs is number[] {
  let last = frontier;
  return runs.length % 2 === 0 && runs.every((at) => isOffset(at) && at > last && (last = at) === at);
}
