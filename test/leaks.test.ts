import { join } from 'node:path';
import { of } from 'rxjs';
import { afterAll, beforeAll, expect, it } from 'vitest';
import { Kafka, drain, toTopic } from '../src/index.js';
import type { EmbeddedKafka } from '../src/testing/index.js';
import { embeddedKafka } from '../src/testing/index.js';
import type { CyclesOptions, Held, Sample } from './support/leaks.js';
import { cycling, growth } from './support/leaks.js';
import { temporaryFolder } from './support/temporaryFolder.js';

/** More, for a long run: the less a cycle leaks, the more of them it takes to see it. */
const CYCLES = Number(process.env['KAFKA_RX_CYCLES'] ?? 120);
const PATIENCE_MS = 120_000 + CYCLES * 300;
const TOPIC = 'cycles';

/**
 * What a process may grow by in so many cycles: in every one, and once, for compiled code and the allocator's free lists settle late. Of what is
 * resident, a bare client of node-rdkafka that only connects and disconnects leaves 2 KB each time.
 */
const MAY_GROW: Readonly<Record<Held, (cycles: number) => number>> = {
  descriptors: () => 0,
  threads: () => 0,
  heapBytes: (cycles) => 64 * cycles + 2_000_000,
  rssBytes: (cycles) => 4_096 * cycles + 8_000_000,
  sessions: () => 0,
  subscribers: () => 0,
};

function leaksIn(samples: readonly Sample[]): string[] {
  return (Object.keys(MAY_GROW) as Held[])
    .map((what) => ({ what, more: growth(samples, what) * CYCLES }))
    .filter(({ what, more }) => more > MAY_GROW[what](CYCLES))
    .map(({ what, more }) => `${what}: ${Math.round(more)} in ${CYCLES} cycles`);
}

let cluster: EmbeddedKafka;
let folder: Awaited<ReturnType<typeof temporaryFolder>>;

beforeAll(async () => {
  folder = await temporaryFolder();
  cluster = await embeddedKafka({ topics: [TOPIC] });
  await using kafka = new Kafka({ brokers: cluster.brokers });
  await drain(of('a', 'b', 'c').pipe(toTopic(kafka, TOPIC, (value) => ({ value }))));
});

afterAll(async () => {
  await cluster.close();
  await folder[Symbol.asyncDispose]();
});

function options(planted: CyclesOptions['planted'], cycles = CYCLES): CyclesOptions {
  return {
    brokers: cluster.brokers,
    topic: TOPIC,
    folder: join(folder.path, planted),
    cycles,
    samples: cycles < 1_000 ? 10 : 40,
    planted,
    patienceMs: planted === 'none' ? 30_000 : 100,
  };
}

it(
  'subscribing and unsubscribing again and again leaks no descriptor, thread, session or subscriber, and no memory',
  { timeout: PATIENCE_MS },
  async ({ annotate }) => {
    const samples = await cycling(options('none'));
    const [first, last] = [samples[0], samples.at(-1)] as [Sample, Sample];
    const figures = `${CYCLES} cycles, ${last.emitted} of them with records: from ${JSON.stringify(first)} to ${JSON.stringify(last)}`;
    process.stdout.write(`${figures}\n`);
    await annotate(figures);
    expect(leaksIn(samples)).toEqual([]);
    expect(last.emitted).toBeGreaterThan(0);
  },
);

it.each([
  ['a client for each cycle', /descriptors.*threads/],
  ['a subscriber now and then', /subscribers/],
  ['memory for each cycle', /heapBytes/],
] as const)('%s that is not given back would be found', { timeout: PATIENCE_MS }, async (planted, expected) => {
  expect(leaksIn(await cycling(options(planted, Math.min(CYCLES, 100)))).join()).toMatch(expected);
});
