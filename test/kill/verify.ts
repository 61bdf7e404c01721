import type { Fold } from './fold.js';
import { NOTHING_YET, add } from './fold.js';
import type { RecordId } from './recordId.js';
import { parseId } from './recordId.js';

/** How a process of the pipeline ended: killed at work, while it started, or while it closed; or asked to end, in the middle or for good. */
export type How = 'killed' | 'killed at start' | 'killed in close' | 'asked' | 'done';

/** A line of the pipeline: it saw a record (`S`), or has done its work on it (`E`). */
export interface Sighting {
  readonly kind: 'S' | 'E';
  readonly epoch: number;
  readonly partition: number;
  readonly offset: number;
  readonly id: string;
}

/** What a store held, as plain data. */
export interface Dump {
  readonly checkpoints: readonly { readonly partition: number; readonly frontier: number; readonly runs: readonly number[] }[];
  readonly state: readonly (readonly [key: string, fold: Fold])[];
}

/** One process of the pipeline: what it did, and what the store held after its end. */
export interface Life {
  readonly life: number;
  readonly how: How;
  readonly sightings: readonly Sighting[];
  readonly dump: Dump;
}

/** All that is known of a run. */
export interface Evidence {
  readonly maxInFlight: number;
  readonly sent: ReadonlySet<string>;
  readonly acked: ReadonlyMap<string, { readonly partition: number; readonly offset: number }>;
  readonly lives: readonly Life[];
}

export interface Verdict {
  /** Everything that is forbidden, in words. */
  readonly broken: readonly string[];
  readonly records: number;
  readonly kills: number;
  readonly killsAtStart: number;
  readonly killsInClose: number;
  readonly asked: number;
  readonly lost: number;
  readonly invented: number;
  readonly repeats: number;
  readonly mostRepeats: number;
  readonly inFlight: number;
  readonly mostInFlight: number;
  readonly outOfOrder: number;
  readonly regressions: number;
  readonly pastUnfinished: number;
  readonly stateDifference: number;
  /** How many dumps of the store were held against the closed form. */
  readonly dumps: number;
}

/** What is known of one offset of a partition. */
interface Slot {
  readonly id: string;
  readonly record: RecordId;
  /** The last life that saw it; -1 for none. */
  seenIn: number;
  worked: boolean;
  finished: boolean;
}

/**
 * Holds what the processes of a pipeline did, and what its store held after each of them, against what is promised.
 *
 * It knows nothing of how the library works. It reads names of records, and plain numbers.
 */
