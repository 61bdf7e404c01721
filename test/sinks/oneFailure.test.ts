import fc from 'fast-check';
import { setImmediate as turn } from 'node:timers/promises';
import { Subject } from 'rxjs';
import { afterEach, describe, expect, inject, it, vi } from 'vitest';
import type { Delivery, ProducerRecord } from '../../src/index.js';
import { DeliveryError, Kafka, toTopic } from '../../src/index.js';
import { created } from './topics.js';
import { contents } from './witness.js';
import { eventually } from '../support/eventually.js';
import { ways } from '../support/ways.js';

/** More by `KAFKA_RX_FAILURES`. */
const SCHEDULES = Number(process.env['KAFKA_RX_FAILURES'] ?? 4);
const brokers = inject('brokers');
const PARTITIONS = 2;
/** What the topic takes, and what the client does. */
const [TOPIC_BYTES, CLIENT_BYTES] = [2_000, 5_000] as const;

const kinds = ['fine', 'fine', 'fine', 'fine', 'too large for the topic', 'too large for the client', 'to no partition'] as const;
interface Step {
  readonly records: readonly { readonly kind: (typeof kinds)[number]; readonly partition: number }[];
  /** What comes before it is on its way, or even acknowledged. */
  readonly then: 'at once' | 'next turn' | 'when all is known';
}

const step: fc.Arbitrary<Step> = fc.record({
  records: fc.array(fc.record({ kind: fc.constantFrom(...kinds), partition: fc.nat({ max: PARTITIONS - 1 }) }), { maxLength: 3 }),
  then: fc.constantFrom('at once', 'at once', 'at once', 'next turn', 'when all is known'),
});

function recordOf(name: string, { kind, partition }: Step['records'][number]): ProducerRecord {
  const size = kind === 'too large for the client' ? CLIENT_BYTES : kind === 'too large for the topic' ? TOPIC_BYTES : name.length;
  return { partition: kind === 'to no partition' ? PARTITIONS + 7 : partition, value: name.padEnd(size) };
}

interface Input {
  readonly n: number;
  readonly records: Step['records'];
}

interface Passed extends Input {
  readonly deliveries: readonly Delivery[];
}

afterEach(() => {
  vi.unstubAllEnvs();
});

describe.runIf(inject('brokerKind') !== 'embedded').each(ways)('toTopic on the %s path, for any schedule of failures:', (way) => {
  it.each(['result', 'error'] as const)(
    "one failure fails its input once; nothing later on that partition is reported as written when it is not (failures: '%s')",
    { timeout: 60_000 + SCHEDULES * 5_000 },
    async (failures) => {
      if (way === 'plain') vi.stubEnv('KAFKA_RX_PRODUCER', 'plain');
      await using kafka = new Kafka({ brokers });
      await fc.assert(
        fc.asyncProperty(fc.array(step, { minLength: 20, maxLength: 80 }), async (steps) => {
          const topic = await created('failures', PARTITIONS, { 'max.message.bytes': String(TOPIC_BYTES) });
          const source$ = new Subject<Input>();
          const passed: Passed[] = [];
          let errors: unknown[] = [];
          const done = new Promise<void>((resolve) => {
            source$
              .pipe(
                toTopic(kafka, topic, ({ n, records }) => records.map((record, i) => recordOf(`${n}.${i}`, record)), {
                  failures,
                  messageTimeoutMs: 10_000,
                  properties: { 'message.max.bytes': CLIENT_BYTES, 'batch.num.messages': 3 },
                  result: (input, deliveries) => ({ ...input, deliveries }),
                }),
              )
              .subscribe({
                next: (one) => passed.push(one),
                error: (error: unknown) => {
                  errors = [...errors, error];
                  resolve();
                },
                complete: resolve,
              });
          });
          for (const [n, { records, then }] of steps.entries()) {
            source$.next({ n, records });
            if (then === 'next turn') await turn();
            else if (then === 'when all is known')
              await eventually(() => {
                if (errors.length === 0) expect(passed).toHaveLength(n + 1);
              });
          }
          source$.complete();
          await done;

          const found = new Map(
            (await contents(brokers, topic)).map((one) => [`${one.partition}/${one.offset}`, String(one.value).trim()]),
          );
          const inLog = [...found.values()];
          expect(passed.map(({ n }) => n)).toEqual(passed.map((_, i) => i));
          const hasFailures = steps.some(({ records }) => records.some(({ kind }) => kind !== 'fine'));
          if (failures === 'result') expect([passed.length, errors]).toEqual([steps.length, []]);
          else expect(errors).toEqual(hasFailures ? [expect.any(DeliveryError)] : []);

          const hasTooLarge = Array.from({ length: PARTITIONS }, (_, partition) =>
            steps.some(({ records }) => records.some((one) => one.partition === partition && one.kind === 'too large for the topic')),
          );
          const last = Array.from({ length: PARTITIONS }, () => -1);
          for (const { n, records, deliveries } of passed)
            for (const [i, { kind, partition }] of records.entries()) {
              const name = `${n}.${i}`;
              const { error, offset } = deliveries[i] as Delivery;
              // The broker refuses a batch as a whole.
              const sharesItsFate = kind === 'fine' && error?.code === 'RECORD_TOO_LARGE' && hasTooLarge[partition] === true;
              if (kind === 'fine' && !sharesItsFate) {
                expect([name, error, found.get(`${partition}/${offset}`)]).toEqual([name, undefined, name]);
                expect(offset, `the order of ${name}`).toBeGreaterThan(last[partition] as number);
                last[partition] = offset;
              } else {
                expect([name, error?.outcome, inLog.includes(name)]).toEqual([name, 'failed', false]);
              }
            }
          expect(new Set(inLog).size).toBe(inLog.length);
        }),
        { numRuns: SCHEDULES },
      );
    },
  );
});
