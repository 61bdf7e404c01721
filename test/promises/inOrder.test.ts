import { concatMap, from, map, mergeMap, take, tap, timer } from 'rxjs';
import { describe, expect, inject, it } from 'vitest';
import type { KafkaRecord, Properties } from '../../src/index.js';
import { Kafka, commit, drain, fromTopic, memoryOffsets, openOffsets } from '../../src/index.js';
import { numberedTopic, unique } from '../support/numbered.js';
import { temporaryFolder } from '../support/temporaryFolder.js';

const brokers = inject('brokers');

/** All offsets of a partition in their order, with none left out. */
const inARow = (partitions: number, each: number): number[][] =>
  Array.from({ length: partitions }, () => Array.from({ length: each }, (_, offset) => offset));

describe('promise 6, in order', () => {
  it('one partition is one sequence without holes, however the work finishes', async () => {
    const { topic } = await numberedTopic(brokers, { records: 40_000 });
    await using kafka = new Kafka({ brokers });
    const seen: number[][] = [[], [], [], []];

    await drain(
      fromTopic(kafka, topic, { group: unique('in-order'), offsets: memoryOffsets(), maxInFlight: 500 }).pipe(
        tap(({ partition, offset }) => seen[partition]?.push(offset)),
        mergeMap((record, index) => (index % 50 === 0 ? timer(index % 7).pipe(map(() => record)) : from([record]))),
        commit(),
        take(40_000),
      ),
    );

    expect(seen).toEqual(inARow(4, 10_000));
  });

  it.each<[string, Properties]>([
    ['the classic protocol', { 'heartbeat.interval.ms': 300 }],
    ['the protocol of KIP-848', { 'group.protocol': 'consumer' }],
  ])('partitions that change hands by %s go on where they were left, in order, with nothing twice', async (_protocol, properties) => {
    const { topic } = await numberedTopic(brokers, { records: 20_000 });
    await using folder = await temporaryFolder();
    await using offsets = openOffsets(`${folder.path}/offsets`);
    await using kafka = new Kafka({ brokers });
    const group = unique('handover');
    const seen: number[][] = [[], [], [], []];
    const hands = new Set<string>();
    let left = 20_000;
    const all = new AbortController();
    let shared = false;
    // Most of it waits until there are two to work on it.
    const work = (member: string) => (record: KafkaRecord) =>
      timer(shared || left > 12_000 ? 1 : 1_000).pipe(
        map(() => {
          hands.add(member);
          left -= 1;
          if (left === 0) all.abort();
          return record;
        }),
      );
    const member = (name: string, signal: AbortSignal): Promise<void> =>
      drain(
        fromTopic(kafka, topic, { group, offsets, maxInFlight: 200, signal, properties }).pipe(
          tap(({ partition, offset }) => seen[partition]?.push(offset)),
          mergeMap(work(name), 200),
          commit(),
        ),
      );
    const assigned = (): Promise<void> =>
      new Promise(
        (resolve) =>
          void kafka.events$.forEach(({ type }) => {
            if (type === 'assigned') resolve();
          }),
      );

    const early = new AbortController();
    const first = member('first', early.signal);
    await assigned();
    const second = member('second', all.signal);
    await assigned();
    shared = true;
    // The second has got its share: now the first leaves it everything.
    early.abort();
    await first;
    await second;

    expect(hands).toEqual(new Set(['first', 'second']));
    expect(seen).toEqual(inARow(4, 5_000));
  });

  it('concatMap keeps the order down to the commit', async () => {
    const { topic } = await numberedTopic(brokers, { records: 4_000 });
    await using kafka = new Kafka({ brokers });
    const seen: number[][] = [[], [], [], []];

    await drain(
      fromTopic(kafka, topic, { group: unique('concat'), offsets: memoryOffsets(), maxInFlight: 64 }).pipe(
        concatMap((record) => Promise.resolve(record)),
        commit({ emit: 'durable' }),
        tap(({ partition, offset }) => seen[partition]?.push(offset)),
        take(4_000),
      ),
    );

    expect(seen).toEqual(inARow(4, 1_000));
  });
});
