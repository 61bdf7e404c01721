import type { Observable } from 'rxjs';
import { bufferCount, map, of } from 'rxjs';
import { describe, expectTypeOf, it } from 'vitest';
import { gate } from '../../src/index.js';
import type { KafkaRecord } from '../../src/index.js';

declare const topic$: Observable<KafkaRecord>;

describe('gate', () => {
  it('takes records and arrays of them, and gives the same type back', () => {
    expectTypeOf(topic$.pipe(gate(of(true)))).toEqualTypeOf<Observable<KafkaRecord>>();
    expectTypeOf(topic$.pipe(bufferCount(10), gate(of(true)))).toEqualTypeOf<Observable<KafkaRecord[]>>();
  });

  it('does not compile where the position was lost, or where nothing says yes or no', () => {
    void topic$.pipe(
      // @ts-expect-error a bare value knows no position
      map((r) => r.value),
      gate(of(true)),
    );
    // @ts-expect-error a number is neither
    void topic$.pipe(gate(of(1)));
  });
});
