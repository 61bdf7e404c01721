import { afterAll, beforeAll, describe, expect, inject, it } from 'vitest';
import type { JvmBroker } from '../../broker/index.js';
import type { Properties } from '../../src/index.js';
import { temporaryFolder } from '../support/temporaryFolder.js';
import type { Judgement } from './judge.js';
import { judge, judgementLine } from './judge.js';
import { SESSION_TIMEOUT_MS, startMembersBroker } from './membersBroker.js';
import type { StormOptions } from './storm.js';
import { storm } from './storm.js';
import { readStorm } from './stormLog.js';

/** More, for a long run. */
const blows = Number(process.env['KAFKA_RX_BLOWS'] ?? 8);
const PATIENCE_MS = 120_000 + blows * 10_000;

const PROTOCOLS: Readonly<Record<string, Properties>> = {
  'the classic protocol': { 'session.timeout.ms': SESSION_TIMEOUT_MS, 'heartbeat.interval.ms': 200 },
  'the new protocol': { 'group.protocol': 'consumer' },
};

describe.runIf(inject('brokerKind') === 'jvm')('fault 16 and 23, members that come and go, are killed, and are stopped', () => {
  let broker: JvmBroker | undefined;
  beforeAll(async () => {
    broker = await startMembersBroker();
  });
  afterAll(() => broker?.close());

  async function weather(
    options: Pick<StormOptions, 'processes' | 'subscriptions' | 'drainTimeoutMs' | 'properties'> & Partial<Pick<StormOptions, 'blows'>>,
  ): Promise<Judgement> {
    await using folder = await temporaryFolder();
    const seed = Math.floor(Math.random() * 1e9);
    process.stdout.write(`seed ${seed}\n`);
    await storm({ blows, ...options, brokers: broker?.brokers ?? [], folder: folder.path, seed, sessionTimeoutMs: SESSION_TIMEOUT_MS });
    const judgement = judge(readStorm(folder.path));
    process.stdout.write(`${judgementLine(judgement)}\n`);
    return judgement;
  }

  it.each(Object.entries(PROTOCOLS))(
    'three processes, each with a store of its own, in %s',
    { timeout: PATIENCE_MS },
    async (_name, properties) => {
      const judgement = await weather({ processes: 3, subscriptions: 1, drainTimeoutMs: 2_000, properties });
      expect(judgement.broken).toEqual([]);
      // Otherwise nothing was ever given to anybody else.
      expect(judgement.given).toBeGreaterThan(0);
    },
  );

  it.each(Object.entries(PROTOCOLS))(
    'three subscriptions on one store, in one process, in %s',
    { timeout: PATIENCE_MS },
    async (_name, properties) => {
      const judgement = await weather({ processes: 1, subscriptions: 3, drainTimeoutMs: 50, properties });
      expect(judgement.broken).toEqual([]);
      expect(judgement.given).toBeGreaterThan(0);
    },
  );

  // What it had noted for the group before it was stopped it commits when it is a member again, for partitions that others have. Not each time.
  it("a member that was stopped does not set the group's own offsets back", { timeout: PATIENCE_MS }, async () => {
    const script = ['start', 'stop', 'continue', 'stop', 'continue'] as const;
    const properties = PROTOCOLS['the classic protocol'] ?? {};
    const { mirrorWentBack } = await weather({ processes: 2, subscriptions: 1, drainTimeoutMs: 2_000, properties, blows: script });
    expect(mirrorWentBack).toBe(0);
  });
});