export function verify({ maxInFlight, sent, acked, lives }: Evidence): Verdict {
  const broken: string[] = [];
  const slots = new Slots(acked);
  const total = { invented: 0, repeats: 0, outOfOrder: 0, regressions: 0, pastUnfinished: 0, stateDifference: 0 };
  const repeatsOf = lives.map(() => 0);
  const inFlight: number[] = [];
  // So many may be open, and as many again finished and on their way to the disk.
  const allowed = 2 * maxInFlight;
  /** By partition: the highest offset and epoch that was seen, and the frontier that was on disk. */
  const highest = new Map<number, number>();
  const epochs = new Map<number, number>();
  const frontiers = new Map<number, number>();

  lives.forEach(({ life, how, sightings, dump }, index) => {
    const found = (count: number, what: string): number => {
      if (count > 0) broken.push(`life ${life} (${how}): ${count} ${what}`);
      return count;
    };
    const seenNow: Slot[] = [];
    const inEpoch = new Map<string, number>();
    let [invented, outOfOrder, cameAgain, unseen, epochsBack] = [0, 0, 0, 0, 0];
    const startEpochs = new Map(epochs);
    for (const { kind, epoch, partition, offset, id } of sightings) {
      const slot = sent.has(id) ? slots.at(partition, offset, id) : undefined;
      if (slot === undefined) {
        invented += 1;
        continue;
      }
      if (kind === 'E') {
        if (slot.seenIn !== index) unseen += 1;
        slot.worked = true;
        continue;
      }
      const before = inEpoch.get(`${partition}/${epoch}`) ?? -1;
      if (offset <= before) outOfOrder += 1;
      inEpoch.set(`${partition}/${epoch}`, Math.max(before, offset));
      if (epoch < (epochs.get(partition) ?? 0) || epoch === startEpochs.get(partition)) epochsBack += 1;
      epochs.set(partition, epoch);
      if (slot.finished) cameAgain += 1;
      if (slot.seenIn < 0) {
        if (offset <= (highest.get(partition) ?? -1)) outOfOrder += 1;
        highest.set(partition, offset);
      } else {
        total.repeats += 1;
        repeatsOf[slot.seenIn] = (repeatsOf[slot.seenIn] as number) + 1;
      }
      if (slot.seenIn !== index) seenNow.push(slot);
      slot.seenIn = index;
    }

    let [pastUnfinished, forgotten, regressions] = [0, 0, 0];
    const fold = new Map<string, Fold>();
    for (const partition of slots.partitions()) {
      const { frontier = 0, runs = [] } = dump.checkpoints.find((checkpoint) => checkpoint.partition === partition) ?? {};
      if (frontier < (frontiers.get(partition) ?? 0)) regressions += 1;
      frontiers.set(partition, frontier);
      const isFinished = finishedBy(frontier, runs);
      for (const [offset, slot] of slots.of(partition)) {
        const finished = isFinished(offset);
        if (finished && !slot.worked) pastUnfinished += 1;
        if (!finished && slot.finished) forgotten += 1;
        slot.finished = finished;
        if (!finished) continue;
        const { record } = slot;
        fold.set(record.key, add(fold.get(record.key) ?? NOTHING_YET, record));
      }
      // What the broker has never said it has cannot be finished.
      pastUnfinished += slots.missingBelow(partition, Math.max(frontier, runs.at(-1) ?? 0), isFinished);
    }
    const open = seenNow.filter((slot) => !slot.finished).length;
    inFlight.push(open);

    total.invented += found(invented, 'sightings of records that were never sent, or at another place, or with another content');
    total.outOfOrder += found(outOfOrder, 'records out of order');
    found(epochsBack, 'sightings with an epoch that is not above those of the lives before');
    found(cameAgain, 'records came again although the disk knew them to be finished');
    found(unseen, 'records were worked on without being emitted');
    total.pastUnfinished += found(pastUnfinished, 'records are finished on disk, but no work on them was ever done');
    found(forgotten, 'records were finished on disk and are no more');
    total.regressions += found(regressions, 'frontiers went back');
    total.stateDifference += found(differences(fold, dump.state), 'keys whose state is not what the finished records make of it');
    found(Math.max(0, open - allowed), `records in flight more than the ${allowed} that are allowed`);
    if (how === 'asked' || how === 'done') found(open, 'records in flight at an end that was asked for');
  });

  lives.forEach(({ life }, index) => {
    const [repeats, open] = [repeatsOf[index] as number, inFlight[index] as number];
    if (repeats > open) broken.push(`life ${life}: ${repeats} of its records came again, but only ${open} were in flight at its end`);
  });
  const { lost, unfinished } = lives.at(-1)?.how === 'done' ? slots.left(acked) : { lost: 0, unfinished: 0 };
  if (lost > 0) broken.push(`${lost} records were lost`);
  if (unfinished > 0) broken.push(`${unfinished} records are not finished on disk at the end`);
  const ended = (...hows: readonly How[]): number => lives.filter(({ how }) => hows.includes(how)).length;
  return {
    broken,
    records: acked.size,
    kills: ended('killed', 'killed at start', 'killed in close'),
    killsAtStart: ended('killed at start'),
    killsInClose: ended('killed in close'),
    asked: ended('asked'),
    lost,
    ...total,
    mostRepeats: Math.max(0, ...repeatsOf),
    inFlight: inFlight.reduce((sum, open) => sum + open, 0),
    mostInFlight: Math.max(0, ...inFlight),
    dumps: lives.length,
  };
}

