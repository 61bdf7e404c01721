import type { Fold } from '../kill/fold.js';
import { NOTHING_YET, add } from '../kill/fold.js';
import { parseId } from '../kill/recordId.js';
import type { Dump, Evidence } from '../kill/verify.js';
import { differences, finishedBy } from '../kill/verify.js';
import { Owners, pidOf } from './owners.js';

/**
 * Whether the frontiers of all stores are mirrored to the group, so that a member with another store goes on where the one before it was. Then
 * nothing may be emitted again that is below a frontier that was handed over in peace; after a kill, or a stop, the mirror may lag. `false` is for
 * members whose stores know nothing of each other.
 */
export const MIRRORED = true;

/** One line of the log of a storm; what the letters mean stands at `stormFile`. */
export type Step =
  | {
      readonly kind: 'S' | 'E' | 'D';
      readonly member: string;
      readonly store: string;
      readonly epoch: number;
      readonly partition: number;
      readonly offset: number;
      readonly id: string;
    }
  | { readonly kind: 'G' | 'T'; readonly member: string; readonly store: string; readonly partition: number }
  | { readonly kind: 'F'; readonly member: string; readonly store: string }
  | { readonly kind: 'K' | 'Z' | 'C' | 'Q'; readonly pid: string }
  | { readonly kind: 'M'; readonly partition: number; readonly offset: number }
  | { readonly kind: 'X'; readonly pid: string; readonly code: string };

export interface StormEvidence extends Pick<Evidence, 'sent' | 'acked'> {
  readonly steps: readonly Step[];
  /** By store, what it held at the end. */
  readonly dumps: ReadonlyMap<string, Dump>;
}

export interface Judgement {
  readonly broken: readonly string[];
  readonly records: number;
  readonly lost: number;
  readonly repeats: number;
  /** How often a partition was given to a member. */
  readonly given: number;
  readonly kills: number;
  readonly stops: number;
  readonly asked: number;
  /** Work that was done for a partition that another member had by then, in the same store. */
  readonly lateWork: number;
  /** Records that were emitted although they were below a frontier that was handed over. */
  readonly belowHandedOver: number;
  /** How often the group's own offset was seen to go on. */
  readonly mirrorings: number;
  /** How often it was seen to go back. */
  readonly mirrorWentBack: number;
  /** How often a member said once more that it gives up what it has given up. */
  readonly takenTwice: number;
}

/** What to hold members against, where it is not what these constants say. */
export interface Strictness {
  readonly mirrored?: boolean;
}

