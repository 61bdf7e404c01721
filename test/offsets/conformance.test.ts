import { mkdtempSync, readdirSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import fc from 'fast-check';
import type { ObservableInput } from 'rxjs';
import { from, lastValueFrom, toArray } from 'rxjs';
import type { TestContext } from 'vitest';
import { afterEach, beforeEach, describe, expect, it } from 'vitest';
import { groupOffsets } from '../../src/offsets/group.js';
import { openOffsets } from '../../src/offsets/lmdb.js';
import { memoryOffsets } from '../../src/offsets/memory.js';
import type { Checkpoint, Claim, GroupCommits, OffsetStore } from '../../src/offsets/store.js';
import { Kafka } from '../../src/kafka.js';
import type { Position, TopicPartition } from '../../src/position.js';

/** The one value of an answer. */
async function the<T>(answer: ObservableInput<T>): Promise<T> {
  const values = await lastValueFrom(from(answer).pipe(toArray()), { defaultValue: [] });
  expect(values).toHaveLength(1);
  return values[0] as T;
}

function checkpoint(part: Partial<Checkpoint> = {}): Checkpoint {
  return { topic: 'orders', partition: 0, epoch: 1, frontier: 10, runs: [], metadata: '', ...part };
}

/** All of a group, in an order that does not depend on the store. */
async function remembered(store: OffsetStore, group = 'billing'): Promise<readonly Checkpoint[]> {
  const place = ({ topic, partition }: Checkpoint): string => `${topic}/${partition}`;
  return [...(await the(store.list(group)))].sort((a, b) => (place(a) < place(b) ? -1 : 1));
}

async function claimed(store: OffsetStore, group = 'billing', topic = 'orders', partition = 0): Promise<Claim> {
  const [claim] = await the(store.claim(group, [{ topic, partition }]));
  return claim as Claim;
}

/** Names that would meet if they were put together carelessly, or were used as paths. */
const HOSTILE = [
  'a',
  'aa',
  'a/0',
  'a/',
  '/a',
  '../a',
  '../../etc/passwd',
  '.',
  '..',
  'A',
  'a\0',
  '\0a',
  '\0',
  'a\0\u0001a',
  '\u00e9',
  'e\u0301',
  '\u{1F600}',
  '\u{1F601}',
  '\uffff',
  ' ',
  '__proto__',
  'constructor',
  'data.mdb',
  'x'.repeat(249),
  'x'.repeat(248),
  '\u{1F600}'.repeat(62),
];

/** What a store may lack, each with the promise that it then does not make. */
const PROMISES = {
  exact: 'Of a partition more is remembered than its frontier: runs, retries, metadata, and the epoch in which that was written.',
  ordered: 'Questions are answered in the order in which they came, also if nobody waits for an answer.',
} as const;

type Promised = keyof typeof PROMISES;

/** A group as its coordinator keeps it: of each partition one offset. */
function coordinator(): GroupCommits {
  const offsets = new Map<string, Position>();
  const place = ({ topic, partition }: TopicPartition): string => JSON.stringify([topic, partition]);
  return {
    commit: (positions) => {
      for (const position of positions) offsets.set(place(position), position);
      return Promise.resolve();
    },
    owns: () => true,
    givenBack: 0,
    addOffsets: (_since, add) => add({}),
    committed: (partitions) => Promise.resolve(partitions.map((at) => offsets.get(place(at))).filter((position) => position !== undefined)),
  };
}

/** The store of the groups as one member of each sees it. */
function memberOffsets(): OffsetStore {
  // Only a name: which one it is.
  const kafka = new Kafka({ brokers: ['unused:9092'] });
  const store = groupOffsets(kafka);
  const members = new Map<string, OffsetStore>();
  const member = (group: string): OffsetStore => {
    const found = members.get(group) ?? (store.forMember as NonNullable<OffsetStore['forMember']>).call(store, coordinator(), kafka);
    members.set(group, found);
    return found;
  };
  return {
    claim: (group, partitions) => member(group).claim(group, partitions),
    write: (group, checkpoints, apply) => member(group).write(group, checkpoints, apply),
    reset: (group, checkpoints) => member(group).reset(group, checkpoints),
    list: (group) => member(group).list(group),
    state: (name) => store.state(name),
    close: () => store.close(),
    [Symbol.asyncDispose]: () => store.close(),
  };
}

describe.each<{ name: string; make: (path: string) => OffsetStore; lacks: readonly Promised[] }>([
  { name: 'on disk', make: (path) => openOffsets(path), lacks: [] },
  { name: 'in memory', make: () => memoryOffsets(), lacks: [] },
  { name: 'of the group', make: memberOffsets, lacks: ['exact', 'ordered'] },
])('the offset store $name', ({ make, lacks }) => {
  /** Skips a test of a promise that the store does not make. */
  const needs = (promise: Promised, { skip }: TestContext): void => {
    skip(lacks.includes(promise), PROMISES[promise]);
  };

  let folder: string;
  let store: OffsetStore;

  beforeEach(() => {
    folder = mkdtempSync(join(tmpdir(), 'kafka-rx-offsets-'));
    store = make(join(folder, 'offsets'));
  });

  afterEach(async () => {
    await store.close();
    rmSync(folder, { recursive: true, force: true });
  });

  it('knows nothing at first', async () => {
    expect(await claimed(store)).toEqual({ topic: 'orders', partition: 0, epoch: 1, checkpoint: undefined });
    expect(await remembered(store)).toEqual([]);
  });

  it('remembers frontier, runs, metadata and epoch, and says so to the next that claims', async (context) => {
    needs('exact', context);
    await claimed(store);
    const written = checkpoint({ frontier: 2 ** 53 - 9, runs: [2 ** 53 - 5, 2 ** 53 - 3], metadata: 'größer \u{1F600}' });

    expect(await the(store.write('billing', [written]))).toEqual([]);

    expect(await remembered(store)).toEqual([written]);
    expect(await claimed(store)).toEqual({ topic: 'orders', partition: 0, epoch: 2, checkpoint: written });
  });

  it('replaces a checkpoint whole: runs and metadata that are not said again are gone', async (context) => {
    needs('exact', context);
    await claimed(store);
    await the(store.write('billing', [checkpoint({ runs: [20, 30], metadata: 'one' })]));
    await the(store.write('billing', [checkpoint({ frontier: 10, runs: [40, 41] })]));
    expect(await remembered(store)).toEqual([checkpoint({ frontier: 10, runs: [40, 41] })]);
  });

  it('remembers which records have failed with the checkpoint, until one is written that says nothing of them', async (context) => {
    needs('exact', context);
    await claimed(store);
    const retries = [
      { offset: 12, name: 'charge', failed: 3, due: 1_700_000_000_000 },
      { offset: 10, name: '', failed: 1, due: 0 },
    ];
    await the(store.write('billing', [checkpoint({ retries })]));
    expect((await claimed(store)).checkpoint).toEqual(checkpoint({ retries }));

    const late = checkpoint({ retries: [{ offset: 10, name: '', failed: 9, due: 0 }] });
    expect(await the(store.write('billing', [late]))).toEqual([late]);
    expect(await remembered(store)).toEqual([checkpoint({ retries })]);

    await the(store.write('billing', [checkpoint({ epoch: 2, frontier: 13 })]));
    expect(await remembered(store)).toEqual([checkpoint({ epoch: 2, frontier: 13 })]);
  });

  it('says of records that have failed nothing that it will not remember', async () => {
    await claimed(store);
    const written = checkpoint({ retries: [{ offset: 10, name: '', failed: 1, due: 0 }] });
    await the(store.write('billing', [written]));
    const [found] = await remembered(store);
    expect(found?.retries).toEqual((await claimed(store)).checkpoint?.retries);
  });

  it('answers a claim in the order of the question, partition by partition', async () => {
    await claimed(store, 'billing', 'orders', 1);
    const asked = [
      { topic: 'refunds', partition: 0 },
      { topic: 'orders', partition: 1 },
      { topic: 'orders', partition: 0 },
    ];
    const epochs = (await the(store.claim('billing', asked))).map(({ topic, partition, epoch }) => ({ topic, partition, epoch }));
    expect(epochs).toEqual([
      { topic: 'refunds', partition: 0, epoch: 1 },
      { topic: 'orders', partition: 1, epoch: 2 },
      { topic: 'orders', partition: 0, epoch: 1 },
    ]);
    expect(await the(store.claim('billing', []))).toEqual([]);
  });

  it('gives every claim a higher epoch, also to those that come together', async () => {
    const claims = await Promise.all(Array.from({ length: 20 }, () => claimed(store)));
    expect(claims.map(({ epoch }) => epoch)).toEqual(Array.from({ length: 20 }, (_, i) => i + 1));
  });

  it('reports a write of any epoch but the current one, and takes nothing of it', async () => {
    await claimed(store);
    await the(store.write('billing', [checkpoint({ frontier: 5 })]));
    await claimed(store);

    const [old, future] = [checkpoint({ epoch: 1, frontier: 50 }), checkpoint({ epoch: 3, frontier: 60 })];
    expect(await the(store.write('billing', [old]))).toEqual([old]);
    expect(await the(store.write('billing', [future]))).toEqual([future]);
    expect(await the(store.reset('billing', [old]))).toEqual([old]);

    expect(await remembered(store)).toMatchObject([{ topic: 'orders', partition: 0, frontier: 5 }]);
  });

  it('takes the partitions of a write that are its own and reports the others', async () => {
    await claimed(store, 'billing', 'orders', 0);
    await claimed(store, 'billing', 'orders', 1);
    await claimed(store, 'billing', 'orders', 1);
    const [own, lost] = [checkpoint({ partition: 0 }), checkpoint({ partition: 1 })];

    expect(await the(store.write('billing', [lost, own]))).toEqual([lost]);
    expect(await remembered(store)).toEqual([own]);
  });

  it('reports a late write even if its frontier would go back: it is not the one that is mistaken', async () => {
    await claimed(store);
    await the(store.write('billing', [checkpoint({ frontier: 9 })]));
    await claimed(store);
    const late = checkpoint({ epoch: 1, frontier: 7 });
    expect(await the(store.write('billing', [late]))).toEqual([late]);
  });

  it('lets no write take a frontier back, and writes nothing of the others that came with it', async () => {
    await claimed(store, 'billing', 'orders', 0);
    await claimed(store, 'billing', 'orders', 1);
    await the(store.write('billing', [checkpoint({ frontier: 10 })]));

    const refused = the(store.write('billing', [checkpoint({ partition: 1, frontier: 3 }), checkpoint({ frontier: 9 })]));

    await expect(refused).rejects.toMatchObject({
      name: 'StoreFailedError',
      code: 'STORE_FAILED',
      message: expect.stringMatching(/orders\/0 would go back from 10 to 9; nothing was written/) as string,
    });
    expect(await remembered(store)).toEqual([checkpoint({ frontier: 10 })]);
  });

  it('lets no frontier go back within one write either', async () => {
    await claimed(store);
    await expect(the(store.write('billing', [checkpoint({ frontier: 5 }), checkpoint({ frontier: 4 })]))).rejects.toThrow(
      'go back from 5 to 4',
    );
    expect(await remembered(store)).toEqual([]);
  });

  it('goes on after a write that it refused', async () => {
    await claimed(store);
    await the(store.write('billing', [checkpoint({ frontier: 10 })]));
    await expect(the(store.write('billing', [checkpoint({ frontier: 1 })]))).rejects.toThrow('would go back');
    await the(store.write('billing', [checkpoint({ frontier: 11 })]));
    expect(await remembered(store)).toEqual([checkpoint({ frontier: 11 })]);
  });

  it('goes back by a reset, and forward again from there', async () => {
    await claimed(store);
    await the(store.write('billing', [checkpoint({ frontier: 10, runs: [12, 14] })]));

    expect(await the(store.reset('billing', [checkpoint({ frontier: 3 })]))).toEqual([]);
    expect(await remembered(store)).toEqual([checkpoint({ frontier: 3 })]);

    await the(store.write('billing', [checkpoint({ frontier: 4 })]));
    expect(await remembered(store)).toEqual([checkpoint({ frontier: 4 })]);
  });

  it('keeps the current epoch over a reset: it is no claim', async () => {
    await claimed(store);
    await the(store.reset('billing', [checkpoint({ frontier: 3 })]));
    expect((await claimed(store)).epoch).toBe(2);
  });

  it('lists all of a group and nothing of another', async () => {
    for (const group of ['bill', 'billing', 'billings', 'shipping'])
      for (const [topic, partition] of [
        ['orders', 0],
        ['orders', 1],
        ['refunds', 300],
      ] as const) {
        await claimed(store, group, topic, partition);
        await the(store.write(group, [checkpoint({ topic, partition, metadata: group })]));
      }
    await claimed(store, 'billing', 'claimed only');

    expect(await remembered(store)).toEqual([
      checkpoint({ partition: 0, metadata: 'billing' }),
      checkpoint({ partition: 1, metadata: 'billing' }),
      checkpoint({ topic: 'refunds', partition: 300, metadata: 'billing' }),
    ]);
    expect(await remembered(store, 'nobody')).toEqual([]);
  });

  it('tells groups and topics apart whatever they are called, and makes no file of a name', async () => {
    const pairs = HOSTILE.flatMap((group) => HOSTILE.map((topic) => ({ group, topic, metadata: JSON.stringify([group, topic]) })));
    const claims = await Promise.all(pairs.map(({ group, topic }) => claimed(store, group, topic)));
    expect(claims.filter(({ epoch, checkpoint: before }) => epoch !== 1 || before !== undefined)).toEqual([]);

    await Promise.all(pairs.map(({ group, topic, metadata }) => the(store.write(group, [checkpoint({ topic, metadata })]))));

    for (const group of HOSTILE) {
      const found = await the(store.list(group));
      expect(new Set(found.map(({ topic, metadata }) => `${topic} ${metadata}`))).toEqual(
        new Set(pairs.filter((pair) => pair.group === group).map(({ topic, metadata }) => `${topic} ${metadata}`)),
      );
      expect(found).toHaveLength(HOSTILE.length);
    }
    expect(readdirSync(folder).filter((name) => name !== 'offsets')).toEqual([]);
  });

  it('tells partitions apart up to the largest number, and from a topic that ends in a number', async () => {
    const places = [0, 1, 10, 255, 256, 65_536, 2 ** 31 - 1].map((partition) => ({ topic: 'orders', partition }));
    places.push({ topic: 'orders1', partition: 0 });
    const written = places.map((place, i) => checkpoint({ ...place, frontier: i }));
    await the(store.claim('billing', places));
    await the(store.write('billing', written));

    const found = await the(store.list('billing'));
    expect([...found].sort((a, b) => a.frontier - b.frontier)).toEqual(written);
  });

  it('answers as a map of partitions with an epoch each would, whatever is asked in whatever order', async () => {
    const place = fc.record({ group: fc.constantFrom('a', 'b'), topic: fc.constantFrom('t', 'u'), partition: fc.nat(1) });
    const question = fc.oneof(
      place.map((at) => ({ ask: 'claim' as const, ...at })),
      fc
        .record({ at: place, ask: fc.constantFrom('write' as const, 'reset' as const), back: fc.nat(1), frontier: fc.nat(9) })
        .map(({ at, ...rest }) => ({ ...at, ...rest })),
    );
    let round = 0;
    await fc.assert(
      fc.asyncProperty(fc.array(question, { maxLength: 40 }), async (questions) => {
        round += 1;
        const model = new Map<string, { epoch: number; frontier: number | undefined }>();
        for (const each of questions) {
          const group = `${round} ${each.group}`;
          const { topic, partition } = each;
          const key = JSON.stringify([group, topic, partition]);
          const known = model.get(key) ?? { epoch: 0, frontier: undefined };
          model.set(key, known);
          if (each.ask === 'claim') {
            known.epoch += 1;
            const { epoch, checkpoint: before } = await claimed(store, group, topic, partition);
            expect([epoch, before?.frontier]).toEqual([known.epoch, known.frontier]);
            continue;
          }
          const sent = checkpoint({ topic, partition, epoch: Math.max(0, known.epoch - each.back), frontier: each.frontier });
          const answer = the(store[each.ask](group, [sent]));
          if (sent.epoch !== known.epoch) expect(await answer).toEqual([sent]);
          else if (each.ask === 'write' && each.frontier < (known.frontier ?? 0)) await expect(answer).rejects.toThrow('would go back');
          else {
            expect(await answer).toEqual([]);
            known.frontier = each.frontier;
          }
        }
      }),
      { numRuns: 40 },
    );
  });

  it('does at once what it is told: a question needs nobody to wait for the answer', async (context) => {
    needs('ordered', context);
    void store.claim('billing', [{ topic: 'orders', partition: 0 }]);
    void store.write('billing', [checkpoint()]);
    expect(await remembered(store)).toEqual([checkpoint()]);
  });

  it('closes once, and refuses every question after that', async () => {
    const closing = store.close();
    expect(store.close()).toBe(closing);
    await closing;
    await store[Symbol.asyncDispose]();

    const closed = { name: 'StoreFailedError', message: expect.stringContaining('was closed') as string };
    await expect(the(store.claim('billing', []))).rejects.toMatchObject(closed);
    await expect(the(store.write('billing', []))).rejects.toMatchObject(closed);
    await expect(the(store.reset('billing', []))).rejects.toMatchObject(closed);
    await expect(the(store.list('billing'))).rejects.toMatchObject(closed);
  });
});