/** The verdict in one line. */
export function line(verdict: Verdict): string {
  const { records, kills, killsAtStart, killsInClose, asked, lost, invented, repeats, mostRepeats, inFlight, mostInFlight } = verdict;
  return [
    `records ${records}`,
    `kills ${kills} (${killsAtStart} at start, ${killsInClose} in close)`,
    `asked to end ${asked}`,
    `lost ${lost}`,
    `invented ${invented}`,
    `repeats ${repeats}, at most ${mostRepeats} after one kill, of ${inFlight} in flight, at most ${mostInFlight} at one kill`,
    `out of order ${verdict.outOfOrder}`,
    `frontier regressions ${verdict.regressions}`,
    `finished without work ${verdict.pastUnfinished}`,
    `state difference ${verdict.stateDifference} over ${verdict.dumps} dumps`,
    verdict.broken.length === 0 ? 'kept' : `BROKEN ${verdict.broken.length}`,
  ].join('; ');
}

/** By partition and offset, every record that the broker has; and those of which only a sighting tells that it has them. */
class Slots {
  readonly #slots = new Map<number, Map<number, Slot>>();
  readonly #places = new Map<string, Slot>();

  constructor(acked: Evidence['acked']) {
    for (const [id, { partition, offset }] of acked) this.#add(id, partition, offset);
  }

  partitions(): Iterable<number> {
    return this.#slots.keys();
  }

  of(partition: number): Iterable<readonly [number, Slot]> {
    return this.#slots.get(partition) ?? [];
  }

  /** The record at a place, or `undefined` if it is another one, or stands at another place. */
  at(partition: number, offset: number, id: string): Slot | undefined {
    const here = this.#slots.get(partition)?.get(offset);
    if (here?.id === id) return here;
    // Its delivery report never came, so the sighting is the first to tell where it is.
    return here === undefined && !this.#places.has(id) ? this.#add(id, partition, offset) : undefined;
  }

  /** How many offsets are finished that hold no record. */
  missingBelow(partition: number, end: number, isFinished: (offset: number) => boolean): number {
    const slots = this.#slots.get(partition);
    let missing = 0;
    for (let offset = 0; offset < end; offset += 1) if (slots?.has(offset) !== true && isFinished(offset)) missing += 1;
    return missing;
  }

  left(acked: Evidence['acked']): { lost: number; unfinished: number } {
    const all = [...acked.keys()].map((id) => this.#places.get(id) as Slot);
    return { lost: all.filter(({ worked }) => !worked).length, unfinished: all.filter(({ finished }) => !finished).length };
  }

  #add(id: string, partition: number, offset: number): Slot {
    const slot: Slot = { id, record: parseId(id), seenIn: -1, worked: false, finished: false };
    const slots = this.#slots.get(partition) ?? new Map<number, Slot>();
    this.#slots.set(partition, slots.set(offset, slot));
    this.#places.set(id, slot);
    return slot;
  }
}

/** Which offsets a checkpoint says are finished. */
export function finishedBy(frontier: number, runs: readonly number[]): (offset: number) => boolean {
  const beyond = new Set<number>();
  for (let i = 0; i < runs.length; i += 2) {
    for (let offset = runs[i] as number; offset < (runs[i + 1] as number); offset += 1) beyond.add(offset);
  }
  return (offset) => offset < frontier || beyond.has(offset);
}

/** How many keys have another state than they should have. */
export function differences(expected: ReadonlyMap<string, Fold>, state: Dump['state']): number {
  const found = new Map(state);
  let different = 0;
  for (const key of new Set([...expected.keys(), ...found.keys()])) {
    const [should, is] = [expected.get(key) ?? NOTHING_YET, found.get(key) ?? NOTHING_YET];
    if (should.count !== is.count || should.sum !== is.sum || should.xor !== is.xor) different += 1;
  }
  return different;
}