/** Holds what the members of a group did in a storm against what is promised. It knows nothing of how the library works. */
export function judge({ sent, acked, steps, dumps }: StormEvidence, { mirrored = MIRRORED }: Strictness = {}): Judgement {
  const problems = new Map<string, number>();
  const found = (what: string, count = 1): void => {
    if (count > 0) problems.set(what, (problems.get(what) ?? 0) + count);
  };
  const owners = new Owners();
  const places = new Map([...acked].map(([id, { partition, offset }]) => [`${partition}/${offset}`, id]));
  const seen = new Set<string>();
  const worked = new Set<string>();
  /** By store and partition. */
  const remembered = new Map<string, Set<number>>();
  const newest = new Map<string, number>();
  /** By store, partition and epoch: the last offset that was emitted, and the first that is not remembered. */
  const last = new Map<string, number>();
  const frontiers = new Frontiers();
  const spoke = new Set<string>();
  const troubled = new Set<string>();
  /** By partition: the group's own offset, and up to where it was held against the work. */
  const mirror = new Map<number, number>();
  const reached = new Map<number, number>();
  const count = {
    repeats: 0,
    given: 0,
    kills: 0,
    stops: 0,
    asked: 0,
    lateWork: 0,
    belowHandedOver: 0,
    mirrorings: 0,
    mirrorWentBack: 0,
    takenTwice: 0,
  };

  for (const step of steps) {
    if ('member' in step) spoke.add(pidOf(step.member));
    switch (step.kind) {
      case 'F':
        troubled.add(step.member);
        break;
      case 'G':
        count.given += 1;
        troubled.delete(step.member);
        for (const other of owners.given(step.member, step.partition)) {
          found(`partition ${step.partition} was given to ${step.member} while ${other} had it`);
        }
        break;
      case 'T':
        if (!owners.holds(step.member, step.partition)) {
          count.takenTwice += 1;
          break;
        }
        // The word of one that was stopped comes too late: the partition is somebody else's. One that could not tell the group has said so.
        if (!owners.isZombie(step.member) && !troubled.has(step.member)) frontiers.handOver(step.store, step.partition);
        owners.taken(step.member, step.partition);
        break;
      case 'M':
        if (step.offset < (mirror.get(step.partition) ?? 0)) count.mirrorWentBack += 1;
        mirror.set(step.partition, step.offset);
        count.mirrorings += 1;
        for (; (reached.get(step.partition) ?? 0) < step.offset; reached.set(step.partition, (reached.get(step.partition) ?? 0) + 1)) {
          const id = places.get(`${step.partition}/${reached.get(step.partition) ?? 0}`);
          if (id === undefined || !worked.has(id)) found("the group's own offset is past records that nobody had worked on");
        }
        break;
      case 'K':
        count.kills += 1;
        owners.ended(step.pid);
        break;
      case 'Z':
        count.stops += 1;
        owners.stopped(step.pid);
        break;
      case 'C':
        owners.goesOn(step.pid);
        break;
      case 'Q':
        count.asked += 1;
        break;
      case 'X':
        owners.ended(step.pid);
        // One that was not even loaded knows of no way to end but the system's.
        if (step.code !== '0' && !(step.code === 'SIGTERM' && !spoke.has(step.pid)))
          found(`process ${step.pid} was asked to end, and ended with ${step.code}`);
        break;
      case 'S':
      case 'E':
      case 'D': {
        const { kind, member, store, epoch, partition, offset, id } = step;
        const here = places.get(`${partition}/${offset}`);
        // A record whose delivery report never came is where it is seen first.
        if (here === undefined && !acked.has(id)) places.set(`${partition}/${offset}`, id);
        else if (here !== id) found('records were seen that were never sent, or at another place, or with another content');
        if (!sent.has(id)) found('records were seen that were never sent');
        const lane = `${store}/${partition}`;
        const latest = newest.get(lane) ?? -1;
        if (kind === 'E') {
          worked.add(id);
          if (epoch < latest) count.lateWork += 1;
        } else if (kind === 'D') {
          if (epoch < latest) found('records of an old epoch were remembered in the same store');
          (remembered.get(lane) ?? remembered.set(lane, new Set()).get(lane))?.add(offset);
          frontiers.remembered(store, partition, epoch, offset);
        } else {
          if (!owners.holds(member, partition)) found('records were emitted by a member that did not have their partition');
          if (epoch < latest) found('records of an old epoch were emitted in the same store');
          newest.set(lane, Math.max(latest, epoch));
          const inEpoch = `${lane}/${epoch}`;
          if (offset <= (last.get(inEpoch) ?? -1)) found('records were emitted out of order');
          last.set(inEpoch, offset);
          if (remembered.get(lane)?.has(offset) === true) found('records were emitted again although the same store remembers them');
          // One that was stopped goes on with what it had read until it hears that others have come further.
          if (!owners.isZombie(member) && frontiers.isBelowHandedOver(partition, offset)) count.belowHandedOver += 1;
          frontiers.emitted(store, partition, epoch, offset);
          if (seen.has(id)) count.repeats += 1;
          seen.add(id);
        }
      }
    }
  }
  if (mirrored) found('records were emitted again below a frontier that was handed over', count.belowHandedOver);

  found("the group's own offset went back", count.mirrorWentBack);
  found('a member gave up what it had given up', count.takenTwice);

  for (const [store, dump] of dumps) {
    const fold = new Map<string, Fold>();
    for (const { partition, frontier, runs } of dump.checkpoints) {
      const isFinished = finishedBy(frontier, runs);
      for (let offset = 0; offset < Math.max(frontier, runs.at(-1) ?? 0); offset += 1) {
        if (!isFinished(offset)) continue;
        const id = places.get(`${partition}/${offset}`);
        if (id === undefined || !worked.has(id)) found(`records are finished in store ${store}, but no work on them was ever done`);
        if (id === undefined) continue;
        const record = parseId(id);
        fold.set(record.key, add(fold.get(record.key) ?? NOTHING_YET, record));
      }
      for (const offset of remembered.get(`${store}/${partition}`) ?? []) {
        if (!isFinished(offset)) found(`records were said to be remembered, and are not in store ${store}`);
      }
    }
    // Another store's work leaves offsets here, but no state.
    if (!mirrored || dumps.size === 1)
      found(`keys of store ${store} have a state that is not what its finished records make of it`, differences(fold, dump.state));
  }
  const lost = [...acked.keys()].filter((id) => !worked.has(id)).length;
  found('records were lost', lost);
  return { broken: [...problems].map(([what, times]) => `${times} times: ${what}`), records: acked.size, lost, ...count };
}

/** The judgement in one line. */
export function judgementLine(judgement: Judgement): string {
  const { records, given, kills, stops, asked, lost, repeats, lateWork, belowHandedOver, mirrorings, mirrorWentBack, takenTwice, broken } =
    judgement;
  return [
    `records ${records}`,
    `partitions given ${given} times`,
    `kills ${kills}`,
    `stops ${stops}`,
    `asked to end ${asked}`,
    `lost ${lost}`,
    `repeats ${repeats}`,
    `late work ${lateWork}`,
    `given up twice ${takenTwice}`,
    `mirrored ${mirrorings} times, back ${mirrorWentBack}`,
    `below a handed over frontier ${belowHandedOver}`,
    broken.length === 0 ? 'kept' : `BROKEN ${broken.length}`,
  ].join('; ');
}

/**
 * How far each store has come with each partition, as far as its members were told. What it had finished beyond its frontier before is not
 * counted, so this is never more than what the store holds.
 */
class Frontiers {
  readonly #handedOver = new Map<number, number>();
  readonly #lanes = new Map<string, { readonly store: string; readonly partition: number; readonly done: Set<number>; frontier: number }>();

  emitted(store: string, partition: number, epoch: number, offset: number): void {
    const key = `${store}/${partition}/${epoch}`;
    if (!this.#lanes.has(key)) this.#lanes.set(key, { store, partition, done: new Set(), frontier: offset });
  }

  remembered(store: string, partition: number, epoch: number, offset: number): void {
    const lane = this.#lanes.get(`${store}/${partition}/${epoch}`);
    if (lane === undefined) return;
    lane.done.add(offset);
    while (lane.done.delete(lane.frontier)) lane.frontier += 1;
  }

  /** The store's last member gives the partition up, and has had time to tell the group where it is. */
  handOver(store: string, partition: number): void {
    const epochs = [...this.#lanes.values()].filter((lane) => lane.store === store && lane.partition === partition);
    const frontier = epochs.at(-1)?.frontier ?? 0;
    this.#handedOver.set(partition, Math.max(frontier, this.#handedOver.get(partition) ?? 0));
  }

  isBelowHandedOver(partition: number, offset: number): boolean {
    return offset < (this.#handedOver.get(partition) ?? 0);
  }
}
