import { describe, expect, it } from 'vitest';
import type { Fold } from './fold.js';
import { NOTHING_YET, add } from './fold.js';
import { idOf, parseId, valueOf } from './recordId.js';
import type { Dump, Evidence, Life, Sighting } from './verify.js';
import { line, verify } from './verify.js';

const RECORDS = 6;
const PARTITIONS = 2;
/** Record n is in partition n % 2, at offset n / 2. */
const place = (n: number) => ({ partition: n % PARTITIONS, offset: Math.floor(n / PARTITIONS) });
const id = (n: number): string => idOf(valueOf(`k${n % PARTITIONS}`, Math.floor(n / PARTITIONS)));
const numbers = Array.from({ length: RECORDS }, (_, n) => n);

const saw = (n: number, epoch: number): Sighting => ({ kind: 'S', epoch, ...place(n), id: id(n) });
const worked = (n: number, epoch: number): Sighting => ({ kind: 'E', epoch, ...place(n), id: id(n) });

/** What a store holds when exactly these are finished. */
function dump(frontiers: readonly [number, number], runs: readonly (readonly number[])[], finished: readonly number[]): Dump {
  const state = new Map<string, Fold>();
  for (const n of finished) {
    const record = parseId(id(n));
    state.set(record.key, add(state.get(record.key) ?? NOTHING_YET, record));
  }
  return { checkpoints: frontiers.map((frontier, partition) => ({ partition, frontier, runs: runs[partition] ?? [] })), state: [...state] };
}

/** Killed when four of six were worked on, and three of those were finished; then the rest is done. */
const first: Life = {
  life: 0,
  how: 'killed',
  sightings: [...numbers.map((n) => saw(n, 1)), ...[0, 1, 3, 5].map((n) => worked(n, 1))],
  dump: dump([1, 1], [[], [2, 3]], [0, 1, 5]),
};
const second: Life = {
  life: 1,
  how: 'done',
  sightings: [...[2, 3, 4].map((n) => saw(n, 2)), ...[4, 3, 2].map((n) => worked(n, 2))],
  dump: dump([3, 3], [], numbers),
};
const clean: Evidence = {
  maxInFlight: 6,
  sent: new Set(numbers.map(id)),
  acked: new Map(numbers.map((n) => [id(n), place(n)])),
  lives: [first, second],
};
const but = (life: 0 | 1, change: Partial<Life>): Evidence => ({
  ...clean,
  lives: clean.lives.map((one, index) => (index === life ? { ...one, ...change } : one)),
});

describe('the verifier', () => {
  it('has nothing to say of a clean run', () => {
    expect(verify(clean)).toMatchObject({ broken: [], lost: 0, repeats: 3, mostRepeats: 3, inFlight: 3, stateDifference: 0 });
    expect(line(verify(clean))).toMatch(/^records 6; kills 1 .* repeats 3, .* kept$/);
  });

  it('takes a record whose delivery report was lost for what it is', () => {
    const acked = new Map(clean.acked);
    acked.delete(id(4));
    expect(verify({ ...clean, acked }).broken).toEqual([]);
  });

  const [without4] = [second.sightings.filter((sighting) => sighting.id !== id(4))];
  it.each<[string, RegExp, Evidence]>([
    ['a lost record', /1 records were lost/, but(1, { sightings: without4 })],
    ['a record that is finished without work', /no work on them was ever done/, but(1, { sightings: without4 })],
    [
      'a frontier past an unfinished record',
      /2 records are finished on disk, but no work/,
      but(0, { dump: dump([3, 1], [], [0, 1, 2, 4]) }),
    ],
    ['a run with an unfinished record', /1 records are finished on disk, but no work/, but(0, { dump: dump([1, 1], [[2, 3]], [0, 1, 4]) })],
    ['a frontier past the end of the log', /2 records are finished on disk, but no work/, but(1, { dump: dump([5, 3], [], numbers) })],
    [
      'a frontier that goes back',
      /1 frontiers went back/,
      {
        ...clean,
        lives: [first, { life: 1, how: 'killed', sightings: [], dump: dump([0, 1], [[], [2, 3]], [1, 5]) }, { ...second, life: 2 }],
      },
    ],
    [
      'a run that is forgotten',
      /were finished on disk and are no more/,
      { ...clean, lives: [first, { life: 1, how: 'killed', sightings: [], dump: dump([1, 1], [], [0, 1]) }, { ...second, life: 2 }] },
    ],
    ['state without its offset', /1 keys whose state/, but(0, { dump: { ...first.dump, state: dump([0, 0], [], [0, 1, 3, 5]).state } })],
    ['an offset without its state', /1 keys whose state/, but(0, { dump: { ...first.dump, state: dump([0, 0], [], [0, 1]).state } })],
    ['a record folded twice', /1 keys whose state/, but(1, { dump: { ...second.dump, state: dump([0, 0], [], [...numbers, 3]).state } })],
    [
      'a record in place of another',
      /2 keys whose state/,
      but(1, { dump: { ...second.dump, state: dump([0, 0], [], [0, 1, 3, 3, 4, 4]).state } }),
    ],
    [
      'state of a key that nobody has',
      /1 keys whose state/,
      but(1, { dump: { ...second.dump, state: [...second.dump.state, ['k7', { count: 1, sum: 0, xor: 0 }]] } }),
    ],
    ['a record that was never sent', /never sent/, { ...clean, sent: new Set(numbers.slice(1).map(id)) }],
    ['a record with another content', /never sent/, but(1, { sightings: [...second.sightings, { ...saw(5, 2), id: `${id(5)}0` }] })],
    ['a record at another place', /at another place/, but(0, { sightings: [{ ...saw(0, 1), offset: 1 }, ...first.sightings] })],
    [
      'first occurrences out of order',
      /records out of order/,
      but(0, { sightings: [saw(2, 1), ...first.sightings.filter((one) => one.id !== id(2))] }),
    ],
    [
      'repeats out of order',
      /records out of order/,
      but(1, { sightings: [...[4, 3, 2].map((n) => saw(n, 2)), ...[4, 3, 2].map((n) => worked(n, 2))] }),
    ],
    ['a record emitted twice in an epoch', /records out of order/, but(0, { sightings: [...first.sightings, saw(5, 1)] })],
    ['a finished record that comes again', /although the disk knew/, but(1, { sightings: [...second.sightings, saw(5, 2)] })],
    [
      'a new life with an old epoch',
      /an epoch that is not above/,
      but(1, { sightings: second.sightings.map((one) => ({ ...one, epoch: 1 })) }),
    ],
    ['work on what was never emitted', /without being emitted/, but(1, { sightings: [...second.sightings, worked(5, 2)] })],
    ['too much in flight', /1 records in flight more than the 2/, { ...clean, maxInFlight: 1 }],
    ['an end that was asked for, with work left', /3 records in flight at an end that was asked for/, but(0, { how: 'asked' })],
    ['an end too early', /1 records are not finished on disk at the end/, but(1, { dump: dump([2, 3], [], [0, 1, 2, 3, 5]) })],
  ])('finds %s', (_what, complaint, evidence) => {
    expect(verify(evidence).broken.join('\n')).toMatch(complaint);
  });
});
