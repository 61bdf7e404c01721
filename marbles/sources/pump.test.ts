import type { Observable } from 'rxjs';
import { NEVER, Subject, asyncScheduler, delay, delayWhen, map, merge, share, take, tap, timer, timestamp } from 'rxjs';
import { describe, expect, it } from 'vitest';
import { commit } from '../../src/operators/commit.js';
import type { KafkaRecord } from '../../src/record.js';
import type { Row } from '../support/log.js';
import { log, rowsOf } from '../support/log.js';
import type { Pumping } from '../support/pumping.js';
import { pumping } from '../support/pumping.js';
import { mostAtOnce, slowWork } from '../support/slowWork.js';
import { source } from '../support/source.js';
import { at, collect, inVirtualTime } from '../support/virtualTime.js';

const MIB = 1024 * 1024;

/** So many records. */
function many(records: number): Row[] {
  return Array.from({ length: records }, (_, offset) => ({ value: 'x', offset }));
}

/** Does something in the middle of a read that takes long; sees how much was emitted by then, and how much when the read has been dealt with. */
function inTheMiddle(work: (pump: Pumping['pump']) => void = () => undefined) {
  const kafka = source();
  const slow = slowWork(() => 50);
  const { pump, records$ } = pumping(kafka, log(many(100)), [kafka.lane()], slow);
  const emitted = collect(records$.pipe(slow.work, commit()), 10_000);
  const seen: number[] = [];
  at(50, () => {
    work(pump);
    seen.push(emitted.length);
    pump.afterRead(() => seen.push(emitted.length));
  });
  return { emitted, seen };
}

