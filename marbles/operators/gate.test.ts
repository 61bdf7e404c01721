import type { OperatorFunction } from 'rxjs';
import { BehaviorSubject, EMPTY, NEVER, Subject, asyncScheduler, bufferCount, map, of, tap } from 'rxjs';
import { describe, expect, it } from 'vitest';
import { OptionError } from '../../src/errors.js';
import { commit } from '../../src/operators/commit.js';
import { gate } from '../../src/operators/gate.js';
import type { KafkaRecord } from '../../src/record.js';
import { log } from '../support/log.js';
import { pumping } from '../support/pumping.js';
import { recordsOf, source } from '../support/source.js';
import { at, inVirtualTime } from '../support/virtualTime.js';

const words = { t: true, f: false };

function values<T>(): OperatorFunction<KafkaRecord<T>, T> {
  return map(({ value }) => value);
}

describe('gate', () => {
  // @diagram
  it(
    'keeps values back while it is shut, and lets them go in their order when it opens',
    inVirtualTime(({ hot, expectObservable, expectSubscriptions }) => {
      const open$ = hot('  t--f-----t--------', words);
      const values$ = hot('-a---b-c-----d---|', recordsOf(source().lane()));
      const result = '     -a-------(bc)d---|';

      expectObservable(values$.pipe(gate(open$), values())).toBe(result);
      expectSubscriptions(open$.subscriptions).toBe(' ^----------------!');
      expectSubscriptions(values$.subscriptions).toBe('^----------------!');
    }),
  );

  it(
    'is shut until it is said to be open, and completes when all that it keeps has gone on',
    inVirtualTime(({ hot, expectObservable }) => {
      const open$ = hot('  -------t-', words);
      const values$ = hot('-ab--|', recordsOf(source().lane()));
      const nothing$ = hot<KafkaRecord>('-----|');
      expectObservable(values$.pipe(gate(open$), values())).toBe('-------(ab|)');
      expectObservable(nothing$.pipe(gate<KafkaRecord>(NEVER))).toBe('-----|');
      expectObservable(hot('-ab--|', recordsOf(source().lane())).pipe(gate([true]), values())).toBe('-ab--|');
    }),
  );

  it(
    'keeps no more than the source may have in flight, and makes it neither fail nor leave its group',
    inVirtualTime(({ flush }) => {
      const kafka = source({ maxRecords: 100 });
      const lane = kafka.lane();
      const reader = log(Array.from({ length: 1_000 }, (_, offset) => ({ value: '.', offset })));
      const stalls: number[] = [];
      const { records$, pump } = pumping(kafka, reader, [lane], { stallAfterMs: 60_000, onStall: () => stalls.push(asyncScheduler.now()) });
      const open$ = new BehaviorSubject(false);
      const seen: [opened: boolean, out: number][] = [];
      const look = (): void => {
        seen.push([open$.value, lane.records]);
      };
      at(1_000_000, look);
      at(1_000_001, () => {
        open$.next(true);
      });
      at(1_500_000, () => {
        look();
        pump.stop();
      });
      records$.pipe(gate(open$), commit()).subscribe();
      flush();
      expect(seen).toEqual([
        [false, 100],
        [true, 0],
      ]);
      expect(lane.checkpoint().frontier).toBe(1_000);
      expect(stalls).toEqual([]);
      // It polled all the time, as a member has to.
      const gaps = reader.readAt.slice(1).map((ms, i) => ms - (reader.readAt[i] as number));
      expect(Math.max(...gaps)).toBeLessThan(1_000);
    }),
  );

  it(
    'is a stall when nobody can open it any more, or when it keeps nothing',
    inVirtualTime(({ flush }) => {
      for (const open$ of [of(false), of(true)]) {
        const kafka = source({ maxRecords: 3 });
        const stalls: number[] = [];
        const { records$, pump } = pumping(kafka, log([0, 1, 2, 3].map((offset) => ({ value: '.', offset }))), [kafka.lane()], {
          stallAfterMs: 5_000,
          onStall: () => {
            stalls.push(asyncScheduler.now());
            pump.stop();
          },
        });
        records$.pipe(gate(open$)).subscribe();
        flush();
        expect(stalls).toHaveLength(1);
      }
    }),
  );

  it(
    'stops in the middle of what it lets go when it is shut meanwhile',
    inVirtualTime(({ hot, expectObservable }) => {
      const open$ = new BehaviorSubject(false);
      const values$ = hot('-abc--|', recordsOf(source().lane()));
      at(4, () => {
        open$.next(true);
      });
      at(8, () => {
        open$.next(true);
      });
      const passed$ = values$.pipe(
        gate(open$),
        values(),
        tap((value) => {
          if (value === 'b') open$.next(false);
        }),
      );
      expectObservable(passed$).toBe('----(ab)(c|)');
    }),
  );

  it(
    'keeps the order when its downstream brings the next value about',
    inVirtualTime(({ expectObservable }) => {
      const source$ = new Subject<KafkaRecord<string>>();
      const [a, b, c, d] = Object.values(recordsOf(source().lane(), 'abcd')) as [
        KafkaRecord<string>,
        KafkaRecord<string>,
        KafkaRecord<string>,
        KafkaRecord<string>,
      ];
      const open$ = new Subject<boolean>();
      at(1, () => {
        source$.next(a);
        source$.next(b);
      });
      at(2, () => {
        open$.next(true);
      });
      const passed$ = source$.pipe(
        gate(open$),
        values(),
        tap((value) => {
          if (value === 'a') source$.next(c);
          if (value === 'c') source$.next(d);
        }),
      );
      expectObservable(passed$).toBe('--(abcd)');
    }),
  );

  it(
    'takes arrays, and counts their records',
    inVirtualTime(({ hot, expectObservable, flush }) => {
      const kafka = source();
      const values$ = hot('-abc|', recordsOf(kafka.lane()));
      const passed$ = values$.pipe(
        bufferCount(2),
        gate(hot('---------t', words)),
        map((all) => all.map(({ value }) => value).join('')),
      );
      expectObservable(passed$).toBe('---------(xc|)', { x: 'ab', c: 'c' });
      flush();
      expect(kafka.checkpointer.shut).toBe(false);
    }),
  );

  it(
    'says that it is shut only while it keeps something',
    inVirtualTime(({ hot, flush }) => {
      const kafka = source();
      const said: boolean[] = [];
      for (const ms of [1, 3, 6, 9, 12]) {
        at(ms, () => {
          said.push(kafka.checkpointer.shut);
        });
      }
      hot('--ab-------c-', recordsOf(kafka.lane()))
        .pipe(gate(hot('f---t---f----', words)))
        .subscribe();
      flush();
      expect(said).toEqual([false, true, false, false, true]);
    }),
  );

  it(
    'is never, empty and failed when its source is, and fails when what opens it does',
    inVirtualTime(({ hot, expectObservable, expectSubscriptions }) => {
      const failing$ = hot('-a-#', recordsOf(source().lane()), new Error('broker'));
      const broken$ = hot(' t-#', words, new Error('no health'));
      expectObservable(NEVER.pipe(gate<KafkaRecord>(of(true)))).toBe('-');
      expectObservable(EMPTY.pipe(gate<KafkaRecord>(of(true)))).toBe('|');
      expectObservable(failing$.pipe(gate(of(false)))).toBe('---#', {}, new Error('broker'));
      const values$ = hot('-a-b', recordsOf(source().lane()));
      expectObservable(values$.pipe(gate(broken$), values())).toBe('-a#', undefined, new Error('no health'));
      expectSubscriptions(values$.subscriptions).toBe('^-!');
      expectSubscriptions(failing$.subscriptions).toBe('^--!');
    }),
  );

  it(
    'leaves both when it is unsubscribed',
    inVirtualTime(({ hot, expectObservable, expectSubscriptions, flush }) => {
      const kafka = source();
      const open$ = hot('  t-f', words);
      const values$ = hot('-a-b-', recordsOf(kafka.lane()));
      const unsub = '      ----!';
      expectObservable(values$.pipe(gate(open$), values()), unsub).toBe('-a');
      expectSubscriptions(open$.subscriptions).toBe('^---!');
      expectSubscriptions(values$.subscriptions).toBe('^---!');
      flush();
      expect(kafka.checkpointer.shut).toBe(false);
    }),
  );

  it(
    'starts afresh with every subscription',
    inVirtualTime(({ cold, expectObservable }) => {
      const used = { twice: gate<KafkaRecord<string>>(cold('--t', words)) };
      const values$ = cold('-a-b|', recordsOf(source().lane()));
      expectObservable(values$.pipe(used.twice, values())).toBe('--ab|');
      expectObservable(values$.pipe(used.twice, values()), '--^').toBe('----ab|');
    }),
  );

  it(
    'refuses values without a position, and nothing in place of an Observable',
    inVirtualTime(({ hot, expectObservable }) => {
      expectObservable(hot('-a').pipe(gate(of(false)) as never)).toBe('-#', {}, expect.any(OptionError));
      expect(() => gate(undefined as never)).toThrow(OptionError);
    }),
  );
});
