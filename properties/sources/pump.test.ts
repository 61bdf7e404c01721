import fc from 'fast-check';
import { delay, mergeMap, of, tap } from 'rxjs';
import { describe, expect, it } from 'vitest';
import { log } from '../../marbles/support/log.js';
import { pumping } from '../../marbles/support/pumping.js';
import { slowWork } from '../../marbles/support/slowWork.js';
import { source } from '../../marbles/support/source.js';
import { collect, inVirtualTime } from '../../marbles/support/virtualTime.js';
import { commit } from '../../src/operators/commit.js';
import type { KafkaRecord } from '../../src/record.js';

describe('Pump', () => {
  it('has one read in flight and no more out than its credits, keeps each partition in order, and emits every record once', () => {
    const row = fc.record({
      partition: fc.nat(2),
      bytes: fc.oneof(fc.nat(30), fc.nat(150)),
      workMs: fc.nat(400),
      holdMs: fc.constantFrom(0, 0, 0, 1, 6, 30),
      gap: fc.nat(2),
    });
    const bounds = fc.record({ maxRecords: fc.integer({ min: 1, max: 12 }), maxBytes: fc.integer({ min: 1, max: 120 }) });
    const times = fc.record({ readMs: fc.nat(20), writeMs: fc.nat(20) });
    fc.assert(
      fc.property(fc.array(row, { maxLength: 60, size: 'max' }), bounds, times, (works, { maxRecords, maxBytes }, { readMs, writeMs }) => {
        inVirtualTime(({ cold, flush }) => {
          const next = [0, 0, 0];
          const rows = works.map(({ partition, bytes, gap }, i) => {
            const offset = (next[partition] ?? 0) + gap;
            next[partition] = offset + 1;
            return { value: String(i), partition, offset, bytes };
          });
          const write$ = cold<never>(writeMs === 0 ? '|' : `${writeMs}ms |`);
          const kafka = source({ maxRecords, maxBytes, write: () => write$ });
          const reader = log(rows, { readMs: () => readMs });
          const lanes = next.map((_, partition) => kafka.lane({ partition }));
          const { scheduler, work } = slowWork((seen) => works[seen - 1]?.holdMs ?? 0);
          const { records$ } = pumping(kafka, reader, lanes, { scheduler });
          const open = new Map<string, number>();
          const out = new Map<string, number>();
          const emitted: string[] = [];
          const entering = ({ value }: KafkaRecord): void => {
            const name = String(value);
            emitted.push(name);
            for (const [some, bound] of [
              [open, 1],
              [out, 2],
            ] as const) {
              some.set(name, rows[Number(name)]?.bytes ?? 0);
              const bytes = [...some.values()].reduce((sum, each) => sum + each, 0);
              expect(some.size).toBeLessThanOrEqual(bound * maxRecords);
              expect(bytes <= bound * maxBytes || some.size === 1).toBe(true);
            }
          };
          collect(
            records$.pipe(
              tap(entering),
              work,
              mergeMap((record) => of(record).pipe(delay(works[Number(record.value)]?.workMs ?? 0))),
              tap(({ value }) => open.delete(String(value))),
              commit({ emit: 'durable' }),
              tap(({ value }) => out.delete(String(value))),
            ),
            60_000,
          );
          flush();
          expect(reader.mostReads()).toBe(1);
          expect(emitted).toHaveLength(rows.length);
          for (const lane of lanes) {
            const ofLane = emitted.filter((name) => rows[Number(name)]?.partition === lane.partition);
            expect(ofLane).toEqual(rows.filter(({ partition }) => partition === lane.partition).map(({ value }) => value));
            expect(lane.checkpoint()).toMatchObject({ frontier: next[lane.partition], runs: [] });
          }
          expect([kafka.demand.records, kafka.demand.openBytes]).toEqual([0, 0]);
        })();
      }),
      { numRuns: 60 },
    );
  });
});