describe('Pump', () => {
  it(
    'emits as many records as there are credits, and the next ones as they come back',
    inVirtualTime(({ expectObservable }) => {
      const kafka = source({ maxRecords: 2 });
      const lane = kafka.lane();
      const reader = log(rowsOf('abcdef'));
      const { values$ } = pumping(kafka, reader, [lane]);
      const unsub = ' --------------!';
      const values = '-(ab)--c--d';
      const reads = ' 2-----1--1';

      at(6, () => {
        lane.finish(0);
      });
      at(9, () => {
        lane.finish(1);
      });
      expectObservable(reader.reads$).toBe(reads);
      expectObservable(values$, unsub).toBe(values);
    }),
  );

  it(
    'is not held up by a slow disk until as much again waits for it',
    inVirtualTime(({ cold, expectObservable }) => {
      const write$ = cold<never>('----------|');
      const kafka = source({ maxRecords: 1, write: () => write$ });
      const { records$ } = pumping(kafka, log(rowsOf('abcdef')), [kafka.lane()]);
      const unsub = ' ----------------!';
      const values = '-ab---------c---';

      expectObservable(records$.pipe(commit(), map(valueOf)), unsub).toBe(values);
    }),
  );

  it(
    'goes on soon after a record is finished, whatever the disk does',
    inVirtualTime(({ expectObservable }) => {
      const kafka = source({ maxRecords: 1, write: () => NEVER });
      const lane = kafka.lane();
      const { values$ } = pumping(kafka, log(rowsOf('abc')), [lane]);
      const unsub = ' ----------------!';
      const values = '-a-----b--------';

      at(5, () => {
        lane.finish(0);
      });
      at(12, () => {
        lane.finish(1);
      });
      expectObservable(values$, unsub).toBe(values);
    }),
  );

  it(
    'tells the end of a log when what comes before it was emitted, and not when it was read',
    inVirtualTime(({ expectObservable }) => {
      const kafka = source({ maxRecords: 2 });
      const lane = kafka.lane();
      const reader = log(rowsOf('abc'), { tellsEnd: true });
      const ends$ = new Subject<string>();
      const { values$ } = pumping(kafka, reader, [lane], {
        onEnd: ({ offset }) => {
          ends$.next(String(offset));
        },
      });
      const unsub = ' 600ms !';
      // The third is read by a sip, and held until there is credit for it.
      const values = '-(ab) 295ms c';
      const ends = '  - 299ms 3';

      at(300, () => {
        lane.finish(0);
      });
      expectObservable(ends$).toBe(ends);
      expectObservable(values$, unsub).toBe(values);
    }),
  );

  it(
    'lets credits gather for a moment before it reads for a few',
    inVirtualTime(({ expectObservable }) => {
      const kafka = source({ maxRecords: 8 });
      const lane = kafka.lane();
      const reader = log(rowsOf('abcdefghijkl'));
      const { values$ } = pumping(kafka, reader, [lane]);
      const unsub = ' ------------------!';
      const values = '-(abcdefgh)--(ij)';
      const reads = ' 8-----------2';

      at(11, () => {
        lane.finish(3);
        lane.finish(5);
      });
      expectObservable(reader.reads$).toBe(reads);
      expectObservable(values$, unsub).toBe(values);
    }),
  );

  it(
    'reads again as soon as a read is done',
    inVirtualTime(({ expectObservable }) => {
      const kafka = source();
      const reader = log(rowsOf('a'));
      const { records$ } = pumping(kafka, reader, [kafka.lane()]);
      const unsub = ' 160ms           !';
      const values = '-a 99ms b';
      const reads = ' xy 99ms z';

      at(50, () => {
        reader.append({ value: 'b', offset: 1 });
      });
      expectObservable(reader.reads$).toBe(reads, { x: '100', y: '100', z: '100' });
      expectObservable(records$.pipe(commit(), map(valueOf)), unsub).toBe(values);
    }),
  );

  it(
    'has the next batch read while one of many is emitted, once it knows how large records are',
    inVirtualTime(({ flush }) => {
      const kafka = source();
      const reader = log(rowsOf('abcdefghijklmnopq'));
      const { values$ } = pumping(kafka, reader, [kafka.lane()]);
      const happened = readsAndValues(reader, values$);
      at(50, () => {
        reader.append(...rowsOf('ABCDEFGHIJKLMNOP').map((row) => ({ ...row, offset: 17 + row.offset })));
      });
      flush();
      expect(happened.join('')).toBe(' read abcdefghijklmnopq read  read ABCDEFGHIJKLMNOP');
    }),
  );

  it(
    'has the next batch read while one of a few large ones is emitted',
    inVirtualTime(({ flush }) => {
      const kafka = source({ maxBytes: 100 * MIB });
      const large = (letters: string, first: number) => rowsOf(letters).map((row, i) => ({ ...row, offset: first + i, bytes: MIB / 2 }));
      const reader = log(large('a', 0));
      const { values$ } = pumping(kafka, reader, [kafka.lane()]);
      const happened = readsAndValues(reader, values$);
      at(50, () => {
        reader.append(...large('bcdefgh', 1));
      });
      flush();
      expect(happened.join('')).toBe(' read a read  read bcdefgh');
    }),
  );

  it(
    'emits a few before it asks for what follows them',
    inVirtualTime(({ flush }) => {
      const kafka = source();
      const reader = log(rowsOf('a'));
      const { values$ } = pumping(kafka, reader, [kafka.lane()]);
      const happened = readsAndValues(reader, values$);
      at(50, () => {
        reader.append({ value: 'b', offset: 1 }, { value: 'c', offset: 2 });
      });
      flush();
      expect(happened.join('')).toBe(' read a read bc read ');
    }),
  );

  it(
    'reads fewer at a time for whoever takes long over each record, and more again when they are quick',
    inVirtualTime(({ flush }) => {
      const kafka = source({ maxRecords: 10_000 });
      const reader = log(many(6_000));
      // A thousand of them hold the event loop for 62 ms.
      const { scheduler, work } = slowWork((seen) => (seen <= 1_300 ? 1 / 16 : 0));
      const { records$ } = pumping(kafka, reader, [kafka.lane()], { scheduler });
      const reads = collect(reader.reads$, 140);
      collect(records$.pipe(work), 140);
      flush();
      // The read ahead was asked for before the batch was emitted.
      expect(reads.slice(0, 11).join()).toBe('1000,80,80,80,80,80,80,160,160,320,320');
    }),
  );

  it.each([
    { credits: 20_000, most: 4_000, largest: 4_000 },
    { credits: 10_000, most: 4_000, largest: 2_500 },
    { credits: 2_000, most: 4_000, largest: 1_000 },
    { credits: 20_000, most: 1_000, largest: 1_000 },
  ])(
    'reads up to $largest at a time for whoever is quick, with $credits credits and a reader that can bring $most',
    ({ credits, most, largest }) => {
      inVirtualTime(({ flush }) => {
        const kafka = source({ maxRecords: credits });
        const reader = log(many(30_000), { mostRecords: most });
        const { records$ } = pumping(kafka, reader, [kafka.lane()]);
        const reads = collect(reader.reads$, 140);
        collect(records$.pipe(commit()), 140);
        flush();
        expect(reads[0]).toBe('1000');
        expect(Math.max(...reads.map(Number))).toBe(largest);
      })();
    },
  );

  it(
    'reads no more at a time for whoever is quick to take records and has them finished later',
    inVirtualTime(({ flush }) => {
      const kafka = source({ maxRecords: 20_000 });
      const reader = log(many(12_000), { mostRecords: 4_000 });
      const { records$ } = pumping(kafka, reader, [kafka.lane()]);
      const reads = collect(reader.reads$, 140);
      const finished = collect(records$.pipe(delay(1), commit()), 140);
      flush();
      expect(finished).toHaveLength(12_000);
      expect(Math.max(...reads.map(Number))).toBe(1_000);
    }),
  );

  it(
    'reads fewer at a time again when whoever was quick gets slow',
    inVirtualTime(({ flush }) => {
      const kafka = source({ maxRecords: 20_000 });
      const reader = log(many(30_000), { mostRecords: 4_000 });
      const { scheduler, work } = slowWork((seen) => (seen > 20_000 ? 1 / 16 : 0));
      const { records$ } = pumping(kafka, reader, [kafka.lane()], { scheduler });
      const reads = collect(reader.reads$, 140);
      collect(records$.pipe(work, commit()), 140);
      flush();
      expect(Math.max(...reads.map(Number))).toBe(4_000);
      expect(Number(reads.at(-1))).toBeLessThanOrEqual(100);
    }),
  );

  it.each([
    { ms: 1 / 16, atOnce: 176 },
    { ms: 1, atOnce: 16 },
    { ms: 50, atOnce: 1 },
  ])(
    'leaves the event loop to others after $atOnce records that take $ms ms each, and goes on with the others in order',
    ({ ms, atOnce }) => {
      inVirtualTime(({ flush }) => {
        const kafka = source({ maxRecords: 10_000 });
        const { scheduler, work } = slowWork(() => ms);
        const { records$ } = pumping(kafka, log(many(1_300)), [kafka.lane()], { scheduler });
        const emitted = collect(records$.pipe(work, commit(), timestamp(asyncScheduler)), 10_000);
        flush();
        expect(emitted.map(({ value }) => value.offset)).toEqual(many(1_300).map(({ offset }) => offset));
        expect(mostAtOnce(emitted)).toBe(atOnce);
      })();
    },
  );

  it(
    'has dealt with a read only when all of it was emitted, however long that takes',
    inVirtualTime(({ flush }) => {
      const { seen } = inTheMiddle();
      flush();
      expect(seen[0]).toBeLessThan(100);
      expect(seen[1]).toBe(100);
    }),
  );

  it(
    'drained, leaves what is left of a read that takes long',
    inVirtualTime(({ flush }) => {
      const { emitted, seen } = inTheMiddle((pump) => {
        pump.drain();
      });
      flush();
      expect(seen).toEqual([emitted.length, emitted.length]);
      expect(emitted.length).toBeLessThan(100);
    }),
  );

  it(
    'begins no other read before whoever waits for one has been called',
    inVirtualTime(({ flush }) => {
      const kafka = source();
      const reader = log(rowsOf('a'));
      const { pump, values$ } = pumping(kafka, reader, [kafka.lane()]);
      const happened: string[] = [];
      at(50, () => {
        reader.append({ value: 'b', offset: 1 });
        pump.afterRead(() => happened.push('after'));
      });
      collect(merge(reader.reads$.pipe(map(() => 'read')), values$).pipe(tap((what) => happened.push(what))), 140);
      flush();
      expect(happened.join(' ')).toBe('read a read b after read');
    }),
  );

  it(
    'says that it stands still after as long as it was told, and not while anything is finished',
    inVirtualTime(({ flush }) => {
      const kafka = source({ maxRecords: 2 });
      const lane = kafka.lane();
      const stalledAt: number[] = [];
      const onStall = (): void => {
        stalledAt.push(asyncScheduler.now());
      };
      const { values$ } = pumping(kafka, log(rowsOf('abcdef')), [lane], { stallAfterMs: 5_000, onStall });
      at(4_900, () => {
        lane.finish(1);
      });
      const values = collect(values$, 12_000);
      flush();
      expect(values.join('')).toBe('abc');
      // Four sips to the second; the first one after a record came back begins a new count.
      expect(stalledAt[0]).toBeGreaterThan(4_900 + 5_000);
      expect(stalledAt[0]).toBeLessThan(4_900 + 5_000 + 600);
    }),
  );

  it(
    'polls often while an answer is awaited that only a poll brings',
    inVirtualTime(({ expectObservable }) => {
      const kafka = source({ maxRecords: 1 });
      const reader = log(rowsOf('abc'));
      const { values$ } = pumping(kafka, reader, [kafka.lane()], { awaitsAnswer: () => asyncScheduler.now() < 10 });
      const unsub = ' 300ms !';
      const values = '-a';
      const reads = ' 1-----1-----1 250ms 1';

      expectObservable(reader.reads$, unsub).toBe(reads);
      expectObservable(values$, unsub).toBe(values);
    }),
  );

  it(
    'emits what waits as soon as there is credit, also while a read is in flight',
    inVirtualTime(({ expectObservable }) => {
      const kafka = source({ maxBytes: 100 });
      const lane = kafka.lane();
      const reader = log([
        { value: 'a', offset: 0 },
        { value: 'b', offset: 1, bytes: 95 },
      ]);
      const { values$ } = pumping(kafka, reader, [lane]);
      const unsub = ' ----------!';
      const values = '-a---b';

      at(5, () => {
        lane.finish(0);
      });
      expectObservable(values$, unsub).toBe(values);
    }),
  );

  it(
    'out of credit sips one record now and then, and emits the sipped ones first, in order',
    inVirtualTime(({ expectObservable }) => {
      const kafka = source({ maxRecords: 1 });
      const lane = kafka.lane();
      const reader = log(rowsOf('abcd'));
      const { values$ } = pumping(kafka, reader, [lane]);
      const unsub = ' 610ms                         !';
      const values = '-a 598ms               b---c--';
      const reads = ' 1 250ms 1 250ms 1';

      for (const [offset, ms] of [600, 604].entries()) {
        at(ms, () => {
          lane.finish(offset);
        });
      }
      expectObservable(reader.reads$).toBe(reads);
      expectObservable(values$, unsub).toBe(values);
    }),
  );

  it(
    'in a long drought pauses fetching and goes on polling, and resumes when all that was sipped is out',
    inVirtualTime(({ flush }) => {
      const kafka = source({ maxRecords: 1 });
      const reader = log(Array.from({ length: 100 }, (_, offset) => ({ value: String(offset), offset })));
      const { records$, fetching$ } = pumping(kafka, reader, [kafka.lane()]);
      const fetching: [what: string, ms: number][] = [];
      const emitted = collect(
        records$.pipe(
          delayWhen(() => timer(new Date(30_000))),
          commit(),
          map(({ offset }) => offset),
        ),
        60_000,
      );
      collect(fetching$.pipe(tap((what) => fetching.push([what, asyncScheduler.now()]))), 60_000);
      flush();

      const [[pause, pausedAt] = [], [resume, resumedAt] = [], ...more] = fetching;
      expect([pause, resume, more]).toEqual(['p', 'r', []]);
      expect(pausedAt).toBeGreaterThan(10_000);
      expect(pausedAt).toBeLessThan(20_000);
      expect(resumedAt).toBeGreaterThanOrEqual(30_000);
      expect(longestWait(reader.readAt, 60_000)).toBeLessThan(1_000);
      expect(emitted).toEqual(Array.from({ length: 100 }, (_, offset) => offset));
    }),
  );

  it(
    'lets a record that is larger than all credits out alone',
    inVirtualTime(({ expectObservable }) => {
      const kafka = source({ maxBytes: 100 });
      const rows = [
        { value: 'a', offset: 0, bytes: 10 },
        { value: 'L', offset: 1, bytes: 500 },
        { value: 'b', offset: 2, bytes: 60 },
        { value: 'c', offset: 3, bytes: 40 },
      ];
      const { records$ } = pumping(kafka, log(rows), [kafka.lane()]);
      const share$ = records$.pipe(share());
      const unsub = ' ---------------!';
      const values = '-a--L--(bc)';
      const done = '  ----a--L--(bc)';

      const done$ = share$.pipe(delay(3), commit(), map(valueOf));
      expectObservable(share$.pipe(map(valueOf)), unsub).toBe(values);
      expectObservable(done$, unsub).toBe(done);
    }),
  );

  it(
    'emits what an earlier epoch has not finished, and nothing of a partition that is not its own',
    inVirtualTime(({ expectObservable }) => {
      const kafka = source();
      const lanes = [kafka.lane({ frontier: 1, runs: [2, 3] }), kafka.lane({ partition: 1 })];
      const rows = [...rowsOf('abcd'), { value: 'x', offset: 0, partition: 1 }, { value: 'z', offset: 0, partition: 2 }];
      const { values$ } = pumping(kafka, log(rows), lanes);
      const unsub = ' -------!';
      const values = '-(bdx)--';

      expectObservable(values$, unsub).toBe(values);
    }),
  );

  it(
    'emits nothing of a lane that has stopped, not even the rest of the batch',
    inVirtualTime(({ expectObservable }) => {
      const kafka = source();
      const [left, right] = [kafka.lane(), kafka.lane({ partition: 1 })];
      const rows = [
        ...rowsOf('ab'),
        { value: 'x', offset: 0, partition: 1 },
        { value: 'c', offset: 2 },
        { value: 'y', offset: 1, partition: 1 },
      ];
      const { values$ } = pumping(kafka, log(rows), [left, right]);
      const unsub = ' -------!';
      const values = '-(abxy)-';

      const stopping$ = values$.pipe(
        tap((value) => {
          if (value === 'b') left.stop();
        }),
      );
      expectObservable(stopping$, unsub).toBe(values);
    }),
  );

  it(
    'drained, emits no more and goes on sipping until it is stopped',
    inVirtualTime(({ expectObservable, flush }) => {
      const kafka = source({ maxRecords: 2 });
      const lane = kafka.lane();
      const reader = log(rowsOf('abcdef'));
      const { pump, values$ } = pumping(kafka, reader, [lane]);
      const unsub = ' 800ms                        !';
      const values = '-(ab)';

      at(4, () => {
        lane.stop();
        pump.drain();
      });
      expectObservable(values$, unsub).toBe(values);
      flush();
      expect(reader.readAt.length).toBeGreaterThan(3);
      expect(longestWait(reader.readAt, 800)).toBeLessThan(500);
    }),
  );

  it(
    'stopped, reads no more, and what a read in flight brings goes to nobody',
    inVirtualTime(({ expectObservable, flush }) => {
      const kafka = source();
      const lane = kafka.lane();
      const reader = log(rowsOf('abc'), { readMs: () => 5 });
      const { values$ } = pumping(kafka, reader, [lane]);
      const unsub = ' --!';
      const values = '-------';
      const reads = ' x';

      expectObservable(reader.reads$).toBe(reads, { x: '100' });
      expectObservable(values$, unsub).toBe(values);
      flush();
      expect([lane.top, kafka.demand.records]).toEqual([0, 0]);
    }),
  );

  it(
    'hands on what a read has met in place of records, and reads on',
    inVirtualTime(({ expectObservable, flush }) => {
      const kafka = source();
      const reader = log(rowsOf('a'));
      const { values$, errors } = pumping(kafka, reader, [kafka.lane()]);
      const unsub = ' -----!';
      const values = '--a';

      reader.failNext({ code: -195, message: 'transport' });
      expectObservable(values$, unsub).toBe(values);
      flush();
      expect(errors).toEqual([{ code: -195, message: 'transport' }]);
    }),
  );

  it(
    'emits the records that came before an error, and then hands it on',
    inVirtualTime(({ expectObservable, flush }) => {
      const kafka = source();
      const reader = log(rowsOf('ab'));
      const { values$, errors } = pumping(kafka, reader, [kafka.lane()]);
      const unsub = ' -----!';
      const values = '-(ab)';
      const before: number[] = [];

      reader.endNext({ code: -195, message: 'transport' });
      expectObservable(values$.pipe(tap(() => before.push(errors.length))), unsub).toBe(values);
      flush();
      expect(before).toEqual([0, 0]);
      expect(errors).toEqual([{ code: -195, message: 'transport' }]);
      // And reads on.
      expect(reader.readAt).toEqual([0, 1]);
    }),
  );

  it(
    'does not hand on an error to whoever has left at a record before it',
    inVirtualTime(({ expectObservable, flush }) => {
      const kafka = source();
      const reader = log(rowsOf('ab'));
      const { values$, errors } = pumping(kafka, reader, [kafka.lane()]);
      const values = '-(a|)';

      reader.endNext({ code: -195, message: 'transport' });
      expectObservable(values$.pipe(take(1))).toBe(values);
      flush();
      expect(errors).toEqual([]);
    }),
  );

  it(
    'tells when the read in flight has been dealt with, and at once when there is none',
    inVirtualTime(({ expectObservable, flush }) => {
      const kafka = source({ maxRecords: 2 });
      const { pump, values$ } = pumping(kafka, log(rowsOf('ab'), { readMs: () => 4 }), [kafka.lane()]);
      const unsub = ' ---------!';
      const values = '----(ab)';
      const seen: string[] = [];

      for (const ms of [2, 6]) {
        at(ms, () => {
          pump.afterRead(() => seen.push(`asked at ${ms}, told at ${asyncScheduler.now()} with ${kafka.demand.records} out`));
        });
      }
      expectObservable(values$, unsub).toBe(values);
      flush();
      expect(seen).toEqual(['asked at 2, told at 4 with 2 out', 'asked at 6, told at 6 with 2 out']);
    }),
  );

  it(
    'asks for fewer records when they are large, so that a batch stays small',
    inVirtualTime(({ expectObservable }) => {
      const kafka = source({ maxRecords: 1_000 });
      const reader = log([{ value: 'a', offset: 0, bytes: MIB }]);
      const { values$ } = pumping(kafka, reader, [kafka.lane()]);
      const unsub = ' ---!';
      const values = '-a';
      const reads = ' xy';

      expectObservable(reader.reads$).toBe(reads, { x: '1000', y: '4' });
      expectObservable(values$, unsub).toBe(values);
    }),
  );

  it(
    'puts a batch that is finished while it is emitted into one write',
    inVirtualTime(({ expectObservable, flush }) => {
      const kafka = source();
      const { records$ } = pumping(kafka, log(rowsOf('abc')), [kafka.lane()]);
      const unsub = ' -------!';
      const values = '-(abc)-';
      const onDisk = '-3';

      expectObservable(records$.pipe(commit(), map(valueOf)), unsub).toBe(values);
      expectObservable(kafka.onDisk$).toBe(onDisk);
      flush();
      expect(kafka.writes).toHaveLength(1);
    }),
  );

  it(
    'goes on polling while credits come back bit by bit, but too few for the next record',
    inVirtualTime(({ flush }) => {
      const kafka = source({ maxBytes: 1_000 });
      const lane = kafka.lane();
      const small = Array.from({ length: 50 }, (_, offset) => ({ value: 's', offset, bytes: 20 }));
      const reader = log([...small, { value: 'L', offset: 50, bytes: 1_000 }]);
      collect(pumping(kafka, reader, [lane]).records$, 5_000);
      for (const { offset } of small) {
        at(100 * (offset + 1), () => {
          lane.finish(offset);
        });
      }
      flush();
      expect(longestWait(reader.readAt, 5_000)).toBeLessThan(1_000);
    }),
  );

  it(
    'drained, goes on polling while the work in flight is finished bit by bit',
    inVirtualTime(({ flush }) => {
      const kafka = source();
      const lane = kafka.lane();
      const reader = log(Array.from({ length: 50 }, (_, offset) => ({ value: 'r', offset })));
      const { pump, records$ } = pumping(kafka, reader, [lane]);
      collect(records$, 5_000);
      at(50, () => {
        lane.stop();
        pump.drain();
      });
      for (let offset = 0; offset < 50; offset += 1) {
        at(100 * (offset + 1), () => {
          lane.finish(offset);
        });
      }
      flush();
      expect(longestWait(reader.readAt, 5_000)).toBeLessThan(1_000);
    }),
  );

  it(
    'lets no pace of commit hold the source back when the next record does not fit into the bytes that are left',
    inVirtualTime(({ flush }) => {
      const kafka = source({ maxBytes: 100 });
      const { records$ } = pumping(kafka, log(rowsOf('abcd', 60)), [kafka.lane()]);
      const emitted = collect(records$.pipe(commit({ everyMs: 60_000 })), 5_000);
      flush();
      expect(emitted).toHaveLength(4);
    }),
  );
});

/** In the order in which they happen. */
function readsAndValues({ reads$ }: ReturnType<typeof log>, values$: Observable<string>): readonly string[] {
  return collect(merge(reads$.pipe(map(() => ' read ')), values$), 140);
}

function valueOf({ value }: KafkaRecord): string {
  return String(value);
}

/** The longest time without a new read. */
function longestWait(readAt: readonly number[], until: number): number {
  return Math.max(...readAt.map((ms, i) => (readAt[i + 1] ?? until) - ms));
}
