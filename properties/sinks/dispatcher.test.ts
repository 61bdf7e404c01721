import fc from 'fast-check';
import { describe, expect, it } from 'vitest';
import { publishing } from '../../marbles/support/publishing.js';
import { at, inVirtualTime } from '../../marbles/support/virtualTime.js';

describe('a publisher', () => {
  it('keeps the order of each key and loses nothing, whatever happens when', () => {
    const happening = fc.record({
      ms: fc.integer({ min: 0, max: 3_000 }),
      what: fc.constantFrom('send', 'send', 'send', 'send', 'away', 'back', 'suspect', 'fail', 'mend', 'slow', 'fast', 'disk fails'),
      key: fc.constantFrom('a', 'b', 'c'),
    });
    fc.assert(
      fc.property(fc.array(happening, { maxLength: 120 }), fc.constantFrom<'key' | 'none'>('key', 'none'), (happenings, order) => {
        inVirtualTime(() => {
          const { kafka, spill, dispatcher, outcomes, send } = publishing({ order, maxQueued: 12 });
          const next: Record<string, number> = {};
          const accepted: string[] = [];
          for (const { ms, what, key } of happenings.toSorted((x, y) => x.ms - y.ms))
            at(ms, () => {
              if (what === 'send') {
                const value = `${key}${(next[key] = (next[key] ?? 0) + 1)}`;
                if (send(value)[0] === undefined) accepted.push(value);
              } else if (what === 'suspect') dispatcher.suspect();
              else if (what === 'fail') kafka.fails = (value) => (value.startsWith(key) ? 'for now' : undefined);
              else if (what === 'mend') kafka.fails = () => undefined;
              else if (what === 'slow' || what === 'fast') kafka.ackMs = what === 'slow' ? 200 : 3;
              else if (what === 'disk fails') spill.failWrites = 2;
              else kafka.isUp = what === 'back';
            });
          at(4_000, () => {
            kafka.isUp = true;
            kafka.ackMs = 3;
            kafka.fails = () => undefined;
            spill.failWrites = 0;
          });
          at(60_000, () => {
            // Where the disk failed for too long, it was said so.
            const kept = accepted.filter((value) => !outcomes.includes(`${value} dropped disk`));
            expect(kafka.arrived.toSorted()).toEqual(kept.toSorted());
            expect(outcomes.map((outcome) => outcome.split(' ')[0]).toSorted()).toEqual(accepted.toSorted());
            if (order === 'key')
              for (const key of ['a', 'b', 'c'])
                expect(kafka.arrived.filter((value) => value.startsWith(key))).toEqual(kept.filter((value) => value.startsWith(key)));
            const { delivered, spilled, replayed, queued, onDisk, state } = dispatcher.stats();
            expect({ queued, onDisk, state, sum: delivered + spilled, replayed }).toEqual({
              queued: { messages: 0, bytes: 0 },
              onDisk: { records: 0, bytes: 0 },
              state: 'kafka',
              sum: kept.length,
              replayed: spilled,
            });
          });
        })();
      }),
      { numRuns: Number(process.env['KAFKA_RX_SCHEDULES'] ?? 300) },
    );
  });
});
