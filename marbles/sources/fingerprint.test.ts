import { map } from 'rxjs';
import { describe, expect, it } from 'vitest';
import { commit } from '../../src/operators/commit.js';
import type { KafkaRecord } from '../../src/record.js';
import { fingerprintOf, isSame } from '../../src/sources/fingerprint.js';
import type { PartitionLane } from '../../src/sources/lane.js';
import { log, rowsOf } from '../support/log.js';
import { pumping } from '../support/pumping.js';
import { recordAt, source } from '../support/source.js';
import { at, inVirtualTime } from '../support/virtualTime.js';

const record = (fields: Partial<KafkaRecord> = {}): KafkaRecord => ({ ...recordAt(source().lane(), 7, Buffer.from('v')), ...fields });

describe('a fingerprint', () => {
  it('is the same for the same record, and another for any other', () => {
    const mine = fingerprintOf(record());
    expect(isSame(mine, fingerprintOf(record()))).toBe(true);
    const others: Partial<KafkaRecord>[] = [
      { offset: 8 },
      { timestamp: 1 },
      { value: Buffer.from('w') },
      { value: null },
      { key: Buffer.from('v'), value: null },
      { key: Buffer.alloc(0) },
    ];
    for (const other of others) expect(isSame(mine, fingerprintOf(record(other)))).toBe(false);
  });

  it('is kept of a record below the frontier, one now and then', () => {
    const lane = source().lane();
    for (let offset = 0; offset < 1_000; offset += 1) {
      lane.open(offset, 10);
      if (lane.wantsSample(offset)) lane.sample({ offset, timestamp: 0, crc: offset });
    }
    expect(lane.checkpoint().fingerprint).toBeUndefined();
    for (let offset = 0; offset < 600; offset += 1) lane.finish(offset);
    expect(lane.checkpoint().fingerprint).toEqual({ offset: 512, timestamp: 0, crc: 512 });
    lane.finish(999);
    expect(lane.checkpoint().fingerprint?.offset).toBe(512);
  });

  it(
    'that the log shows again lets the partition go on where it was',
    inVirtualTime(({ expectObservable }) => {
      const kafka = source();
      const rows = rowsOf('abcd');
      const fingerprint = fingerprintOf(recordAt(kafka.lane(), 1, 'b') as unknown as KafkaRecord);
      const strangers: PartitionLane[] = [];
      const lane = kafka.lane({ frontier: 3, fingerprint });
      const { records$ } = pumping(kafka, log(rows.slice(1)), [lane], { onStranger: (one) => strangers.push(one) });
      const unsub = ' ---------!';
      const values = '-d';

      expectObservable(
        records$.pipe(
          commit(),
          map(({ value }) => value as unknown as string),
        ),
        unsub,
      ).toBe(values);
      at(9, () => {
        expect(strangers).toEqual([]);
      });
    }),
  );

  it(
    'that the log does not show is noticed before anything is emitted',
    inVirtualTime(({ expectObservable }) => {
      const kafka = source();
      const fingerprint = fingerprintOf(recordAt(kafka.lane(), 1, 'x') as unknown as KafkaRecord);
      const strangers: PartitionLane[] = [];
      const lane = kafka.lane({ frontier: 3, fingerprint });
      const { values$ } = pumping(kafka, log(rowsOf('abcd').slice(1)), [lane], { onStranger: (one) => strangers.push(one) });
      const unsub = ' ---------!';
      const values = '----------';

      expectObservable(values$, unsub).toBe(values);
      at(8, () => {
        expect(strangers).toEqual([lane]);
      });
    }),
  );
});
