import { describe, expect, it } from 'vitest';
import { commit } from '../src/operators/commit.js';
import { Parts } from '../src/parts.js';
import type { Lane } from '../src/position.js';
import type { KafkaRecord } from '../src/record.js';
import type { StateTransaction } from '../src/state.js';
import type { PartitionLane } from '../src/sources/lane.js';
import { recordAt, source } from './support/source.js';
import { inVirtualTime } from './support/virtualTime.js';

function opened(lane: PartitionLane, offset = lane.top): Parts {
  lane.open(offset, 10);
  return new Parts(lane, offset);
}

function valueOf(lane: Lane, value: string, offset = 0): KafkaRecord<string> {
  return recordAt(lane, offset, value);
}

describe('a record that became several values', () => {
  it('is finished when all of them are, and no more can come', () => {
    const lane = source().lane();
    const parts = opened(lane);
    const [one, two] = [parts.add(), parts.add()];
    one.finish(0);
    parts.complete();
    expect(lane.records).toBe(1);
    two.finish(0);
    expect(lane.records).toBe(0);
    expect(lane.checkpoint().frontier).toBe(1);
  });

  it('is not finished by one of them that is finished twice', () => {
    const lane = source().lane();
    const parts = opened(lane);
    const [one] = [parts.add(), parts.add()];
    one.finish(0);
    one.finish(0);
    one.finishThrough(0);
    parts.complete();
    expect(lane.records).toBe(1);
  });

  it('is finished at once if it became none', () => {
    const lane = source().lane();
    opened(lane).complete();
    expect(lane.records).toBe(0);
  });

  it('comes again as a whole if one of them is released', () => {
    const lane = source().lane();
    const parts = opened(lane);
    const [one, two] = [parts.add(), parts.add()];
    const applied: string[] = [];
    one.beforeFinish(() => applied.push('one'));
    one.finish(0);
    two.release(0);
    parts.complete();
    expect([lane.records, lane.checkpoint().frontier, applied]).toEqual([0, 0, []]);
  });

  it('can be one of several itself', () => {
    const lane = source().lane();
    const outer = opened(lane);
    const inner = new Parts(outer.add(), 0);
    const value = inner.add();
    const done: string[] = [];
    value.beforeFinish(() => done.push('before'));
    inner.complete();
    value.finish(0);
    expect([lane.records, value.ticket, value.whole === lane, done]).toEqual([1, Infinity, true, []]);
    outer.complete();
    expect([lane.records, value.ticket, done]).toEqual([0, 1, ['before']]);
  });

  it('finishes those before it when a pipeline in order reaches one of them', () => {
    const lane = source().lane();
    lane.open(0, 10);
    const parts = opened(lane);
    const [one, two] = [parts.add(), parts.add()];
    parts.complete();
    one.finishThrough(1);
    expect(lane.checkpoint().frontier).toBe(1);
    two.finishThrough(1);
    expect(lane.checkpoint().frontier).toBe(2);
  });

  it('looks like the lane of its partition, in logs too', () => {
    const lane = source().lane({ partition: 3, epoch: 2 });
    const part = opened(lane).add();
    part.metadata = 'word';
    expect([part.topic, part.partition, part.epoch, part.live, lane.metadata]).toEqual(['orders', 3, 2, true, 'word']);
    expect(part.bytesAt(0)).toBe(10);
    expect((part as never)[Symbol.for('nodejs.util.inspect.custom')]).toBeTypeOf('function');
  });
});

describe('commit, of values that one record became', () => {
  it(
    'remembers the record when the last of them has come',
    inVirtualTime(({ hot, expectObservable, expectSubscriptions }) => {
      const kafka = source();
      const parts = opened(kafka.lane());
      const values$ = hot('-a--b|', { a: valueOf(parts.add(), 'a'), b: valueOf(parts.add(), 'b') });
      const onDisk = '     ----1';
      parts.complete();

      values$.pipe(commit()).subscribe();
      expectObservable(kafka.onDisk$).toBe(onDisk);
      expectSubscriptions(values$.subscriptions).toBe('^----!');
    }),
  );

  it(
    "with emit: 'durable' lets none of them through before the record is on disk",
    inVirtualTime(({ cold, hot, expectObservable }) => {
      const kafka = source({ write: () => cold<never>('--|') });
      const lane = kafka.lane();
      const parts = opened(lane);
      lane.open(1, 10);
      const values = { a: valueOf(parts.add(), 'a'), b: valueOf(parts.add(), 'b'), c: valueOf(lane, 'c', 1) };
      const values$ = hot('-ac--b------|', values);
      const result = '     -------(acb)|';
      parts.complete();

      expectObservable(values$.pipe(commit({ emit: 'durable' }))).toBe(result, values);
    }),
  );

  it(
    "with emit: 'durable' completes when nothing can finish the record any more, and lets go what comes after it",
    inVirtualTime(({ hot, expectObservable }) => {
      const kafka = source();
      const lane = kafka.lane();
      const parts = opened(lane);
      lane.open(1, 10);
      const values = { a: valueOf(parts.add(), 'a'), c: valueOf(lane, 'c', 1) };
      const values$ = hot('-ac--|', values);
      const result = '     -----(c|)';

      expectObservable(values$.pipe(commit({ emit: 'durable' }))).toBe(result, values);
    }),
  );

  it(
    'applies them together, in the transaction that remembers the record',
    inVirtualTime(({ hot, expectObservable, flush }) => {
      const applied: string[] = [];
      const kafka = source({
        write: (_, apply) => {
          apply?.([], {} as StateTransaction);
          return [];
        },
      });
      const lane = kafka.lane();
      const parts = opened(lane);
      lane.open(1, 10);
      const values = { a: valueOf(parts.add(), 'a'), b: valueOf(parts.add(), 'b'), c: valueOf(lane, 'c', 1) };
      const values$ = hot('-ac-b|', values);
      const onDisk = '     --x-2';
      parts.complete();

      values$.pipe(commit({ apply: (all) => void applied.push(all.map(({ value }) => value).join('')) })).subscribe();
      expectObservable(kafka.onDisk$).toBe(onDisk, { x: '0 [1,2)', 2: '2' });
      flush();
      expect(applied).toEqual(['c', 'ab']);
    }),
  );

  it(
    'applies no array with some of them',
    inVirtualTime(({ hot, expectObservable, flush }) => {
      const kafka = source();
      const lane = kafka.lane();
      const parts = opened(lane);
      parts.add();
      const values$ = hot('-a|', { a: [valueOf(parts.add(), 'a')] });

      expectObservable(values$.pipe(commit({ apply: () => undefined }))).toBe(
        '-(a#)',
        { a: expect.anything() as unknown },
        expect.objectContaining({ code: 'OPTION' }),
      );
      flush();
      expect(lane.records).toBe(1);
    }),
  );
});
