import type { MonoTypeOperatorFunction } from 'rxjs';
import { bufferCount, delay, filter, from, map, merge, mergeMap, of, take, throwError, toArray } from 'rxjs';
import { describe, expect, it } from 'vitest';
import { OptionError } from '../../src/errors.js';
import { commit } from '../../src/operators/commit.js';
import type { KafkaRecord } from '../../src/record.js';
import { emittedBy, recordsOf, shown, source } from '../support/source.js';
import { unhandledErrorsOf } from '../support/unhandled.js';
import { at, inVirtualTime } from '../support/virtualTime.js';

/** Works on records side by side, each as long as `ms` says. */
function workFor(ms: Readonly<Record<string, number>>): MonoTypeOperatorFunction<KafkaRecord<string>> {
  return mergeMap((record) => of(record).pipe(delay(ms[record.value] ?? 0)));
}

describe('commit', () => {
  // @diagram
  it(
    'passes values on at once, and completes when the last one is on disk',
    inVirtualTime(({ cold, hot, expectObservable, expectSubscriptions }) => {
      const write$ = cold<never>('---|');
      const kafka = source({ write: () => write$ });
      const records = recordsOf(kafka.lane());
      const values$ = hot('       --a--b-----c--|', records);
      const subs = '              ^-------------!';
      const result = '            --a--b-----c--|';
      const onDisk = '            -----1--2-----3';
      const firstWrite = '        --^--!';
      const secondWrite = '       -----^--!';
      const thirdWrite = '        -----------^--!';

      expectObservable(values$.pipe(emittedBy(kafka), commit())).toBe(result, records);
      expectObservable(kafka.onDisk$).toBe(onDisk);
      expectSubscriptions(values$.subscriptions).toBe(subs);
      expectSubscriptions(write$.subscriptions).toBe([firstWrite, secondWrite, thirdWrite]);
    }),
  );

  it(
    'waits for the last write when the source is faster than the disk',
    inVirtualTime(({ cold, hot, expectObservable, expectSubscriptions }) => {
      const write$ = cold<never>('-----|');
      const kafka = source({ write: () => write$ });
      const records = recordsOf(kafka.lane());
      const values$ = hot('       --ab|', records);
      const subs = '              ^---!';
      const result = '            --ab--------|';
      const onDisk = '            -------1----2';
      const firstWrite = '        --^----!';
      const secondWrite = '       -------^----!';

      expectObservable(values$.pipe(emittedBy(kafka), commit())).toBe(result, records);
      expectObservable(kafka.onDisk$).toBe(onDisk);
      expectSubscriptions(values$.subscriptions).toBe(subs);
      expectSubscriptions(write$.subscriptions).toBe([firstWrite, secondWrite]);
    }),
  );

  it(
    "with emit: 'durable' lets a value through once it is on disk, and not before",
    inVirtualTime(({ cold, hot, expectObservable, expectSubscriptions }) => {
      const write$ = cold<never>('---|');
      const kafka = source({ write: () => write$ });
      const records = recordsOf(kafka.lane());
      const values$ = hot('       --a--b-----c--|', records);
      const subs = '              ^-------------!';
      const result = '            -----a--b-----(c|)';
      const onDisk = '            -----1--2-----3';
      const firstWrite = '        --^--!';
      const secondWrite = '       -----^--!';
      const thirdWrite = '        -----------^--!';

      expectObservable(values$.pipe(emittedBy(kafka), commit({ emit: 'durable' }))).toBe(result, records);
      expectObservable(kafka.onDisk$).toBe(onDisk);
      expectSubscriptions(values$.subscriptions).toBe(subs);
      expectSubscriptions(write$.subscriptions).toBe([firstWrite, secondWrite, thirdWrite]);
    }),
  );

  it(
    "with emit: 'durable' lets out together, and in order, what one write has made durable",
    inVirtualTime(({ cold, hot, expectObservable, expectSubscriptions }) => {
      const write$ = cold<never>('----|');
      const kafka = source({ write: () => write$ });
      const records = recordsOf(kafka.lane());
      const values$ = hot('       --abc|', records);
      const subs = '              ^----!';
      const result = '            ------a---(bc|)';
      const onDisk = '            ------1---3';
      const firstWrite = '        --^---!';
      const secondWrite = '       ------^---!';

      expectObservable(values$.pipe(emittedBy(kafka), commit({ emit: 'durable' }))).toBe(result, records);
      expectObservable(kafka.onDisk$).toBe(onDisk);
      expectSubscriptions(values$.subscriptions).toBe(subs);
      expectSubscriptions(write$.subscriptions).toBe([firstWrite, secondWrite]);
    }),
  );

  it(
    'errors when a write fails, leaves its source, and writes nothing more',
    inVirtualTime(({ cold, hot, expectObservable, expectSubscriptions, flush }) => {
      const write$ = cold<never>('---#', {}, new Error('disk full'));
      const kafka = source({ write: () => write$ });
      const records = recordsOf(kafka.lane());
      const values$ = hot('       --a-b--c--|', records);
      const subs = '              ^----!';
      const result = '            --a-b#';
      const writes = '            --^--!';

      expectObservable(values$.pipe(emittedBy(kafka), commit())).toBe(result, records, new Error('disk full'));
      expectSubscriptions(values$.subscriptions).toBe(subs);
      expectSubscriptions(write$.subscriptions).toBe(writes);
      flush();
      expect(kafka.failures).toEqual([new Error('disk full')]);
    }),
  );

  it(
    "with emit: 'durable' holds back the value whose write fails",
    inVirtualTime(({ cold, hot, expectObservable, expectSubscriptions }) => {
      const write$ = cold<never>('---#', {}, new Error('disk full'));
      const kafka = source({ write: () => write$ });
      const records = recordsOf(kafka.lane());
      const values$ = hot('       --a-b--c--|', records);
      const subs = '              ^----!';
      const result = '            -----#';

      expectObservable(values$.pipe(emittedBy(kafka), commit({ emit: 'durable' }))).toBe(result, records, new Error('disk full'));
      expectSubscriptions(values$.subscriptions).toBe(subs);
    }),
  );

  it(
    'errors with the store even when the write fails after the source has completed',
    inVirtualTime(({ cold, hot, expectObservable, expectSubscriptions }) => {
      const write$ = cold<never>('-----#', {}, new Error('disk full'));
      const kafka = source({ write: () => write$ });
      const records = recordsOf(kafka.lane());
      const values$ = hot('       --a|', records);
      const subs = '              ^--!';
      const result = '            --a----#';

      expectObservable(values$.pipe(emittedBy(kafka), commit())).toBe(result, records, new Error('disk full'));
      expectSubscriptions(values$.subscriptions).toBe(subs);
    }),
  );

  it(
    'passes an error of the work above it on, and leaves that record unfinished',
    inVirtualTime(({ cold, hot, expectObservable, expectSubscriptions, flush }) => {
      const write$ = cold<never>('---|');
      const kafka = source({ write: () => write$ });
      const lane = kafka.lane();
      const records = recordsOf(lane);
      const values$ = hot('       --a--b--c--|', records);
      const subs = '              ^----!';
      const result = '            --a--#';
      const onDisk = '            -----1';

      const charged$ = values$.pipe(
        emittedBy(kafka),
        mergeMap((record) => (record.value === 'b' ? throwError(() => new Error('declined')) : of(record))),
        commit(),
      );
      expectObservable(charged$).toBe(result, records, new Error('declined'));
      expectObservable(kafka.onDisk$).toBe(onDisk);
      expectSubscriptions(values$.subscriptions).toBe(subs);
      flush();
      expect(lane.records).toBe(1);
      expect(lane.checkpoint().frontier).toBe(1);
    }),
  );

  it(
    'remembers exactly what is finished, in whatever order the work finished',
    inVirtualTime(({ cold, hot, expectObservable, expectSubscriptions }) => {
      const write$ = cold<never>('-|');
      const kafka = source({ write: () => write$ });
      const records = recordsOf(kafka.lane());
      const values$ = hot('       -abc------|', records);
      const subs = '              ^---------!';
      const result = '            ---b-a-c--|';
      const onDisk = '            ----x-2-3';

      expectObservable(values$.pipe(emittedBy(kafka), workFor({ a: 4, b: 1, c: 4 }), commit())).toBe(result, records);
      expectObservable(kafka.onDisk$).toBe(onDisk, { x: '0 [1,2)', 2: '2', 3: '3' });
      expectSubscriptions(values$.subscriptions).toBe(subs);
    }),
  );

  it(
    'does not take a record that a stock operator dropped for finished',
    inVirtualTime(({ hot, expectObservable, expectSubscriptions, flush }) => {
      const kafka = source();
      const lane = kafka.lane();
      const records = recordsOf(lane);
      const values$ = hot('--a--b--c--|', records);
      const subs = '       ^----------!';
      const result = '     --a-----c--|';
      const onDisk = '     --1-----x';

      expectObservable(
        values$.pipe(
          emittedBy(kafka),
          filter(({ value }) => value !== 'b'),
          commit(),
        ),
      ).toBe(result, records);
      expectObservable(kafka.onDisk$).toBe(onDisk, { 1: '1', x: '1 [2,3)' });
      expectSubscriptions(values$.subscriptions).toBe(subs);
      flush();
      expect(lane.records).toBe(1);
    }),
  );

  it(
    'with ordered: true finishes everything before a record that arrives, and gives its credits back',
    inVirtualTime(({ hot, expectObservable, expectSubscriptions, flush }) => {
      const kafka = source();
      const records = recordsOf(kafka.lane());
      const values$ = hot('--a--b--c--d--|', records);
      const subs = '       ^-------------!';
      const result = '     --a-----c-----|';
      const onDisk = '     --1-----3';
      const out = '        --0-----0';

      expectObservable(
        values$.pipe(
          emittedBy(kafka),
          filter(({ value }) => value === 'a' || value === 'c'),
          commit({ ordered: true }),
        ),
      ).toBe(result, records);
      expectObservable(kafka.onDisk$).toBe(onDisk);
      expectObservable(kafka.relief$).toBe(out);
      expectSubscriptions(values$.subscriptions).toBe(subs);
      flush();
      expect(kafka.demand.records).toBe(1);
    }),
  );

  it(
    'with ordered: true keeps each partition to itself',
    inVirtualTime(({ hot, expectObservable, expectSubscriptions }) => {
      const kafka = source();
      const records = { ...recordsOf(kafka.lane(), 'abc'), ...recordsOf(kafka.lane({ partition: 1 }), 'xy') };
      const values$ = hot('--a--x--b--y--|', records);
      const subs = '       ^-------------!';
      const result = '     --------b--y--|';
      const onDisk = '     --------2--z';

      expectObservable(
        values$.pipe(
          emittedBy(kafka),
          filter(({ value }) => 'by'.includes(value)),
          commit({ ordered: true }),
        ),
      ).toBe(result, records);
      expectObservable(kafka.onDisk$).toBe(onDisk, { 2: '2', z: '1:2' });
      expectSubscriptions(values$.subscriptions).toBe(subs);
    }),
  );

  it(
    'finishes all records of an array, and none before the array has come',
    inVirtualTime(({ hot, expectObservable, expectSubscriptions }) => {
      const kafka = source();
      const records = recordsOf(kafka.lane());
      const { a, b, c } = records;
      const values$ = hot('--a--b--c--|', records);
      const subs = '       ^----------!';
      const result = '     -----x-----y|';
      const onDisk = '     ------2-----3';

      expectObservable(values$.pipe(emittedBy(kafka), bufferCount(2), commit({ everyMs: 1 }))).toBe(result, { x: [a, b], y: [c] });
      expectObservable(kafka.onDisk$).toBe(onDisk);
      expectSubscriptions(values$.subscriptions).toBe(subs);
    }),
  );

  it(
    'lets empty arrays through in their place',
    inVirtualTime(({ cold, hot, expectObservable, expectSubscriptions }) => {
      const write$ = cold<never>('----|');
      const kafka = source({ write: () => write$ });
      const { a } = recordsOf(kafka.lane());
      const values$ = hot('       --a-o-----|', { a: [a as KafkaRecord<string>], o: [] });
      const subs = '              ^---------!';
      const result = '            ------(ao)|';

      const emitted$ = values$.pipe(
        mergeMap((array) => of(...array).pipe(emittedBy(kafka), toArray())),
        commit({ emit: 'durable' }),
      );
      expectObservable(emitted$).toBe(result, { a: [a], o: [] });
      expectSubscriptions(values$.subscriptions).toBe(subs);
    }),
  );

  it(
    'writes partitions that are finished together in one write',
    inVirtualTime(({ cold, hot, expectObservable, expectSubscriptions }) => {
      const write$ = cold<never>('---|');
      const kafka = source({ write: () => write$ });
      const records = { ...recordsOf(kafka.lane(), 'ab'), ...recordsOf(kafka.lane({ partition: 1 }), 'xy') };
      const values$ = hot('       -axby----|', records);
      const subs = '              ^--------!';
      const result = '            -axby----|';
      const onDisk = '            ----p--q';

      expectObservable(values$.pipe(emittedBy(kafka), commit())).toBe(result, records);
      expectObservable(kafka.onDisk$).toBe(onDisk, { p: '1', q: '1:2 2' });
      expectSubscriptions(values$.subscriptions).toBe(subs);
    }),
  );

  it(
    'keeps a word with the checkpoint',
    inVirtualTime(({ hot, expectObservable, expectSubscriptions }) => {
      const kafka = source();
      const records = recordsOf(kafka.lane({ metadata: 'earlier' }));
      const values$ = hot('--a--b--|', records);
      const subs = '       ^-------!';
      const result = '     --a--b--|';
      const onDisk = '     --x--y';

      expectObservable(values$.pipe(emittedBy(kafka), commit({ metadata: 'v7' }))).toBe(result, records);
      expectObservable(kafka.onDisk$).toBe(onDisk, { x: '1 v7', y: '2 v7' });
      expectSubscriptions(values$.subscriptions).toBe(subs);
    }),
  );

  it(
    'makes the word of the checkpoint from the value that was finished',
    inVirtualTime(({ hot, expectObservable, expectSubscriptions }) => {
      const kafka = source();
      const records = recordsOf(kafka.lane());
      const values$ = hot('--a--b--|', records);
      const subs = '       ^-------!';
      const result = '     --a--b--|';
      const onDisk = '     --x--y';

      expectObservable(values$.pipe(emittedBy(kafka), commit({ metadata: ({ value }) => `at ${value}` }))).toBe(result, records);
      expectObservable(kafka.onDisk$).toBe(onDisk, { x: '1 at a', y: '2 at b' });
      expectSubscriptions(values$.subscriptions).toBe(subs);
    }),
  );

  it(
    'without a word of its own keeps the word that was there before',
    inVirtualTime(({ hot, expectObservable, expectSubscriptions }) => {
      const kafka = source();
      const records = recordsOf(kafka.lane({ metadata: 'earlier' }));
      const values$ = hot('--a--|', records);
      const subs = '       ^----!';
      const result = '     --a--|';
      const onDisk = '     --x';

      expectObservable(values$.pipe(emittedBy(kafka), commit())).toBe(result, records);
      expectObservable(kafka.onDisk$).toBe(onDisk, { x: '1 earlier' });
      expectSubscriptions(values$.subscriptions).toBe(subs);
    }),
  );

  it(
    'finishes a record when the downstream has returned, not before',
    inVirtualTime(({ hot, expectObservable, expectSubscriptions }) => {
      const kafka = source();
      const lane = kafka.lane();
      const records = recordsOf(lane);
      const values$ = hot('--a--b--|', records);
      const subs = '       ^-------!';
      const openBelow = '  --1--1--|';

      const open$ = values$.pipe(
        emittedBy(kafka),
        commit(),
        map(() => String(lane.records)),
      );
      expectObservable(open$).toBe(openBelow);
      expectSubscriptions(values$.subscriptions).toBe(subs);
    }),
  );

  it(
    'finishes the value whose arrival ends the stream',
    inVirtualTime(({ hot, expectObservable, expectSubscriptions, flush }) => {
      const kafka = source();
      const lane = kafka.lane();
      const records = recordsOf(lane);
      const values$ = hot('--a--b--|', records);
      const subs = '       ^-!';
      const result = '     --(a|)';
      const onDisk = '     --1';

      expectObservable(values$.pipe(emittedBy(kafka), commit(), take(1))).toBe(result, records);
      expectObservable(kafka.onDisk$).toBe(onDisk);
      expectSubscriptions(values$.subscriptions).toBe(subs);
      flush();
      expect(kafka.abandoned()).toBe(1);
    }),
  );

  it('counts what the final subscriber throws neither as its own error nor as unfinished work', () => {
    unhandledErrorsOf((unhandled) => {
      const thrown: unknown[] = [];
      inVirtualTime(({ hot, expectObservable, expectSubscriptions, flush }) => {
        const kafka = source();
        const records = recordsOf(kafka.lane());
        const values$ = hot('--a--b--|', records);
        const subs = '       ^-------!';
        const onDisk = '     --1--2';

        values$.pipe(emittedBy(kafka), commit()).subscribe({
          next: ({ value }) => {
            throw new Error(`no place for ${value}`);
          },
          error: (error: unknown) => thrown.push(error),
        });
        expectObservable(kafka.onDisk$).toBe(onDisk);
        expectSubscriptions(values$.subscriptions).toBe(subs);
        flush();
        expect(unhandled).toEqual([new Error('no place for a'), new Error('no place for b')]);
        expect(thrown).toEqual([]);
      })();
    });
  });

  it(
    'leaves source and journal when it is unsubscribed, and emits nothing more',
    inVirtualTime(({ cold, hot, expectObservable, expectSubscriptions, flush }) => {
      const write$ = cold<never>('----|');
      const kafka = source({ write: () => write$ });
      const records = recordsOf(kafka.lane());
      const values$ = hot('       --a--b--c--|', records);
      const unsub = '             ----!';
      const subs = '              ^---!';
      const result = '            -----';
      const writes = '            --^---!';

      expectObservable(values$.pipe(emittedBy(kafka), commit({ emit: 'durable' })), unsub).toBe(result, records);
      expectSubscriptions(values$.subscriptions).toBe(subs);
      expectSubscriptions(write$.subscriptions).toBe(writes);
      flush();
      expect(kafka.checkpointer.operators).toBe('gone');
      expect(kafka.abandoned()).toBe(1);
    }),
  );

  it(
    'says that it is there before the first value goes on, and that it is gone after the end',
    inVirtualTime(({ hot, expectObservable, expectSubscriptions, flush }) => {
      const kafka = source();
      const records = recordsOf(kafka.lane());
      const values$ = hot('--a--|', records);
      const subs = '       ^----!';
      const result = '     --x--|';
      expect(kafka.checkpointer.operators).toBe('none');

      const operators$ = values$.pipe(
        emittedBy(kafka),
        commit(),
        map(() => kafka.checkpointer.operators),
      );
      expectObservable(operators$).toBe(result, { x: 'there' });
      expectSubscriptions(values$.subscriptions).toBe(subs);
      flush();
      expect(kafka.checkpointer.operators).toBe('gone');
    }),
  );

  it(
    'passes on, and does not remember, what comes after the partition was taken away',
    inVirtualTime(({ hot, expectObservable, expectSubscriptions, flush }) => {
      const kafka = source();
      const lane = kafka.lane();
      const records = recordsOf(lane);
      const values$ = hot('-ab----|', records);
      const subs = '       ^------!';
      const result = '     --b-a--|';
      const onDisk = '     --x';

      expectObservable(values$.pipe(emittedBy(kafka), workFor({ a: 3 }), commit())).toBe(result, records);
      at(3, () => {
        lane.fence();
      });
      expectObservable(kafka.onDisk$).toBe(onDisk, { x: '0 [1,2)' });
      expectSubscriptions(values$.subscriptions).toBe(subs);
      flush();
      expect(kafka.late).toEqual([lane]);
    }),
  );

  it(
    'takes records of several sources, and completes when the slowest disk has them',
    inVirtualTime(({ cold, hot, expectObservable, expectSubscriptions }) => {
      const fastWrite$ = cold<never>('-|');
      const slowWrite$ = cold<never>('------|');
      const fast = source({ write: () => fastWrite$ });
      const slow = source({ write: () => slowWrite$ });
      const records = { ...recordsOf(fast.lane(), 'ab'), ...recordsOf(slow.lane(), 'xy') };
      const fastValues$ = hot('       --a-----|', records);
      const slowValues$ = hot('       -----x-|', records);
      const fastSubs = '              ^-------!';
      const slowSubs = '              ^------!';
      const fastWrite = '             --^!';
      const slowWrite = '             -----^-----!';
      const result = '                --a--x-----|';

      const both$ = merge(fastValues$.pipe(emittedBy(fast)), slowValues$.pipe(emittedBy(slow)));
      expectObservable(both$.pipe(commit())).toBe(result, records);
      expectSubscriptions(fastValues$.subscriptions).toBe(fastSubs);
      expectSubscriptions(slowValues$.subscriptions).toBe(slowSubs);
      expectSubscriptions(fastWrite$.subscriptions).toBe(fastWrite);
      expectSubscriptions(slowWrite$.subscriptions).toBe(slowWrite);
    }),
  );

  it(
    'passes on the very value that came, not a copy',
    inVirtualTime(({ hot, expectObservable, expectSubscriptions }) => {
      const kafka = source();
      const records = recordsOf(kafka.lane());
      const values$ = hot('--a--|', records);
      const subs = '       ^----!';
      const result = '     --x--|';

      const same$ = values$.pipe(
        emittedBy(kafka),
        commit(),
        map((record) => record === records['a']),
      );
      expectObservable(same$).toBe(result, { x: true });
      expectSubscriptions(values$.subscriptions).toBe(subs);
    }),
  );

  it(
    "with emit: 'durable' lets an array out once all of it is on disk, whichever sources it came from",
    inVirtualTime(({ cold, hot, expectObservable, expectSubscriptions }) => {
      const slowWrite$ = cold<never>('-----|');
      const fastWrite$ = cold<never>('-|');
      const slow = source({ write: () => slowWrite$ });
      const fast = source({ write: () => fastWrite$ });
      const records = { ...recordsOf(slow.lane(), 'a'), ...recordsOf(fast.lane(), 'x') };
      const slows$ = hot('            --a|', records);
      const fasts$ = hot('            ---x|', records);
      const subs = '                  ^---!';
      const result = '                --------(b|)';

      const batches$ = merge(slows$.pipe(emittedBy(slow)), fasts$.pipe(emittedBy(fast))).pipe(bufferCount(2));
      expectObservable(batches$.pipe(commit({ emit: 'durable' }))).toBe(result, { b: [records['a'], records['x']] });
      expectSubscriptions(fasts$.subscriptions).toBe(subs);
    }),
  );

  it(
    "with emit: 'durable' never lets a value out that was not remembered because its partition was taken away",
    inVirtualTime(({ cold, hot, expectObservable, expectSubscriptions }) => {
      const write$ = cold<never>('----|');
      const kafka = source({ write: () => write$ });
      const lost = kafka.lane({ partition: 1 });
      const records = { ...recordsOf(kafka.lane(), 'a'), ...recordsOf(lost, 'x') };
      const values$ = hot('       -ax------|', records);
      const subs = '              ^--------!';
      const result = '            -----a---|';
      const onDisk = '            -----1';

      at(3, () => {
        lost.fence();
      });
      expectObservable(values$.pipe(emittedBy(kafka), commit({ emit: 'durable' }))).toBe(result, records);
      expectObservable(kafka.onDisk$).toBe(onDisk);
      expectSubscriptions(values$.subscriptions).toBe(subs);
    }),
  );

  it(
    'finishes nothing that a source emits after the downstream has had enough, even if it emits all at once',
    inVirtualTime(({ flush }) => {
      const kafka = source();
      const records = Object.values(recordsOf(kafka.lane(), 'abc'));
      from(records)
        .pipe(emittedBy(kafka))
        .subscribe({ error: () => undefined }); // All three are open.
      from(records)
        .pipe(commit(), take(1))
        .subscribe({ error: () => undefined });
      flush();
      expect(kafka.writes.flat().map(shown)).toEqual(['1']);
    }),
  );

  it('refuses a misspelt or wrong option at once', () => {
    expect(() => commit({ order: true } as object)).toThrow(OptionError);
    expect(() => commit({ emit: 'later' as 'durable' })).toThrow(/emit/);
    expect(() => commit({ everyMs: -1 })).toThrow(/everyMs/);
  });
});
